"""The ranges of a large CSV job: one at a time, by whoever is asked to, or all of them one after the other.

How a range is cut into parts follows from the spec and from where the range starts, so the parts are the same whoever
makes them. A range is finished when its record is stored; the job is over when the records say so (`range_verdict`).
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from cloud.objects import Objects
from schemas.errors import InvalidInput
from schemas.jobs import Counts, JobSpec, PartRecord
from schemas.ranges import RangePlace, RangeRecord
from worker.core.csv_output import PartContent
from worker.core.in_order import run_in_order
from worker.core.naming import range_folder
from worker.core.range_verdict import Verdict
from worker.core.rows import Place, first_place
from worker.csv_cost import Meter
from worker.csv_finish import reason_of, too_many
from worker.csv_model import JobModel
from worker.csv_parts import JobStore, Totals
from worker.csv_range_store import RangeStore
from worker.csv_reading import PartReader, Stretch, UnscoredPart
from worker.csv_scoring import PartScorer
from worker.csv_source import UploadedFile


class RangeWork:
    """One worker's work on the ranges of one job. Blocks; raises TransientError and ContentConflict."""

    def __init__(
        self,
        spec: JobSpec,
        results: Objects,
        file: UploadedFile,
        *,
        model: JobModel,
        meter: Meter,
        threads: int,
    ) -> None:
        self.store = RangeStore(results, spec.job)
        self._spec = spec
        self._results = results
        self._file = file
        self._model = model
        self._meter = meter
        self._scorer = PartScorer(meter, threads=threads)

    def run_all(self, go_on: Callable[[], object]) -> tuple[Totals, str | None]:
        """Go through the ranges until the job is over; return its totals, and the reason where it has failed.

        `go_on` is called before a part is read; InvalidInput that it raises ends the job there.
        """
        place = first_place(self._spec.header)
        records: list[RangeRecord] = []
        verdict = None
        while verdict is None:
            number = len(records)
            record = self.store.range(number) or self.run(number, place, go_on)
            records.append(record)
            place = Place(record.next.byte, record.next.line, record.next.row)
            verdict = self.store.judge(records, self._spec)
        return self.ending(verdict)

    def run(self, number: int, start: Place, go_on: Callable[[], object]) -> RangeRecord:
        """Score one range; parts that any worker finished are taken as they are. Return the record that counts."""
        assert self._spec.range_bytes is not msgspec.UNSET
        parts = JobStore(self._results, range_folder(self._spec.job, number))
        stretch = Stretch(number, start, before_byte=start.byte + self._spec.range_bytes)
        reader = PartReader(self._spec, parts, self._file, model=self._model, meter=self._meter, stretch=stretch)
        done: list[PartRecord] = []

        def settle(step: PartRecord | UnscoredPart, content: PartContent | None) -> None:
            if isinstance(step, UnscoredPart):
                assert content is not None
                with self._meter.phase("write"):
                    step = parts.write_part(step.number, content, place=step.place, last=step.last)
            done.append(step)

        reason = None
        try:
            run_in_order(reader.steps(go_on), self._scorer.score, settle, makers=self._scorer.makers)
        except InvalidInput as error:
            reason = reason_of(error)
        return self.store.settle_range(self._record(number, start, done, reason))

    def ending(self, verdict: Verdict) -> tuple[Totals, str | None]:
        """Return the totals of a job that is over, and the reason where it has failed."""
        totals = Totals()
        for record in self.store.parts(verdict.kept):
            totals.add(record)
        return totals, reason_of(too_many(self._spec, totals)) if verdict.too_many else verdict.reason

    def _record(self, number: int, start: Place, parts: list[PartRecord], reason: str | None) -> RangeRecord:
        end = Place(parts[-1].next_byte, parts[-1].next_line, parts[-1].next_row) if parts else start
        counts = [part.counts for part in parts]
        return RangeRecord(
            range=number,
            parts=len(parts),
            counts=Counts(
                rows=sum(one.rows for one in counts),
                predictions=sum(one.predictions for one in counts),
                rejections=sum(one.rejections for one in counts),
            ),
            start=RangePlace(start.byte, start.line, start.row),
            next=RangePlace(end.byte, end.line, end.row),
            # A row starts before the file's end, so only the end of all rows is there.
            last=reason is None and end.byte == self._spec.source.size,
            reason=reason,
        )
