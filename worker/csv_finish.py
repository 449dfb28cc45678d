"""The end of a CSV job: its parts are joined, the manifest is stored last, and the end is announced."""

from __future__ import annotations

from collections.abc import Callable

from cloud.objects import Objects
from schemas.errors import InvalidInput
from schemas.jobs import Completion, JobManifest, JobSpec, Source
from worker.core.naming import MANIFEST, job_object
from worker.core.report_summary import RunFigures
from worker.csv_attempts import JobStopping
from worker.csv_cost import Meter
from worker.csv_parts import JobStore, Totals


def finish_job(
    store: JobStore,
    spec: JobSpec | None,
    totals: Totals,
    reason: str | None,
    *,
    source: Source,
    meter: Meter,
    stopping: Callable[[], bool] = lambda: False,
) -> JobManifest:
    """Join the parts and store the manifest; a failed job, which has a `reason`, keeps what was done.

    Safe to call again, and by several workers at once. Blocks. Raises TransientError (JobStopping where it is
    stopped on the way), and ContentConflict where stored objects are not this job's.
    """

    def go_on() -> None:
        if stopping():
            raise JobStopping(f"this worker is stopping; another one finishes job {store.job}")

    with meter.phase("compose"):
        objects = store.compose(totals.objects, spec, go_on=go_on) if spec and totals.objects else []
    if spec is not None and objects:
        with meter.phase("report"):
            run = RunFigures(store.seconds(), meter.cost())
            objects.append(store.write_report(totals.summary(spec, reason, run)))
    return store.settle_manifest(
        JobManifest(
            job=store.job,
            state="done" if reason is None else "failed",
            source=source,
            model=spec.model if spec else None,
            version=spec.version if spec else None,
            counts=totals.counts(),
            labels=dict(totals.labels),
            codes=dict(totals.codes),
            objects=objects,
            timings=meter.timings(),
            cost=meter.cost(),
            reason=reason,
            models=totals.shares(spec) if spec else [],
        )
    )


def announce(results: Objects, manifest: JobManifest, publish: Callable[[Completion], object]) -> None:
    """Say that the job has ended. The same job may be announced again: the message's `job` attribute tells repeats."""
    name = f"{results.uri.rstrip('/')}/{job_object(manifest.job, MANIFEST)}"
    publish(Completion(job=manifest.job, manifest=name, state=manifest.state, counts=manifest.counts))


def reason_of(error: InvalidInput) -> str:
    """Return what the manifest of a job that failed says."""
    return f"{error.code}: {error.reason}"


def too_many(spec: JobSpec, totals: Totals) -> InvalidInput:
    """Return the error of a job whose rejections exceed its limit."""
    causes = ", ".join(f"{code} {count:,}" for code, count in totals.codes.most_common(3))
    return InvalidInput(
        "too_many_rejections",
        f"{totals.rejections:,} of the {totals.rows:,} rows read were rejected ({causes}), and the limit is "
        f"{spec.max_rejections:g}. See rejections.jsonl; mend the file or its options and upload it again.",
    )
