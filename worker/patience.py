"""Shell: what a worker does with work in hand while storage does not answer: it keeps it, and waits."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import chain, repeat
from typing import TypeVar

from cloud.objects import TransientError

T = TypeVar("T")

_log = logging.getLogger(__name__)

_PAUSES_S = (1.0, 2.0, 4.0, 8.0, 16.0)
_LONGEST_PAUSE_S = 30.0
_BEAT_S = 0.5


@dataclass(slots=True)
class _Work:
    """What the calls for one batch have met: those of its thread, and of the threads that were begun in its context."""

    refused_since: float | None = None


class Patience:
    """Holds the work of a pull worker while storage does not answer, for `hold_s` at most. Safe to use from any thread.

    This is no second layer of retries. An adapter repeats a call within its deadline and then says that storage does
    not answer; what comes after that is a question of scheduling: whether this worker gives its messages back, keeps
    them, or pulls others. Given back, they come again to the same storage, and each time costs them one of their
    attempts, until they are dead letters. So they are kept, with their leases, as long as the outage is one of minutes:
    not to begin the work anew is the same decision as not to pull. It is bounded, for this worker's way to storage
    may be what is broken, and another worker's not.

    `moved` is told while it waits, so that no watchdog takes waiting for hanging; during the calls themselves it is
    not, so that one that hangs is seen. A stop ends the waiting at once.
    """

    def __init__(
        self,
        stop: threading.Event,
        *,
        hold_s: float,
        moved: Callable[[], object],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stop = stop
        self._hold_s = hold_s
        self._moved = moved
        self._now = now
        self._work: ContextVar[_Work] = ContextVar("work")

    def renew(self) -> None:
        """Note that this thread begins new work, which has all of the time before it."""
        self._work.set(_Work())

    def hold(self, call: Callable[[], T]) -> T:
        """Return what `call` returns, once storage answers; it must be safe to make it again.

        Blocks. Raises what `call` raises: TransientError only after a stop, or when everything that was asked for this
        work was refused for `hold_s`.
        """
        work = self._of_this_thread()
        for pause_s in _pauses():
            try:
                result = call()
            except TransientError as error:
                if not self._may_wait(work):
                    raise
                _log.warning("storage does not answer; the work is kept and tried again in %.0f s: %s", pause_s, error)
                self._pause(pause_s)
                if self._stop.is_set():  # one call more could take longer than a stop may
                    raise
            except Exception:
                work.refused_since = None  # an answer, too
                raise
            else:
                work.refused_since = None
                return result
        raise AssertionError("the pauses have no end")

    def _of_this_thread(self) -> _Work:
        work = self._work.get(None)
        if work is None:
            self._work.set(work := _Work())
        return work

    def _may_wait(self, work: _Work) -> bool:
        # Read once: another thread of the work may get an answer at any moment.
        since = work.refused_since
        if since is None:
            work.refused_since = since = self._now()
        return not self._stop.is_set() and self._now() - since < self._hold_s

    def _pause(self, seconds: float) -> None:
        ends = self._now() + seconds
        while not self._stop.is_set() and (left_s := ends - self._now()) > 0:
            self._moved()
            self._stop.wait(min(left_s, _BEAT_S))


def _pauses() -> Iterator[float]:
    return chain(_PAUSES_S, repeat(_LONGEST_PAUSE_S))
