"""`reviewmill publish review|reviews|csv`."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from publisher.console import DONE, WRONG_USE, say

_KINDS = {
    "review": ("publisher.review", "one review, given on the command line"),
    "reviews": ("publisher.reviews", "a file of reviews, JSON Lines or CSV, one message each"),
    "csv": ("publisher.upload", "a CSV file as a whole, scored as one job"),
}


def _usage() -> str:
    rows = "\n".join(f"  {kind:<9}{summary}" for kind, (_, summary) in _KINDS.items())
    return (
        "usage: reviewmill publish KIND [ARGUMENT ...]\n\n"
        "Send reviews to be scored: as messages to the reviews topic, or as a CSV file to the uploads bucket.\n\n"
        f"kinds:\n{rows}\n\n"
        "examples:\n"
        '  reviewmill publish review "Great film" --wait\n'
        "  reviewmill publish reviews reviews.jsonl --model linear_svc --wait\n"
        "  reviewmill publish csv reviews.csv --text-column review --wait\n\n"
        "'reviewmill publish KIND --help' explains a kind."
    )


def main(argv: list[str]) -> int:
    """Run the kind of publishing that argv names."""
    if not argv or argv[0] in {"-h", "--help"}:
        print(_usage())
        return DONE if argv else WRONG_USE
    if argv[0] not in _KINDS:
        say(f"reviewmill publish: there is no kind {argv[0]!r}. Choose one of: {', '.join(_KINDS)}.")
        return WRONG_USE
    run: Callable[[list[str]], int] = importlib.import_module(_KINDS[argv[0]][0]).main
    return run(argv[1:])
