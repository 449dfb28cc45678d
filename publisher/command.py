"""`reviewmill publish review|reviews|csv`."""

from __future__ import annotations

from publisher.kinds import Kinds

_KINDS = Kinds(
    "reviewmill publish",
    "Send reviews to be scored: as messages to the reviews topic, or as a CSV file to the uploads bucket.",
    {
        "review": ("publisher.review", "one review, given on the command line"),
        "reviews": ("publisher.reviews", "a file of reviews, JSON Lines or CSV, one message each"),
        "csv": ("publisher.upload", "a CSV file as a whole, scored as one job"),
    },
    [
        'reviewmill publish review "Great film" --wait',
        "reviewmill publish reviews reviews.jsonl --model linear_svc --wait",
        "reviewmill publish csv reviews.csv --text-column review --wait",
    ],
)


def main(argv: list[str]) -> int:
    """Run the kind of publishing that argv names."""
    return _KINDS.run(argv)
