"""The composition root: settings and environment in, connected parts out."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from cloud import connect
from cloud.queue import Subscription, Topic
from schemas.codec import encode
from schemas.errors import InvalidInput
from schemas.events import Upload
from schemas.jobs import Completion, JobManifest
from worker.core.batch import BatchLimits
from worker.csv_job import JobPlaces, JobRules, run_job
from worker.dispatch import Dispatcher
from worker.log import configure_logging
from worker.models import ModelStore
from worker.process import process
from worker.results import ResultsStore
from worker.settings import Settings, load_settings
from worker.subscriber import PullWorker

_COMPLETION_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class FunctionParts:
    """What the cloud functions need."""

    models: ModelStore
    dispatcher: Dispatcher


@dataclass(frozen=True, slots=True)
class WorkerParts:
    """What the pull worker needs: one `PullWorker` for each subscription, to be run on its own thread."""

    models: ModelStore
    pull_workers: tuple[PullWorker, ...]


def build_function(environ: Mapping[str, str] = os.environ) -> FunctionParts:
    """Return the parts of a function's instance. Raises InvalidSettings, CloudSetupError."""
    settings = load_settings(environ)
    configure_logging(settings.log_level)
    models = _models(settings)
    # Made at the first completion: the message path never imports the Pub/Sub client.
    announce = _Announcer(lambda: connect.open_topic(settings.project, settings.completions_topic))
    return FunctionParts(models, _dispatcher(settings, models, announce))


@contextmanager
def build_worker(settings: Settings, stop: threading.Event) -> Iterator[WorkerParts]:
    """Connect the pull worker's parts, and release them at the end. Raises CloudSetupError, ValueError."""
    models = _models(settings)
    completions = connect.open_topic(settings.project, settings.completions_topic)
    announce = _Announcer(lambda: completions)
    dispatcher = _dispatcher(settings, models, announce, stop.is_set)
    limits = BatchLimits(settings.batch_messages, settings.batch_bytes, settings.batch_age_s)
    reviews = connect.open_subscription(settings.project, settings.reviews_subscription)
    uploads = connect.open_subscription(settings.project, settings.uploads_subscription)
    # A job is long work under one lease, so uploads are taken one at a time, beside the reviews.
    one_by_one = BatchLimits(1, settings.batch_bytes, 0.0)
    try:
        yield WorkerParts(
            models=models,
            pull_workers=(
                PullWorker(reviews, dispatcher.handle, limits, stop),
                PullWorker(uploads, dispatcher.handle, one_by_one, stop),
            ),
        )
    finally:
        _close(reviews, uploads, completions)


class _Announcer:
    """Publishes completion messages to a topic that is opened when the first one is due."""

    def __init__(self, open_topic: Callable[[], Topic]) -> None:
        self._open_topic = open_topic
        self._topic: Topic | None = None

    def __call__(self, completion: Completion) -> None:
        """Publish, and wait until the message is accepted. Raises TransientError, CloudSetupError."""
        self._topic = self._topic or self._open_topic()
        future = self._topic.publish(encode(completion), completion.attributes())
        future.result(timeout=_COMPLETION_TIMEOUT_S)


def _models(settings: Settings) -> ModelStore:
    objects = connect.open_objects(settings.models, timeout_s=settings.storage_timeout_s)
    return ModelStore(objects, check_every_s=settings.model_check_s, now=time.monotonic)


def _dispatcher(
    settings: Settings,
    models: ModelStore,
    announce: Callable[[Completion], object],
    stopping: Callable[[], bool] = lambda: False,
) -> Dispatcher:
    results = connect.open_objects(settings.results, timeout_s=settings.storage_timeout_s)
    uploads = connect.open_objects(settings.uploads, timeout_s=settings.storage_timeout_s)
    places = JobPlaces(uploads=uploads, results=results, models=models)
    rules = JobRules(
        chunk_rows=settings.chunk_rows,
        max_rejections=settings.max_rejections,
        threads=settings.threads or os.cpu_count() or 1,
    )

    def run_upload(upload: Upload) -> JobManifest:
        # An event can name any bucket; only the one that was agreed on is read.
        if f"gs://{upload.bucket}" != settings.uploads.rstrip("/"):
            raise InvalidInput("foreign_bucket", f"The event is about another bucket than {settings.uploads}.")
        return run_job(upload, places, rules, publish_completion=announce, clock=time.monotonic, stopping=stopping)

    return Dispatcher(partial(process, models=models, results=ResultsStore(results)), run_upload)


def _close(*parts: Subscription | Topic) -> None:
    for part in parts:
        part.close()
