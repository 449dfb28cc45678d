"""The composition root: settings and environment in, connected parts out."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from cloud import connect
from cloud.queue import Subscription, Topic
from cloud.signatures import open_verifier
from schemas.codec import encode
from schemas.jobs import Completion
from worker.core.batch import BatchLimits
from worker.core.breaker import Breaker, BreakerLimits
from worker.core.envelope import Envelope
from worker.core.in_hand import Bounds
from worker.csv_share import RangePublisher
from worker.dispatch import Dispatcher
from worker.guard import Guard, Pulse
from worker.isolate import COMMAND, Isolation, run_child
from worker.kernel_cache import KernelCache
from worker.kernel_folder import default_folder
from worker.log import configure_logging
from worker.models import ModelStore
from worker.patience import Patience
from worker.settings import Settings, load_settings
from worker.subscriber import PullRules, PullWorker
from worker.wiring_dispatch import build_dispatcher, open_places, patient_places, scoring_threads

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
    dispatcher = build_dispatcher(settings, open_places(settings, models), kernel, announce)
    return FunctionParts(models, dispatcher, _push_verifier(settings))


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
    # Its own topic: what it publishes there comes back to it and to every other worker.
    ranges = opener.open_topic(settings.project, settings.uploads_topic)
    places = open_places(settings, models, opener)
    # One for each: a job that moves must not hide a batch of reviews that hangs.
    of_reviews, of_uploads = Pulse(time.monotonic), Pulse(time.monotonic)

    def handler(pulse: Pulse) -> Callable[[Sequence[Envelope]], set[int]]:
        patience = Patience(stop, hold_s=settings.outage_s, moved=pulse.beat)
        dispatcher = build_dispatcher(
            settings,
            patient_places(places, patience),
            kernel,
            announce,
            stopping=stop.is_set,
            tally=guard.tally,
            moved=pulse.beat,
            publish_ranges=RangePublisher(ranges),
        )

        def handle(batch: Sequence[Envelope]) -> set[int]:
            patience.renew()
            return dispatcher.handle(batch)

        return handle

    isolation = Isolation(
        handler(of_reviews),
        partial(run_child, command=isolated, timeout_s=min(_ISOLATED_S, settings.watchdog_s / 2)),
        tally=guard.tally,
        moved=of_reviews.beat,
        stopping=stop.is_set,
    )
    reviews = opener.open_subscription(settings.project, settings.reviews_subscription)
    uploads = opener.open_subscription(settings.project, settings.uploads_subscription)
    try:
        yield WorkerParts(
            models=models,
            pull_workers=(
                # Either subscription may bring a job's notification: see `Dispatcher`.
                PullWorker(reviews, isolation.handle, _many_at_once(settings), stop, pulse=of_reviews),
                PullWorker(uploads, handler(of_uploads), _one_by_one(settings), stop, pulse=of_uploads),
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
        yield build_dispatcher(settings, open_places(settings, models, opener), kernel, announce, tally=tally).handle
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
        threads=2 * scoring_threads(settings),
    )


def _one_by_one(settings: Settings) -> PullRules:
    """Return the rules for uploads: a job is long work under one lease, so they are taken one at a time."""
    return PullRules(BatchLimits(1, settings.batch_bytes, 0.0), Bounds(1, settings.buffer_bytes), threads=1)


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


def _close(*parts: Subscription | Topic) -> None:
    for part in parts:
        part.close()
