"""`reviewmill results reviews|job`."""

from __future__ import annotations

from publisher.kinds import Kinds

_KINDS = Kinds(
    "reviewmill results",
    "Read predictions and rejections out of the results bucket, each row once.",
    {
        "reviews": ("publisher.results_reviews", "outcomes of review messages"),
        "job": ("publisher.results_job", "results of one CSV job"),
    },
    ["reviewmill results reviews --since 15m", "reviewmill results job reviews-0123456789abcdef --format csv"],
)


def main(argv: list[str]) -> int:
    """Run the kind of reading that argv names."""
    return _KINDS.run(argv)
