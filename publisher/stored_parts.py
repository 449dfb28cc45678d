"""What the parts of a running job come to so far, also of one whose ranges several workers work on at once."""

from __future__ import annotations

import msgspec

from publisher.stored_jobs import StoredJob
from schemas.jobs import JobSpec, PartRecord
from schemas.ranges import RangePlan
from worker.core.plain_bytes import is_as_stored


class StoredParts:
    """Sums over a job's part records. Each is read once, however often `look` is called. Blocks; raises NotDone."""

    def __init__(self, job: StoredJob) -> None:
        self.parts = 0
        self.rows = 0
        self.rejections = 0
        self.spec: JobSpec | None = None
        """None until a worker has stored it."""
        self._job = job
        self._seen: set[tuple[int, int]] = set()
        self._ends: dict[int, int] = {}
        """Where the parts of each range end so far; a job that has none counts as one range."""
        self._plan: RangePlan | None = None

    def look(self) -> bool:
        """Add the parts that were stored since the last look; say whether there are any."""
        before = self.parts
        self.spec = self.spec or self._job.spec()
        if self.spec is None:
            return False
        if self.spec.range_bytes is msgspec.UNSET:
            while (part := self._job.part(self.parts)) is not None:
                self._add(0, part)
        else:
            for place in self._job.range_parts():
                if place not in self._seen and (part := self._job.part(place[1], of_range=place[0])) is not None:
                    self._seen.add(place)
                    self._add(place[0], part)
        return self.parts > before

    @property
    def total_bytes(self) -> int | None:
        """What `done_bytes` counts up to; None where only reading tells, as of an inflated file."""
        spec = self.spec
        return spec.source.size if spec is not None and is_as_stored(spec.dialect) else None

    def done_bytes(self) -> int:
        """Return how many bytes of the file the parts stand for."""
        plan = self._starts()
        done = 0
        for number, end in self._ends.items():
            # Without a plan one worker goes through the ranges, and each is begun when the one before it is over.
            start = self._ends.get(number - 1, 0) if plan is None else plan.starts[number].byte
            done += end - (start if number else 0)
        return done

    def _starts(self) -> RangePlan | None:
        """Return where the ranges start, None where they are not shared; read once it matters.

        That is as soon as one other than the first has a part: it may be the only one, and what is before it is then
        not done.
        """
        if self._plan is None and any(self._ends):
            self._plan = self._job.plan()
        return self._plan

    def _add(self, number: int, part: PartRecord) -> None:
        self.parts += 1
        self.rows += part.counts.rows
        self.rejections += part.counts.rejections
        self._ends[number] = max(self._ends.get(number, 0), part.next_byte)
