"""The story of a CSV job: spec → parts → compose → manifest → completion.

Everything that is written has a name and bytes that follow from the upload, the model and the spec, and is written
create-only. So a job can be killed at any moment, delivered twice or run by two workers at once: whoever goes on
finds the finished parts, and the result is the same to the byte.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from cloud.objects import Objects
from schemas.errors import InvalidInput
from schemas.events import Upload
from schemas.jobs import Completion, JobManifest, JobSpec, PartRecord, Source
from schemas.ranges import RangeTask
from worker.core.csv_output import PartContent
from worker.core.in_order import run_in_order
from worker.core.job_options import job_options
from worker.core.kernel import KernelSupply
from worker.core.naming import job_id
from worker.core.output_options import output_options
from worker.core.range_places import range_size
from worker.core.row_models import model_place
from worker.csv_attempts import Attempts, JobStopping
from worker.csv_cost import Meter, MeteredObjects
from worker.csv_finish import announce, finish_job, reason_of, too_many
from worker.csv_model import JobModel, Models
from worker.csv_parts import JobStore, Totals
from worker.csv_ranges import RangeWork
from worker.csv_reading import PartReader, UnscoredPart
from worker.csv_scoring import PartScorer
from worker.csv_share import share_ranges
from worker.csv_source import UploadedFile
from worker.parquet.writing import require_pyarrow

PART_BYTES = 7 * 512 * 1024
"""What jobs that begin here have as `JobSpec.part_bytes`. Small, so that the parts that are in memory at a time weigh
little (docs/benchmarks.md), and a file of a few megabytes already keeps every stage busy."""


@dataclass(frozen=True, slots=True)
class JobPlaces:
    """Where a job reads and writes."""

    uploads: Objects
    results: Objects
    models: Models


@dataclass(frozen=True, slots=True)
class JobRules:
    """What holds for jobs whose upload does not say otherwise."""

    chunk_rows: int
    max_rejections: float | None
    threads: int = 1
    range_bytes: int = 0
    """A larger file is worked on in ranges of about so many bytes, which workers can share; 0 for none."""
    kernel: KernelSupply | None = None
    """What reads and writes rows sooner, with the same bytes; None for plain Python."""


def run_job(
    upload: Upload,
    places: JobPlaces,
    rules: JobRules,
    *,
    publish_completion: Callable[[Completion], object],
    clock: Callable[[], float],
    stopping: Callable[[], bool] = lambda: False,
    moved: Callable[[], object] = lambda: None,
    publish_ranges: Callable[[Sequence[RangeTask]], object] | None = None,
) -> JobManifest:
    """Score an uploaded file, store what became of every row, and say so; return the job's manifest.

    Safe to call again at any time: finished parts are skipped, a finished job only announces itself again (the
    message after the manifest could have been lost; its `job` attribute tells repeats). A fault of the upload ends
    in a manifest of state `failed`. Blocks; raises TransientError and ModelUnavailable where trying again later can
    help, ContentConflict where stored objects are not this job's. `clock` gives monotonic seconds. A job that is
    `stopping` raises TransientError before its next part. `moved` is called with every storage operation, to show that
    the job does not hang. With `publish_ranges`, a file that is large enough is not scored here: its ranges are handed
    to all workers, and HandedOver is raised; see `run_range`.
    """
    job = job_id(upload.bucket, upload.name, upload.generation)
    manifest = (
        JobStore(places.results, job).manifest()
        or _Job(
            job,
            upload,
            places,
            rules,
            meter=Meter(clock, moved),
            stopping=stopping,
            publish_ranges=publish_ranges,
        ).run()
    )
    announce(places.results, manifest, publish_completion)
    return manifest


class _Job:
    """One worker's run of one job."""

    def __init__(
        self,
        job: str,
        upload: Upload,
        places: JobPlaces,
        rules: JobRules,
        *,
        meter: Meter,
        stopping: Callable[[], bool],
        publish_ranges: Callable[[Sequence[RangeTask]], object] | None,
    ) -> None:
        self._stopping = stopping
        self._publish_ranges = publish_ranges
        self._meter = meter
        self._rules = rules
        self._model = JobModel(places.models)
        self._name = upload.name
        self._results = results = MeteredObjects(places.results, meter)
        self._attempts = Attempts(results, job)
        self._given_up: str | None = None
        self._store = JobStore(results, job)
        self._file = UploadedFile(MeteredObjects(places.uploads, meter), upload, rules.kernel)
        self._source: Source = self._file.unknown_source()
        self._spec: JobSpec | None = None
        self._totals = Totals()

    def run(self) -> JobManifest:
        """Work until the manifest is stored."""
        with self._attempts.one() as self._given_up:
            reason = None
            try:
                self._spec = spec = self._store.spec() or self._store.settle_spec(self._new_spec())
                self._source = spec.source
                if spec.range_bytes is msgspec.UNSET:
                    self._work(spec)
                else:
                    self._totals, reason = self._work_on_ranges(spec)
            except InvalidInput as error:
                reason = reason_of(error)
            return finish_job(
                self._store,
                self._spec,
                self._totals,
                reason,
                source=self._source,
                meter=self._meter,
                stopping=self._stopping,
            )

    def _go_on(self) -> None:
        """Raise where nothing more may be begun: InvalidInput for a job without progress, JobStopping."""
        if self._given_up is not None:
            raise InvalidInput("no_progress", self._given_up)
        if self._stopping():
            raise JobStopping(f"this worker is stopping; another one goes on with job {self._store.job}")

    def _new_spec(self) -> JobSpec:
        """Decide what the job's workers must agree on; the first to store its spec decides for all."""
        if self._given_up is not None:
            raise InvalidInput("no_progress", self._given_up)
        info = self._file.info()
        self._source = self._file.source(info)
        options = job_options(
            self._name, info.metadata, max_rejections=self._rules.max_rejections, head=self._file.head()
        )
        dialect, header = self._file.settle(info, options.dialect)
        names_models = model_place(dialect, header) is not None
        output = output_options(info.metadata, header)
        if output.format == "parquet":
            require_pyarrow()
        model = self._model.choose(options.model, options.version)
        return JobSpec(
            job=self._store.job,
            source=self._source,
            model=model.name,
            version=model.version,
            manifest_sha256=model.manifest_sha256,
            dialect=dialect,
            header=header,
            chunk_rows=self._rules.chunk_rows,
            part_bytes=PART_BYTES,
            max_rejections=options.max_rejections,
            output=output,
            # A profile is of one model; what the report would compare with it is not.
            profile=None if names_models else model.profile,
            row_models=self._model.choose_for_rows(model) if names_models else msgspec.UNSET,
            range_bytes=range_size(self._rules.range_bytes, info.size, options.dialect),
        )

    def _work(self, spec: JobSpec) -> None:
        """Go through the parts: those that any worker finished are taken as they are, the others are made."""
        reader = PartReader(spec, self._store, self._file, model=self._model, meter=self._meter)
        scorer = PartScorer(self._meter, threads=self._rules.threads)
        run_in_order(reader.steps(self._go_on), scorer.score, self._settle, makers=scorer.makers)

    def _work_on_ranges(self, spec: JobSpec) -> tuple[Totals, str | None]:
        """Hand the ranges to all workers (raises HandedOver), or go through them one after the other."""
        ranges = RangeWork(
            spec, self._results, self._file, model=self._model, meter=self._meter, threads=self._rules.threads
        )
        if self._publish_ranges is not None and self._given_up is None:
            share_ranges(spec, ranges.store, self._file, publish=self._publish_ranges, go_on=self._go_on)
        return ranges.run_all(self._go_on)

    def _settle(self, step: PartRecord | UnscoredPart, content: PartContent | None) -> None:
        """Store a part that was made, and add it to the totals. Runs on the storing thread, in order of the parts."""
        assert self._spec is not None
        if isinstance(step, PartRecord):
            record = step
        else:
            assert content is not None
            with self._meter.phase("write"):
                record = self._store.write_part(step.number, content, place=step.place, last=step.last)
        self._totals.add(record)
        if self._totals.exceeds(self._spec, record):
            raise too_many(self._spec, self._totals)
