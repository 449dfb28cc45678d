"""Handing notifications to a callable in order, in one background thread, so that no upload waits for it."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

from emulator.storage.notifications import Notification

LOG = logging.getLogger(__name__)

OnEvent = Callable[[str, bytes, dict[str, str]], None]


class Delivery:
    """A queue with one thread that calls `on_event`. What the callable raises is logged, and the next one follows."""

    def __init__(self, on_event: OnEvent) -> None:
        self._on_event = on_event
        self._waiting: deque[Notification] = deque()
        self._changed = threading.Condition()
        self._busy = False
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="storage-notifications", daemon=True)

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def put(self, notification: Notification) -> None:
        """Add a notification; never blocks."""
        with self._changed:
            self._waiting.append(notification)
            self._changed.notify_all()

    def wait_until_empty(self, timeout_s: float) -> bool:
        """Wait until everything put so far was delivered; False when the time ran out."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._busy, timeout_s)

    def stop(self, drain_s: float) -> int:
        """Deliver for up to `drain_s` more seconds, end the thread, and return how many are left undelivered.

        A callable that is blocked keeps its thread until it returns; it is told to be interruptible by its owner.
        """
        if self._thread.ident is not None:
            self.wait_until_empty(drain_s)
        with self._changed:
            self._stopping = True
            left = len(self._waiting) + self._busy
            self._waiting.clear()
            self._changed.notify_all()
        if left:
            LOG.warning("storage: %d notifications were not delivered before the server stopped", left)
        if self._thread.ident is not None:
            self._thread.join(drain_s)
        return left

    def _run(self) -> None:
        while (notification := self._next()) is not None:
            try:
                self._on_event(notification.topic, notification.data, notification.attributes)
            except Exception:
                LOG.exception("storage: a notification for %s was not delivered", notification.topic)

    def _next(self) -> Notification | None:
        with self._changed:
            self._busy = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._waiting or self._stopping)
            if self._stopping:
                return None
            self._busy = True
            return self._waiting.popleft()
