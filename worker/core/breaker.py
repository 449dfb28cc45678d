"""The circuit breaker: opens when too large a share of recent messages is rejected. Pure; `now` is passed in.

A publisher or a schema that went wrong rejects everything it sends; a worker that went on would turn a whole backlog
into rejections before somebody looks (the same limit as Arroyo's `DlqLimit`, getsentry/arroyo).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class BreakerLimits:
    """It opens above `share` of the messages of the last `window_s`, when those are `messages` or more."""

    share: float
    window_s: float
    messages: int


@dataclass(slots=True)
class Breaker:
    """Counts outcomes. Once open it stays open: a person must look. Not thread-safe: the caller locks."""

    limits: BreakerLimits
    is_open: bool = False
    messages: int = 0
    rejections: int = 0
    """Of the `messages` of the window."""
    _counts: deque[tuple[float, int, int]] = field(default_factory=deque)

    def record(self, messages: int, rejections: int, *, now: float) -> bool:
        """Count the outcomes of a batch; return True for the batch that opens it, and only for that one."""
        self._counts.append((now, messages, rejections))
        self.messages += messages
        self.rejections += rejections
        while self._counts[0][0] <= now - self.limits.window_s:
            _, old_messages, old_rejections = self._counts.popleft()
            self.messages -= old_messages
            self.rejections -= old_rejections
        opens = (
            not self.is_open
            and self.messages >= self.limits.messages
            and self.rejections > self.limits.share * self.messages
        )
        self.is_open = self.is_open or opens
        return opens
