"""`reviewmill results reviews|job`."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from publisher.console import DONE, WRONG_USE, say

_KINDS = {
    "reviews": ("publisher.results_reviews", "outcomes of review messages"),
    "job": ("publisher.results_job", "results of one CSV job"),
}


def _usage() -> str:
    rows = "\n".join(f"  {kind:<9}{summary}" for kind, (_, summary) in _KINDS.items())
    return (
        "usage: reviewmill results KIND [ARGUMENT ...]\n\n"
        "Read predictions and rejections out of the results bucket, each row once.\n\n"
        f"kinds:\n{rows}\n\n"
        "examples:\n"
        "  reviewmill results reviews --since 15m\n"
        "  reviewmill results job reviews-0123456789abcdef --format csv\n\n"
        "'reviewmill results KIND --help' explains a kind."
    )


def main(argv: list[str]) -> int:
    """Run the kind of reading that argv names."""
    if not argv or argv[0] in {"-h", "--help"}:
        print(_usage())
        return DONE if argv else WRONG_USE
    if argv[0] not in _KINDS:
        say(f"reviewmill results: there is no kind {argv[0]!r}. Choose one of: {', '.join(_KINDS)}.")
        return WRONG_USE
    run: Callable[[list[str]], int] = importlib.import_module(_KINDS[argv[0]][0]).main
    return run(argv[1:])
