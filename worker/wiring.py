"""The composition root: settings and environment in, connected parts out."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from cloud import connect
from cloud.queue import Subscription, Topic
from cloud.signatures import open_verifier
from schemas.codec import encode
from schemas.errors import InvalidInput
from schemas.events import Upload
from schemas.jobs import Completion
from schemas.ranges import RangeTask
from worker.core.batch import BatchLimits
from worker.core.breaker import Breaker, BreakerLimits
from worker.core.envelope import Envelope
from worker.core.in_hand import Bounds
from worker.csv_attempts import HandedOver
from worker.csv_job import JobPlaces, JobRules, run_job
from worker.csv_range_job import run_range
from worker.csv_share import RangePublisher
from worker.dispatch import Dispatcher
from worker.guard import Guard, Pulse
from worker.isolate import COMMAND, Isolation, run_child
from worker.kernel_cache import KernelCache
from worker.kernel_folder import default_folder
from worker.log import configure_logging
from worker.models import ModelStore
from worker.process import process
from worker.results import ResultsStore
from worker.settings import Settings, load_settings
from worker.subscriber import PullRules, PullWorker

if TYPE_CHECKING:
    from cloud.push_tokens import PushVerifier

_log = logging.getLogger(__name__)

_COMPLETION_TIMEOUT_S = 10.0

_ISOLATED_S = 60.0
"""How long a process may take for messages that come again and again: its start and one batch."""


@dataclass(frozen=True, slots=True)
class FunctionParts:
    """What the cloud functions need."""

    models: ModelStore
    dispatcher: Dispatcher
    push_verifier: PushVerifier | None
    """Checks who pushes; None where the platform does, or nobody."""


@dataclass(frozen=True, slots=True)
class WorkerParts:
    """What the pull worker needs: one `PullWorker` for each subscription, to be run on its own thread."""

    models: ModelStore
    pull_workers: tuple[PullWorker, ...]
    guard: Guard


def build_function() -> FunctionParts:
    """Return the parts of a function's instance. Raises InvalidSettings, CloudSetupError."""
    settings = load_settings(os.environ)
    configure_logging(settings.log_level)
    kernel = _kernel()
    models = _models(settings, kernel)
    # Made at the first completion: the message path never imports the Pub/Sub client.
    announce = _Announcer(lambda: connect.open_topic(settings.project, settings.completions_topic))
    return FunctionParts(models, _dispatcher(settings, models, kernel, announce), _push_verifier(settings))


def _push_verifier(settings: Settings) -> PushVerifier | None:
    if not settings.push_audience:
        return None
    # Only where it is used: it imports an HTTP client and cryptography.
    from cloud.push_tokens import PushVerifier, fetch_keys_from  # noqa: PLC0415

    fetch_keys = fetch_keys_from(settings.push_keys)
    return PushVerifier(
        audience=settings.push_audience, email=settings.push_email, fetch_keys=fetch_keys, now=time.monotonic
    )


@contextmanager
def build_worker(
    settings: Settings,
    stop: threading.Event,
    *,
    opener: connect.Opener = connect,
    isolated: Sequence[str] = COMMAND,
) -> Iterator[WorkerParts]:
    """Connect the pull worker's parts, and release them at the end. Raises CloudSetupError, ValueError.

    `isolated` is the command that handles messages which come again and again.
    """
    kernel = _kernel()
    models = _models(settings, kernel, opener)
    completions = opener.open_topic(settings.project, settings.completions_topic)
    announce = _Announcer(lambda: completions)
    breaker = Breaker(BreakerLimits(settings.breaker_share, settings.breaker_window_s, settings.breaker_messages))
    guard = Guard(stop, breaker, now=time.monotonic)
    pulse = Pulse(time.monotonic)
    # Its own topic: what it publishes there comes back to it and to every other worker.
    ranges = opener.open_topic(settings.project, settings.uploads_topic)
    dispatcher = _dispatcher(
        settings,
        models,
        kernel,
        announce,
        opener,
        stopping=stop.is_set,
        tally=guard.tally,
        moved=pulse.beat,
        publish_ranges=RangePublisher(ranges),
    )
    isolation = Isolation(
        dispatcher.handle,
        partial(run_child, command=isolated, timeout_s=min(_ISOLATED_S, settings.watchdog_s / 2)),
        tally=guard.tally,
        moved=pulse.beat,
        stopping=stop.is_set,
    )
    reviews = opener.open_subscription(settings.project, settings.reviews_subscription)
    uploads = opener.open_subscription(settings.project, settings.uploads_subscription)
    try:
        yield WorkerParts(
            models=models,
            pull_workers=(
                # Either subscription may bring a job's notification: see `Dispatcher`.
                PullWorker(reviews, isolation.handle, _many_at_once(settings), stop, pulse=pulse.last_beat),
                PullWorker(uploads, dispatcher.handle, _one_by_one(settings), stop, pulse=pulse.last_beat),
            ),
            guard=guard,
        )
    finally:
        _close(reviews, uploads, completions, ranges)
        kernel.close()


@contextmanager
def build_isolated(
    settings: Settings, tally: Callable[[int, int], None], *, opener: connect.Opener = connect
) -> Iterator[Callable[[Sequence[Envelope]], set[int]]]:
    """Connect what handles reviews and no uploads, with the default model loaded. Raises CloudSetupError."""
    kernel = _kernel()
    models = _models(settings, kernel, opener)
    try:
        models.resolve(None, None)
        announce = _Announcer(lambda: opener.open_topic(settings.project, settings.completions_topic))
        yield _dispatcher(settings, models, kernel, announce, opener, tally=tally).handle
    finally:
        kernel.close()


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


def _many_at_once(settings: Settings) -> PullRules:
    return PullRules(
        BatchLimits(settings.batch_messages, settings.batch_bytes, settings.batch_age_s),
        Bounds(settings.buffer_messages, settings.buffer_bytes),
        # Twice: while one batch of a core waits for storage, the other is scored.
        threads=2 * _threads(settings),
    )


def _one_by_one(settings: Settings) -> PullRules:
    """Return the rules for uploads: a job is long work under one lease, so they are taken one at a time."""
    return PullRules(BatchLimits(1, settings.batch_bytes, 0.0), Bounds(1, settings.buffer_bytes), threads=1)


def _threads(settings: Settings) -> int:
    return settings.threads or os.cpu_count() or 1


def _kernel() -> KernelCache:
    """Return the supply of compiled code; it starts to compile at the first use where the cache has none."""
    return KernelCache(default_folder(os.environ))


def _models(settings: Settings, kernel: KernelCache, opener: connect.Opener = connect) -> ModelStore:
    objects = opener.open_objects(settings.models, timeout_s=settings.storage_timeout_s)
    signatures = open_verifier(settings.model_public_key)
    if signatures is not None:
        _log.info("every model must be signed with the key %s", signatures.key_id)
    return ModelStore(
        objects, check_every_s=settings.model_check_s, now=time.monotonic, kernel=kernel, signatures=signatures
    )


def _dispatcher(
    settings: Settings,
    models: ModelStore,
    kernel: KernelCache,
    announce: Callable[[Completion], object],
    opener: connect.Opener = connect,
    *,
    stopping: Callable[[], bool] = lambda: False,
    tally: Callable[[int, int], None] = lambda lines, rejections: None,  # noqa: ARG005 - named for who reads it
    moved: Callable[[], object] = lambda: None,
    publish_ranges: Callable[[Sequence[RangeTask]], object] | None = None,
) -> Dispatcher:
    results = opener.open_objects(settings.results, timeout_s=settings.storage_timeout_s)
    uploads = opener.open_objects(settings.uploads, timeout_s=settings.storage_timeout_s)
    places = JobPlaces(uploads=uploads, results=results, models=models)
    rules = JobRules(
        chunk_rows=settings.chunk_rows,
        max_rejections=settings.max_rejections,
        threads=_threads(settings),
        range_bytes=settings.range_bytes,
        kernel=kernel,
    )

    def run_upload(upload: Upload) -> None:
        _check_bucket(upload.bucket, settings)
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

    score = partial(process, models=models, results=ResultsStore(results), tally=tally)
    return Dispatcher(score, run_upload, run_task)


def _check_bucket(bucket: str, settings: Settings) -> None:
    """Raise InvalidInput for another bucket than the one that was agreed on: an event can name any."""
    if f"gs://{bucket}" != settings.uploads.rstrip("/"):
        raise InvalidInput("foreign_bucket", f"The event is about another bucket than {settings.uploads}.")


def _close(*parts: Subscription | Topic) -> None:
    for part in parts:
        part.close()
