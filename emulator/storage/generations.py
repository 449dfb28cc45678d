"""Generation numbers: unique, increasing, and still increasing after a restart or when the clock went back."""

from __future__ import annotations

import time
from collections.abc import Callable

# Reserved ahead in one step, so that a save happens about once a minute and not at every upload.
RESERVED_AHEAD = 60_000_000


class Generations:
    """Gives numbers near the time in microseconds since 1970, as Cloud Storage does.

    `limit` is at or above every number given in earlier runs; `reserve` is called with a higher limit before a
    number above the present one is given. The caller serialises calls.
    """

    def __init__(self, limit: int, reserve: Callable[[int], None]) -> None:
        self._last = limit
        self._limit = limit
        self._reserve = reserve

    def next(self) -> int:
        """Return a number above all before."""
        number = max(self._last + 1, time.time_ns() // 1000)
        if number > self._limit:
            self._limit = number + RESERVED_AHEAD
            self._reserve(self._limit)
        self._last = number
        return number
