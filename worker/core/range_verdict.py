"""What finished ranges say about a job: that it goes on, that it is over, or that it has failed.

The answer follows from the ranges in their order, not from who finished which of them when: so a job has one end,
whoever comes to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from schemas.ranges import RangeRecord
from worker.core.rejection_limit import exceeds


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


def judge(in_order: Iterable[RangeRecord], limit: float | None, *, size: int) -> Verdict | None:
    """Return how a job ends, None where it must go on.

    `in_order` are its ranges from the first to before a missing one, `size` the bytes of its file. The limit, as in
    `rejection_limit.exceeds`, is looked at where each range ends. Raises BrokenChain.
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
        read = 1.0 if record.last else record.next.byte / size
        if exceeds(limit, rejections=rejections, rows=rows, read=read):
            return Verdict(tuple(kept), too_many=True)
        if record.last:
            return Verdict(tuple(kept))
    return None
