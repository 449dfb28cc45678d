"""A job's end follows from its ranges in their order."""

from __future__ import annotations

import pytest

from schemas.jobs import Counts
from schemas.ranges import RangePlace, RangeRecord
from worker.core.range_verdict import BrokenChain, judge

SIZE = 300
"""Bytes of a file of three ranges."""


def chain(*rejections: int, last: bool = True, reason: tuple[int, str] | None = None) -> list[RangeRecord]:
    """Return ranges of ten rows each, with so many rejections."""
    return [
        RangeRecord(
            range=number,
            parts=1,
            counts=Counts(rows=10, predictions=10 - count, rejections=count),
            start=RangePlace(100 * number, 10 * number + 1, 10 * number + 1),
            next=RangePlace(100 * number + 100, 10 * number + 11, 10 * number + 11),
            last=last and number == len(rejections) - 1,
            reason=reason[1] if reason and reason[0] == number else None,
        )
        for number, count in enumerate(rejections)
    ]


def test_a_job_goes_on_until_its_last_range_is_there() -> None:
    assert judge([], None, size=SIZE) is None
    assert judge(chain(0, 0, last=False), None, size=SIZE) is None
    verdict = judge(chain(9, 9), None, size=SIZE)
    assert verdict is not None
    assert (len(verdict.kept), verdict.reason, verdict.too_many) == (2, None, False)


@pytest.mark.parametrize(
    ("rejections", "limit", "kept"),
    [
        ((1, 1, 1, 1), 2, 3),
        ((3, 0, 0), 2, 1),
        ((2, 0, 0), 2, None),
        ((10, 0, 0), 0.3, 1),
        ((10, 0, 0), 0.4, None),
        ((9, 10, 0), 0.6, 2),
        ((5, 5, 6), 0.5, 3),
        ((5, 5, 5), 0.5, None),
        ((0, 1, 0), 0, 2),
        ((0, 9, 1), 0.5, None),
    ],
)
def test_the_limit_is_looked_at_where_each_range_ends(
    rejections: tuple[int, ...], limit: float, kept: int | None
) -> None:
    verdict = judge(chain(*rejections), limit, size=100 * len(rejections))
    assert verdict is not None
    assert verdict.too_many is (kept is not None)
    assert len(verdict.kept) == (len(rejections) if kept is None else kept)
    # What is known of later ranges changes nothing.
    if kept is not None:
        assert judge(chain(*rejections)[:kept], limit, size=100 * len(rejections)) == verdict


def test_a_range_that_cannot_be_finished_ends_the_job_there() -> None:
    verdict = judge(chain(0, 0, 0, reason=(1, "source_gone: It is gone.")), 1, size=SIZE)
    assert verdict is not None
    assert (len(verdict.kept), verdict.reason, verdict.too_many) == (2, "source_gone: It is gone.", False)


@pytest.mark.parametrize("wrong", ["gap", "order", "rows"])
def test_ranges_that_do_not_fit_together_are_an_alarm(wrong: str) -> None:
    first, second, third = chain(0, 0, 0)
    if wrong == "gap":
        records = [first, third]
    elif wrong == "order":
        records = [second, first]
    else:
        counts = Counts(rows=9, predictions=9, rejections=0)
        records = [
            RangeRecord(0, 1, counts, start=first.start, next=first.next, last=False),
            second,
        ]
    with pytest.raises(BrokenChain):
        judge(records, None, size=SIZE)
