"""The story of one range of a CSV job: its task arrives → parts → the range's record → perhaps the job's end.

Whoever finishes the range after which the job is over (it need not be the file's last one) joins the parts and writes
the manifest; of two that do so at once, both write the same.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from schemas.errors import InvalidInput
from schemas.jobs import Completion, JobManifest, JobSpec
from schemas.ranges import RangePlan, RangeTask
from worker.core.naming import job_id, range_folder
from worker.core.rows import Place
from worker.csv_attempts import Attempts, JobStopping
from worker.csv_cost import Meter, MeteredObjects
from worker.csv_finish import announce, finish_job
from worker.csv_job import JobPlaces, JobRules
from worker.csv_model import JobModel
from worker.csv_parts import JobStore
from worker.csv_range_store import RangeStore
from worker.csv_ranges import RangeWork
from worker.csv_source import UploadedFile


def run_range(
    task: RangeTask,
    places: JobPlaces,
    rules: JobRules,
    *,
    publish_completion: Callable[[Completion], object],
    clock: Callable[[], float],
    stopping: Callable[[], bool] = lambda: False,
    moved: Callable[[], object] = lambda: None,
) -> JobManifest | None:
    """Score one range of a job, and finish the job where it is over then; None where other ranges are still missing.

    Safe to call again at any time: a finished range is not read again. Arguments and errors as of `run_job`; raises
    InvalidInput("unknown_range") for a task that is of no planned job.
    """
    job = job_id(task.bucket, task.object, task.generation)
    meter = Meter(clock, moved)
    results = MeteredObjects(places.results, meter)
    store = JobStore(results, job)
    manifest = store.manifest()
    if manifest is not None:
        # Whoever ended the job had a range recorded first; tasks that came too late have nothing to say.
        if RangeStore(results, job).range(task.range) is not None:
            announce(places.results, manifest, publish_completion)
        return manifest
    spec = store.spec()
    if spec is None:
        raise _unknown(task)
    file = UploadedFile(MeteredObjects(places.uploads, meter), task.upload, rules.kernel)
    model = JobModel(places.models)
    ranges = RangeWork(spec, results, file, model=model, meter=meter, threads=rules.threads)
    _work(task, spec, ranges, Attempts(results, range_folder(job, task.range)), stopping)
    verdict = ranges.store.verdict(spec)
    if verdict is None:
        return None
    manifest = finish_job(store, spec, *ranges.ending(verdict), source=spec.source, meter=meter, stopping=stopping)
    announce(places.results, manifest, publish_completion)
    return manifest


def _work(task: RangeTask, spec: JobSpec, ranges: RangeWork, attempts: Attempts, stopping: Callable[[], bool]) -> None:
    """Have the range finished, or recorded as one that cannot be."""
    plan = ranges.store.plan()
    if plan is None or spec.range_bytes is msgspec.UNSET or task.range >= len(plan.starts):
        raise _unknown(task)
    if ranges.store.range(task.range) is not None:
        return
    with attempts.one() as given_up:

        def go_on() -> None:
            if given_up is not None:
                raise InvalidInput("no_progress", f"Range {task.range}: {given_up}")
            if stopping():
                raise JobStopping(f"this worker is stopping; another one goes on with range {task.range} of {spec.job}")

        ranges.run(task.range, _start(plan, task.range), go_on)


def _start(plan: RangePlan, number: int) -> Place:
    start = plan.starts[number]
    return Place(start.byte, start.line, start.row)


def _unknown(task: RangeTask) -> InvalidInput:
    return InvalidInput(
        "unknown_range",
        f"No worker has planned range {task.range} of this upload's job. Send the upload's notification again.",
    )
