"""The ranges of a CSV job in the results bucket: the plan, and the record of each range that is finished."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from itertools import count, takewhile
from typing import TypeVar

from cloud.objects import ContentConflict, Objects
from cloud.once import put_once
from schemas.codec import encode
from schemas.jobs import JobSpec, PartRecord
from schemas.ranges import RangePlan, RangeRecord
from worker.core.naming import PLAN, finished_range, job_object, part_object, range_folder
from worker.core.range_verdict import BrokenChain, Verdict, judge
from worker.csv_parts import JSON_TYPE, first_document, read_document

_RECORD = re.compile(r".*/finished/(\d{6,})\.json")
Key = TypeVar("Key")
Record = TypeVar("Record")

_READERS = 8
"""Small documents that are read at once: each costs a round trip."""


class RangeStore:
    """One job's ranges. Methods may block, and are safe to call again with the same values. Raises TransientError."""

    def __init__(self, results: Objects, job: str) -> None:
        self.job = job
        self._results = results

    def plan(self) -> RangePlan | None:
        """Return where the ranges start; None where nobody has looked."""
        return read_document(self._results, job_object(self.job, PLAN), RangePlan)

    def settle_plan(self, plan: RangePlan) -> RangePlan:
        """Store the plan; every worker makes the same one (else ContentConflict)."""
        put_once(self._results, job_object(self.job, PLAN), encode(plan), content_type=JSON_TYPE)
        return plan

    def range(self, number: int) -> RangeRecord | None:
        """Return a range's record; None while it is not finished."""
        return read_document(self._results, finished_range(self.job, number), RangeRecord)

    def settle_range(self, record: RangeRecord) -> RangeRecord:
        """Store a range's record, and return the one that counts: the first that any worker wrote.

        Workers may differ in whether a range could be finished. Raises ContentConflict where both finished it, and
        differently.
        """
        stored = first_document(self._results, finished_range(self.job, record.range), record, RangeRecord)
        if stored != record and stored.reason is None and record.reason is None:
            raise ContentConflict(
                f"Range {record.range} of {self.job} was finished with another result. Nothing was overwritten."
            )
        return stored

    def finished(self) -> set[int]:
        """Return the numbers of the ranges that have a record."""
        infos = self._results.listing(job_object(self.job, "finished/"))
        return {int(match[1]) for info in infos if (match := _RECORD.fullmatch(info.name))}

    def verdict(self, spec: JobSpec) -> Verdict | None:
        """Return how the job ends by what is stored, None where it must go on. See `judge`."""
        finished = self.finished()
        in_order = takewhile(finished.__contains__, count())
        records = [record for record in _read_at_once(self.range, list(in_order)) if record is not None]
        return self.judge(records, spec)

    def judge(self, records: Iterable[RangeRecord], spec: JobSpec) -> Verdict | None:
        """Return what `judge` says of records. Raises ContentConflict where they do not fit together."""
        try:
            return judge(records, spec.max_rejections, size=spec.source.size)
        except BrokenChain as error:
            raise ContentConflict(f"The ranges of {self.job} do not fit together: {error}.") from None

    def parts(self, ranges: Iterable[RangeRecord]) -> Iterator[PartRecord]:
        """Yield the records of the ranges' parts, in the file's order. Raises ContentConflict for a missing one."""
        names = [
            part_object(range_folder(self.job, one.range), number, "json")
            for one in ranges
            for number in range(one.parts)
        ]
        for name, record in zip(names, _read_at_once(self._part, names), strict=True):
            if record is None:
                raise ContentConflict(f"{self._results.uri}/{name} is missing, although its range is finished.")
            yield record

    def _part(self, name: str) -> PartRecord | None:
        return read_document(self._results, name, PartRecord)


def _read_at_once(read: Callable[[Key], Record | None], keys: Sequence[Key]) -> Iterator[Record | None]:
    """Yield what is read for each key, in order, several at a time, with the context variables of the caller."""
    with ThreadPoolExecutor(_READERS, "documents") as readers:
        for reading in [readers.submit(copy_context().run, read, key) for key in keys]:
            yield reading.result()
