"""Shell: pulls batches from one subscription, keeps their leases while they are worked on, acknowledges, drains."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from cloud.objects import CloudSetupError, TransientError
from cloud.queue import Received, Subscription
from worker.core.batch import Batch, BatchLimits
from worker.core.envelope import Envelope, normal_time

_log = logging.getLogger(__name__)

LEASE_S = 60
"""What a lease is extended to while its batch is worked on. Longer than a batch takes, short enough that a killed
worker's messages are soon another's."""

_EXTEND_EVERY_S = 5.0
"""Well below the shortest ack deadline that a subscription can have (10 s)."""

_IDLE_PULL_S = 2.0
"""How long an empty pull may wait: bounds the answer to SIGTERM, for a pull cannot be interrupted."""

_SHORTEST_PULL_S = 0.1
_BACKOFF_S = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Between pulls that failed, on top of the adapter's own retries."""


class PullWorker:
    """Works through one subscription on the calling thread until `stop` is set."""

    def __init__(
        self,
        subscription: Subscription,
        handle: Callable[[Sequence[Envelope]], set[int]],
        limits: BatchLimits,
        stop: threading.Event,
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._subscription = subscription
        self._handle = handle
        self._limits = limits
        self._stop = stop
        self._now = now

    @property
    def name(self) -> str:
        """The subscription's name."""
        return self._subscription.name

    def run(self) -> None:
        """Pull, handle and acknowledge until stopped; what was pulled by then is finished or given back.

        Raises CloudSetupError: a person must act, and until then every pull would fail.
        """
        failures = 0
        while not self._stop.is_set():
            try:
                batch = self._gather()
                if batch:
                    self._work(batch)
                failures = 0
            except TransientError as error:
                pause = _BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)]
                failures += 1
                _log.warning("%s: %s; pulling again in %.1f s", self._subscription.name, error, pause)
                self._stop.wait(pause)

    def _gather(self) -> list[Received]:
        """Return the next batch: what is there, topped up until it is full by count, bytes or age."""
        batch: Batch[Received] = Batch(self._limits)
        wait_s = _IDLE_PULL_S
        while not batch.full(now=self._now()) and not (batch.items and self._stop.is_set()):
            try:
                received = self._subscription.pull(batch.room, timeout_s=wait_s)
            except TransientError:
                if not batch.items:
                    raise
                break
            batch.add(((item, len(item.data)) for item in received), now=self._now())
            if not batch.items:
                break
            wait_s = max(_SHORTEST_PULL_S, batch.waits_s(now=self._now()))
        return batch.items

    def _work(self, batch: list[Received]) -> None:
        """Handle a batch under a kept lease, then acknowledge what is durable and give back the rest."""
        envelopes = [
            Envelope(item.message_id, item.data, item.attributes, normal_time(item.publish_time)) for item in batch
        ]
        ack_ids = [item.ack_id for item in batch]
        try:
            with self._kept_lease(ack_ids):
                done = self._handle(envelopes)
        except CloudSetupError:
            self._subscription.give_back(ack_ids)
            raise
        # Acknowledged first: giving back may fail without loss, for a lease that ends gives back by itself.
        self._acknowledge([ack_ids[position] for position in sorted(done)])
        rest = [ack_id for position, ack_id in enumerate(ack_ids) if position not in done]
        if rest:
            self._subscription.give_back(rest)

    def _acknowledge(self, ack_ids: list[str]) -> None:
        if ack_ids:
            try:
                self._subscription.acknowledge(ack_ids)
            except TransientError as error:
                # The results are stored: a redelivery writes the same bytes again and is acknowledged then.
                _log.warning("%d messages were not acknowledged and will be delivered again: %s", len(ack_ids), error)

    @contextmanager
    def _kept_lease(self, ack_ids: list[str]) -> Iterator[None]:
        """Extend the leases in the background until the block ends."""
        finished = threading.Event()

        def extend() -> None:
            while not finished.wait(_EXTEND_EVERY_S):
                try:
                    self._subscription.extend(ack_ids, seconds=LEASE_S)
                except (TransientError, CloudSetupError) as error:
                    _log.warning("%d leases were not extended: %s", len(ack_ids), error)

        thread = threading.Thread(target=extend, name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            finished.set()
            thread.join()
