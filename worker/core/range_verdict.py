"""What finished ranges say about a job: that it goes on, that it is over, or that it has failed.

The answer follows from the ranges in their order, not from who finished which of them when: so a job has one end,
whoever comes to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from schemas.ranges import RangeRecord


class BrokenChain(Exception):  # noqa: N818 - a fact, raised as an alarm
    """A range does not start where the one before it ends: its rows are not those that they claim to be."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The end of a job."""

    kept: tuple[RangeRecord, ...]
    """The ranges whose parts make up the result."""
    reason: str | None = None
    """Why the last of them could not be finished."""
    too_many: bool = False
    """Whether their rejections exceed the job's limit."""


def exceeds(limit: float | None, *, rejections: int, rows: int) -> bool:
    """Say whether rejections are above the limit: a share of the rows below 1, a count from 1 on."""
    return limit is not None and rejections > (limit * rows if limit < 1 else limit)


def judge(in_order: Iterable[RangeRecord], limit: float | None) -> Verdict | None:
    """Return how a job ends, None where it must go on.

    `in_order` are its ranges from the first to before a missing one. The limit, as in `exceeds`, is looked at where
    each range ends. Raises BrokenChain.
    """
    kept: list[RangeRecord] = []
    rows = rejections = 0
    for record in in_order:
        if record.range != len(kept) or (kept and kept[-1].next != record.start):
            raise BrokenChain(f"range {record.range} does not start where the one before it ends")
        kept.append(record)
        rows += record.counts.rows
        rejections += record.counts.rejections
        if record.next.row - kept[0].start.row != rows:
            raise BrokenChain(f"range {record.range} does not have as many rows as its places say")
        if record.reason is not None:
            return Verdict(tuple(kept), reason=record.reason)
        if exceeds(limit, rejections=rejections, rows=rows):
            return Verdict(tuple(kept), too_many=True)
        if record.last:
            return Verdict(tuple(kept))
    return None
