"""The composition of the stories: what becomes of reviews, uploads and ranges, with settings and buckets put in."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from cloud import connect
from schemas.errors import InvalidInput
from schemas.events import Upload
from schemas.jobs import Completion
from schemas.ranges import RangeTask
from worker.core.kernel import KernelSupply
from worker.csv_attempts import HandedOver
from worker.csv_job import JobPlaces, JobRules, run_job
from worker.csv_range_job import run_range
from worker.csv_source import is_folder_mark
from worker.dispatch import Dispatcher
from worker.models import ModelStore
from worker.patience import Patience
from worker.patient_objects import PatientObjects
from worker.process import process
from worker.results import ResultsStore
from worker.settings import Settings

_log = logging.getLogger(__name__)


def open_places(settings: Settings, models: ModelStore, opener: connect.Opener = connect) -> JobPlaces:
    """Connect the buckets that are read and written. Raises CloudSetupError, ValueError."""
    results = opener.open_objects(settings.results, timeout_s=settings.storage_timeout_s)
    uploads = opener.open_objects(settings.uploads, timeout_s=settings.storage_timeout_s)
    return JobPlaces(uploads=uploads, results=results, models=models)


def patient_places(places: JobPlaces, patience: Patience) -> JobPlaces:
    """Return the same buckets for a worker that waits for storage. The models' is not: the last good model goes on."""
    return JobPlaces(
        uploads=PatientObjects(places.uploads, patience),
        results=PatientObjects(places.results, patience),
        models=places.models,
    )


def scoring_threads(settings: Settings) -> int:
    """Return how many threads score at once."""
    return settings.threads or os.cpu_count() or 1


def build_dispatcher(
    settings: Settings,
    places: JobPlaces,
    kernel: KernelSupply,
    announce: Callable[[Completion], object],
    *,
    stopping: Callable[[], bool] = lambda: False,
    tally: Callable[[int, int], None] = lambda lines, rejections: None,  # noqa: ARG005 - named for who reads it
    moved: Callable[[], object] = lambda: None,
    publish_ranges: Callable[[Sequence[RangeTask]], object] | None = None,
) -> Dispatcher:
    """Return what handles messages; the arguments are those of `process`, `run_job` and `run_range`."""
    rules = JobRules(
        chunk_rows=settings.chunk_rows,
        max_rejections=settings.max_rejections,
        threads=scoring_threads(settings),
        range_bytes=settings.range_bytes,
        kernel=kernel,
    )

    def run_upload(upload: Upload) -> None:
        _check_bucket(upload.bucket, settings)
        if is_folder_mark(places.uploads, upload):
            _log.debug("gs://%s/%s marks a folder: there is nothing to score", upload.bucket, upload.name)
            return
        # Others go on with the ranges: this message has done its work.
        with suppress(HandedOver):
            run_job(
                upload,
                places,
                rules,
                publish_completion=announce,
                clock=time.monotonic,
                stopping=stopping,
                moved=moved,
                publish_ranges=publish_ranges,
            )

    def run_task(task: RangeTask) -> None:
        _check_bucket(task.bucket, settings)
        run_range(
            task,
            places,
            rules,
            publish_completion=announce,
            clock=time.monotonic,
            stopping=stopping,
            moved=moved,
        )

    score = partial(process, models=places.models, results=ResultsStore(places.results), tally=tally)
    return Dispatcher(score, run_upload, run_task)


def _check_bucket(bucket: str, settings: Settings) -> None:
    """Raise InvalidInput for another bucket than the one that was agreed on: an event can name any."""
    if f"gs://{bucket}" != settings.uploads.rstrip("/"):
        raise InvalidInput("foreign_bucket", f"The event is about another bucket than {settings.uploads}.")
