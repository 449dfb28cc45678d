"""Shell: keeps the leases of what a worker has in hand, on one thread, and tells when it changes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cloud.objects import CloudSetupError, TransientError
from cloud.queue import Received, Subscription
from worker.core.in_hand import Bounds, InHand, Piece
from worker.guard import Pulse, Round

_log = logging.getLogger(__name__)

LEASE_S = 60
"""What a lease is extended to while its batch waits and is worked on. Longer than a batch takes, short enough that a
killed worker's messages are soon another's."""

_LOOK_EVERY_S = 0.5

_EXTENDING_S = 20.0
"""How long extending may take: two requests, which a full buffer needs, each with the adapter's deadline of 8 s."""


class Leases:
    """The batches in hand, shared by the threads of one pull worker. Every method is safe to call from any thread."""

    def __init__(
        self,
        subscription: Subscription,
        bounds: Bounds,
        *,
        now: Callable[[], float],
        pulse: Pulse,
        failed: Callable[[BaseException], None],
    ) -> None:
        """`failed` is told of a fault that ends the extending of leases; it runs on the thread that extends."""
        self._subscription = subscription
        self._in_hand: InHand[Received] = InHand(bounds)
        self._changed = threading.Condition()
        self._now = now
        self._pulse = pulse
        self._failed = failed
        self.round = Round(now)
        """Of the loop that extends."""

    def wait_for_room(self, *, timeout_s: float) -> bool:
        """Wait until another batch may be pulled; False when there is no room in time."""
        with self._changed:
            return self._changed.wait_for(self._in_hand.has_room, timeout_s)

    def wait_until_empty(self, *, timeout_s: float) -> bool:
        """Wait until nothing is in hand; False when something still is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._in_hand.pieces, timeout_s)

    def hold(self, piece: Piece[Received]) -> None:
        """Keep the leases of a piece from now on."""
        with self._changed:
            self._in_hand.pieces.append(piece)

    def begin(self, piece: Piece[Received]) -> bool:
        """Note that work on a piece begins; False when it must not, for its lease has ended or it was given up."""
        moment = self._now()
        with self._changed:
            if piece not in self._in_hand.pieces:
                return False
            if piece.lease_ends > moment:
                piece.working_since, piece.thread = moment, self._pulse.begin()
                return True
        _log.warning("%d messages outlived their lease before work began; they come again", len(piece.items))
        self.release(piece)
        return False

    def release(self, piece: Piece[Received]) -> None:
        """Keep the leases of a piece no longer: it is answered, or left to be delivered again."""
        with self._changed:
            if piece in self._in_hand.pieces:
                self._in_hand.pieces.remove(piece)
                self._changed.notify_all()

    def release_all(self, *, waiting_only: bool) -> list[str]:
        """Release every piece, or those that no thread works on; return their ack ids."""
        with self._changed:
            given_up = [piece for piece in self._in_hand.pieces if not waiting_only or piece.working_since is None]
            for piece in given_up:
                self._in_hand.pieces.remove(piece)
            self._changed.notify_all()
        return [ack_id for piece in given_up for ack_id in piece.ack_ids]

    def still_s(self) -> float:
        """Return for how many seconds the work on some piece has not moved."""
        with self._changed:
            return self._in_hand.still_s(now=self._now(), last_beat=self._pulse.last_beat)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Extend what is due in the background until the block ends."""
        ended = threading.Event()

        def keep() -> None:
            try:
                while not ended.is_set():
                    self.round.due_in(_EXTENDING_S)
                    self._extend_due()
                    self.round.due_in(_LOOK_EVERY_S)
                    ended.wait(_LOOK_EVERY_S)
            except BaseException as error:  # noqa: BLE001 - the thread's outermost frame
                self._failed(error)
            finally:
                self.round.done()

        thread = threading.Thread(target=keep, name="leases", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()

    def _extend_due(self) -> None:
        moment = self._now()
        with self._changed:
            due = self._in_hand.due(now=moment)
        if not due:
            return
        ack_ids = [ack_id for piece in due for ack_id in piece.ack_ids]
        try:
            self._subscription.extend(ack_ids, seconds=LEASE_S)
        except (TransientError, CloudSetupError) as error:
            _log.warning("%d leases were not extended: %s", len(ack_ids), error)
            return
        with self._changed:
            self._in_hand.extended(due, seconds=LEASE_S, now=moment)
