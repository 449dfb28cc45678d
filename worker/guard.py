"""Why a worker ends by itself: too many rejections, work that hangs, a fault that a person must mend."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable

from worker.core.breaker import Breaker

_log = logging.getLogger(__name__)


class Guard:
    """The stop signal of a worker and the reasons for it, none for an ordinary stop. Safe to use from any thread."""

    def __init__(self, stop: threading.Event, breaker: Breaker, *, now: Callable[[], float]) -> None:
        self._stop = stop
        self._breaker = breaker
        self._now = now
        self._lock = threading.Lock()
        self._reasons: list[str] = []

    @property
    def reasons(self) -> list[str]:
        """Why the worker gave up, each a sentence; empty when it did not."""
        with self._lock:
            return list(self._reasons)

    def give_up(self, reason: str) -> None:
        """Stop the worker, and say why."""
        with self._lock:
            self._reasons.append(reason)
        _log.error("giving up: %s", reason)
        self._stop.set()

    def tally(self, messages: int, rejections: int) -> None:
        """Count the outcomes of a batch; the worker gives up when too many were rejections."""
        with self._lock:
            opened = self._breaker.record(messages, rejections, now=self._now())
            counts = f"{self._breaker.rejections:,} of the last {self._breaker.messages:,} messages were rejected"
        if opened:
            self.give_up(
                f"{counts}, more than REVIEWMILL_BREAKER_SHARE={self._breaker.limits.share:g} allows. The newest "
                "objects under rejections/ say why. What was not scored yet stays in the subscription: mend the "
                "publisher, or raise the share, and start the worker again."
            )


class Pulse:
    """When the work of one pull worker last showed that it moves. Safe to use from any thread.

    A beat counts for the batch that is worked on by the thread it comes from, so that no batch hides another one that
    hangs. A job has threads of its own; what comes from them counts for whatever the pull worker has in hand.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._of_batches: dict[int, float] = {}
        self._of_jobs = 0.0
        self.latest = 0.0
        """When anything of it did, in monotonic seconds; 0 for never. That a batch began does not count."""

    def begin(self) -> int:
        """Note that this thread begins a batch; return the thread's number, for `last_beat`."""
        thread = threading.get_ident()
        self._of_batches[thread] = self._now()
        return thread

    def beat(self) -> None:
        """Note that the work moves."""
        thread, self.latest = threading.get_ident(), self._now()
        if thread in self._of_batches:
            self._of_batches[thread] = self.latest
        else:
            self._of_jobs = self.latest

    def last_beat(self, thread: int) -> float:
        """Return when the batch of a thread last moved, in monotonic seconds; 0 for never."""
        return max(self._of_batches.get(thread, 0.0), self._of_jobs)


class Round:
    """By when a loop must have come round, by the deadlines of the calls in it. Safe to use from any thread."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._due = math.inf

    def due_in(self, seconds: float) -> None:
        """Note that what the loop does next takes so long at most."""
        self._due = self._now() + seconds

    def done(self) -> None:
        """Note that the loop has ended."""
        self._due = math.inf

    def late_s(self) -> float:
        """Return for how many seconds it should have come round; 0 while it is in time."""
        return max(0.0, self._now() - self._due)


class Backlog:
    """Whether a backlog shrinks. Safe to use from any thread."""

    def __init__(self, now: Callable[[], float], pulse: Pulse) -> None:
        self._now = now
        self._pulse = pulse
        self._since: float | None = None

    def moved(self) -> None:
        """Note that a message was done, or that none waits."""
        self._since = None

    def given_back(self) -> None:
        """Note that of a whole batch no message was done."""
        self._since = self._now() if self._since is None else self._since

    def still_s(self) -> float:
        """Return for how long all that was pulled was given back, with more waiting and no work that shows it moves."""
        since = self._since
        return 0.0 if since is None else self._now() - max(since, self._pulse.latest)
