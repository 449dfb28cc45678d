"""CSV jobs in ranges over memory: alone, shared, and by tasks in any order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from cloud.objects import Objects
from schemas.events import Upload
from schemas.jobs import JobManifest
from schemas.ranges import RangeTask
from tests.unit.csv_job.conftest import World
from worker.csv_attempts import HandedOver
from worker.csv_job import JobPlaces, JobRules, run_job
from worker.csv_range_job import run_range

RANGE_BYTES = 60


@dataclass(slots=True)
class RangedWorld(World):
    """A world whose jobs are worked on in ranges; `tasks` are the messages that were published."""

    tasks: list[RangeTask] = field(default_factory=list)

    def places(self, results: Objects | None = None) -> JobPlaces:
        return JobPlaces(self.uploads, results or self.results, self.models)

    def rules(self, max_rejections: float = 1000, range_bytes: int = RANGE_BYTES) -> JobRules:
        return JobRules(chunk_rows=3, max_rejections=max_rejections, range_bytes=range_bytes)

    def alone(
        self,
        upload: Upload,
        *,
        results: Objects | None = None,
        max_rejections: float = 1000,
        range_bytes: int = RANGE_BYTES,
        publish: Callable[[Sequence[RangeTask]], object] | None = None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> JobManifest:
        """Have one worker do what it can without the others."""
        return run_job(
            upload,
            self.places(results),
            self.rules(max_rejections, range_bytes),
            publish_completion=self.completions.append,
            clock=lambda: 0.0,
            stopping=stopping,
            publish_ranges=publish,
        )

    def share(self, upload: Upload, *, results: Objects | None = None, max_rejections: float = 1000) -> list[RangeTask]:
        """Have a worker take up the upload's notification; return the tasks that it published."""
        before = len(self.tasks)
        with suppress(HandedOver):
            self.alone(upload, results=results, max_rejections=max_rejections, publish=self.tasks.extend)
        return self.tasks[before:]

    def work(
        self, task: RangeTask, *, results: Objects | None = None, stopping: Callable[[], bool] = lambda: False
    ) -> JobManifest | None:
        """Have a worker take up one task."""
        return run_range(
            task,
            self.places(results),
            self.rules(),
            publish_completion=self.completions.append,
            clock=lambda: 0.0,
            stopping=stopping,
        )


def result(stored: dict[str, bytes]) -> dict[str, bytes]:
    """Return the job's objects without what only a shared job has: the plan, and attempts at ranges."""
    return {name: data for name, data in stored.items() if name != "ranges.json" and "/attempts/" not in name}


LINES = [
    b'%d,"word %s, again"\n' % (row, b"x" * row)
    if row % 4
    else (b'%d,"a line\n\nand ""another\n""",\n' % row if row % 3 == 0 else b'%d,"open\n' % row)
    for row in range(1, 41)
]
FILE = b"id,text\n" + b"".join(LINES) + b"\n\n"
"""Forty rows or more, with quoted line ends where ranges of 60 bytes would be cut, open quotes, and blank lines."""
