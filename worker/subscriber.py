"""Shell: pulls batches from one subscription and works on several at once: pull → handle → acknowledge, then drain."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cloud.objects import TransientError
from cloud.queue import Received, Subscription
from worker.core.batch import Batch, BatchLimits
from worker.core.envelope import Envelope, normal_time
from worker.core.in_hand import Bounds, Piece, leased
from worker.guard import Backlog, Pulse, Round
from worker.leases import Leases

_log = logging.getLogger(__name__)

_IDLE_PULL_S = 2.0
"""How long an empty pull may wait: bounds the answer to SIGTERM, for a pull cannot be interrupted."""

FINISH_S = 5.0
"""How long batches that are worked on may take after a stop; then they are given back. With an empty pull before and
the call that gives back after, that stays below the 10 s between SIGTERM and SIGKILL on Cloud Run."""

_SHORTEST_PULL_S = 0.1
_LOOK_EVERY_S = 0.5
_BACKOFF_S = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Between pulls that failed, on top of the adapter's own retries."""


@dataclass(frozen=True, slots=True)
class PullRules:
    """How much a pull worker takes at once: when a batch is full, what may be in hand, and how many threads work."""

    batch: BatchLimits
    in_hand: Bounds
    threads: int
    finish_s: float = FINISH_S


class PullWorker:
    """Works through one subscription until `stop` is set. One thread pulls, others handle a batch each.

    Pulling pauses while as much is in hand as the rules allow, so slow storage slows the pulls and not the memory.
    """

    def __init__(
        self,
        subscription: Subscription,
        handle: Callable[[Sequence[Envelope]], set[int]],
        rules: PullRules,
        stop: threading.Event,
        *,
        now: Callable[[], float] = time.monotonic,
        pulse: Pulse | None = None,
    ) -> None:
        self._subscription = subscription
        self._handle = handle
        self._rules = rules
        self._stop = stop
        self._now = now
        pulse = pulse or Pulse(now)
        self._round = Round(now)
        self._backlog = Backlog(now, pulse)
        self._leases = Leases(subscription, rules.in_hand, now=now, pulse=pulse, failed=self._fail)
        self._waiting: queue.SimpleQueue[Piece[Received] | None] = queue.SimpleQueue()
        self._faults: list[BaseException] = []
        self.abandoned = False
        """Whether a batch was still worked on, on a thread that cannot be ended, when `run` returned."""

    @property
    def name(self) -> str:
        """The subscription's name."""
        return self._subscription.name

    def still(self) -> dict[str, float]:
        """Return for how many seconds each thing that must move has not, by what it is; 0 for what does.

        Those are a batch that is worked on, the loops that pull and that extend leases, and the backlog, when all of it
        is given back. Each call in a loop has a deadline, so that a loop is late only where a call hangs.
        """
        return {
            f"work from {self.name}": self._leases.still_s(),
            f"pulling from {self.name}": self._round.late_s(),
            f"extending leases of {self.name}": self._leases.round.late_s(),
            f"the backlog of {self.name}": self._backlog.still_s(),
        }

    def run(self) -> None:
        """Pull, handle and acknowledge until stopped; what was pulled by then is finished or given back.

        Returns within seconds of a stop, whatever storage does. Raises CloudSetupError: a person must act, and until
        then every pull would fail.
        """
        threads = [
            # Daemons: a batch that hangs must not keep the process alive after its messages were given back.
            threading.Thread(target=self._work_through, name=f"{self.name}-{number}", daemon=True)
            for number in range(self._rules.threads)
        ]
        with self._leases.kept():
            for thread in threads:
                thread.start()
            try:
                self._pull_until_stopped()
            finally:
                self._round.done()
                for _ in threads:
                    self._waiting.put(None)
                self._drain()
        for fault in self._faults:
            raise fault

    def _pull_until_stopped(self) -> None:
        failures = 0
        while not self._stop.is_set():
            self._round.due_in(_LOOK_EVERY_S)
            if not self._leases.wait_for_room(timeout_s=_LOOK_EVERY_S):
                continue
            try:
                pieces = self._gather()
                failures = 0
            except TransientError as error:
                pause = _BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)]
                failures += 1
                _log.warning("%s: %s; pulling again in %.1f s", self.name, error, pause)
                self._round.due_in(pause)
                self._stop.wait(pause)
                continue
            self._take_up(pieces)

    def _gather(self) -> list[Piece[Received]]:
        """Return the next batch: what is there, topped up until it is full by count, bytes or age.

        It is one piece, or several where an answer brought more bytes than a batch may have.
        """
        batch: Batch[Received] = Batch(self._rules.batch)
        pulled_at = self._now()
        wait_s = _IDLE_PULL_S
        while not batch.full(now=self._now()) and not (batch.items and self._stop.is_set()):
            self._round.due_in(wait_s)
            try:
                received = self._subscription.pull(batch.room, timeout_s=wait_s)
            except TransientError:
                if not batch.items:
                    raise
                break
            if not received:
                self._backlog.moved()
            batch.add(((item, len(item.data)) for item in received), now=self._now())
            if not batch.items:
                return []
            wait_s = max(_SHORTEST_PULL_S, batch.waits_s(now=self._now()))
        return [
            leased(items, [item.ack_id for item in items], size_bytes, pulled_at=pulled_at)
            for items, size_bytes in batch.pieces()
        ]

    def _take_up(self, pieces: Sequence[Piece[Received]]) -> None:
        """Keep the leases of what was pulled, and have the threads work on it."""
        for piece in pieces:
            self._leases.hold(piece)
            self._waiting.put(piece)

    def _work_through(self) -> None:
        while (piece := self._waiting.get()) is not None:
            # After a stop, what waits is given back by `_drain`.
            if self._stop.is_set() or not self._leases.begin(piece):
                continue
            try:
                self._work(piece)
            except BaseException as error:  # noqa: BLE001 - raised again by `run`, on the thread that is watched
                self._fail(error)
                self._give_back(piece.ack_ids)
            finally:
                self._leases.release(piece)

    def _fail(self, error: BaseException) -> None:
        """Stop; `run` raises the fault. A worker that does only part of its work would look healthy."""
        self._faults.append(error)
        self._stop.set()

    def _work(self, piece: Piece[Received]) -> None:
        """Handle a batch, then acknowledge what is durable and give back the rest."""
        envelopes = [
            Envelope(item.message_id, item.data, item.attributes, normal_time(item.publish_time), item.delivery_attempt)
            for item in piece.items
        ]
        done = self._handle(envelopes)
        if done:
            self._backlog.moved()
        else:
            self._backlog.given_back()
        # Acknowledged first: giving back may fail without loss, for a lease that ends gives back by itself.
        self._acknowledge([piece.ack_ids[position] for position in sorted(done)])
        self._give_back([ack_id for position, ack_id in enumerate(piece.ack_ids) if position not in done])

    def _acknowledge(self, ack_ids: list[str]) -> None:
        if ack_ids:
            try:
                self._subscription.acknowledge(ack_ids)
            except TransientError as error:
                # The results are stored: a redelivery writes the same bytes again and is acknowledged then.
                _log.warning("%d messages were not acknowledged and will be delivered again: %s", len(ack_ids), error)

    def _give_back(self, ack_ids: list[str]) -> None:
        if ack_ids:
            try:
                self._subscription.give_back(ack_ids)
            except TransientError as error:
                _log.warning("%d messages come again only when their lease ends: %s", len(ack_ids), error)

    def _drain(self) -> None:
        """Give back what no thread works on; let the others finish, and give back what does not in time."""
        self._give_back(self._leases.release_all(waiting_only=True))
        if not self._leases.wait_until_empty(timeout_s=self._rules.finish_s):
            self.abandoned = True
            late = self._leases.release_all(waiting_only=False)
            _log.warning(
                "%s: %d messages were not done within %.1f s of the stop", self.name, len(late), self._rules.finish_s
            )
            self._give_back(late)
