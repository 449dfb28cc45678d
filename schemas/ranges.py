"""Ranges: stretches of one large upload that several workers can work on at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec

from schemas.codec import decode
from schemas.events import Upload, checked_upload, notification_attributes
from schemas.jobs import Count, Counts

MAX_RANGES = 1_000
"""Ranges of one job. Larger files have larger ranges."""

_WORK = "work"
_CSV_RANGE = "csv_range"
_MAX_TASK_BYTES = 10_000

Number = Annotated[int, msgspec.Meta(ge=0, lt=MAX_RANGES)]


class RangeTask(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The message that asks for one range of a job. Where the range starts is in the job's plan, not in the message."""

    bucket: Annotated[str, msgspec.Meta(min_length=1, max_length=222)]
    object: Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]
    generation: Annotated[int, msgspec.Meta(gt=0, le=2**63 - 1)]
    range: Number

    @property
    def upload(self) -> Upload:
        """The uploaded file."""
        return Upload(self.bucket, self.object, self.generation)

    def attributes(self) -> dict[str, str]:
        """Return message attributes: they tell the task from the upload's notification, on the same topic.

        The others are that notification's. A worker of a release without ranges takes the message for it, finds a spec
        that it cannot read and gives the message back; it would reject a message without them as a bad review.
        """
        notification = notification_attributes(self.upload)
        return {_WORK: _CSV_RANGE, **notification}


class RangePlace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a record starts; at the end, where the file ends."""

    byte: Count
    line: Annotated[int, msgspec.Meta(ge=1)]
    row: Annotated[int, msgspec.Meta(ge=1)]


class RangePlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`jobs/<id>/ranges.json`: create-only; where each range starts. A range ends where the next one starts."""

    job: str
    starts: Annotated[list[RangePlace], msgspec.Meta(min_length=1, max_length=MAX_RANGES)]


class RangeRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`jobs/<id>/finished/000000.json`: create-only; written after the range's parts, so that it vouches for them."""

    range: Number
    parts: Count
    counts: Counts
    start: RangePlace
    next: RangePlace
    """Where the next range starts; of a range that could not be finished, where its parts end."""
    last: bool
    """Whether the file ends here."""
    reason: str | None = None
    """Why the range could not be finished, and the job fails with it; null for a finished one."""


def is_range_task(attributes: Mapping[str, str]) -> bool:
    """Say whether a Pub/Sub message asks for a range of a job."""
    return attributes.get(_WORK) == _CSV_RANGE


def decode_range_task(data: bytes) -> RangeTask:
    """Return the task in a message's data; raises InvalidInput."""
    task = decode(data, RangeTask, max_bytes=_MAX_TASK_BYTES)
    checked_upload(task.bucket, task.object, str(task.generation))
    return task
