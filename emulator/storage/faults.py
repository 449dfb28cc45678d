"""Fault injection: what a test makes the server do wrong, and how often it did."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from emulator.storage.errors import StorageError
from emulator.storage.faults_response import Broken, Slow, Truncated, WrongChecksum, broken
from emulator.storage.messages import Response

Phase = Literal["before", "after"]


class ResetRequested(Exception):  # noqa: N818 - a control signal, named for what it asks
    """Asks the connection to end with a TCP reset instead of a response."""


@dataclass(frozen=True, slots=True)
class Status:
    """Answer with an HTTP error status, for instance 503 or 429."""

    status: int


@dataclass(frozen=True, slots=True)
class Reset:
    """Reset the TCP connection."""


@dataclass(frozen=True, slots=True)
class Delay:
    """Wait, then go on as if nothing happened."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Stall:
    """Send nothing for so long, then reset the connection: most clients give up before."""

    seconds: float


Action = Status | Reset | Delay | Stall | Broken


class Fault:
    """One injected fault. `fired` tells how often it struck so far."""

    def __init__(
        self, action: Action, *, name: str, method: str, path: str, phase: Phase, count: int | None, every: int
    ) -> None:
        self.action = action
        self.name = name
        self.left = count
        """How often it will strike; None for as long as it is there."""
        self.fired = 0
        self.ends = float("inf")
        """On the clock of its `Faults`."""
        self._method = method
        self._path = re.compile(path)
        self._phase = phase
        self._every = every
        self._met = 0

    def strikes(self, method: str, path: str, phase: Phase, now: float) -> bool:
        """Tell whether the fault strikes here, and count it when it does."""
        if self.left == 0 or now > self.ends or self._phase != phase:
            return False
        if self._method not in {"*", method} or self._path.search(path) is None:
            return False
        self._met += 1
        if self._met % self._every:
            return False
        if self.left is not None:
            self.left -= 1
        self.fired += 1
        return True


class Faults:
    """The faults of one server, consulted before a request is served and after its commit, before the response.

    A fault "before" leaves no trace in the store; one "after" loses or spoils the response of a request that took
    effect. Slow, Truncated and WrongChecksum spoil a response and are therefore always "after". Safe to use from any
    thread.
    """

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._fired: Counter[str] = Counter()
        self._closed = threading.Event()

    def inject(
        self,
        action: Action,
        *,
        method: str = "*",
        path: str = "",
        phase: Phase = "before",
        count: int | None = 1,
        every: int = 1,
        seconds: float | None = None,
        name: str | None = None,
    ) -> Fault:
        """Add a fault for requests of the method whose path and query match the pattern `path`.

        It strikes every `every`th of them, at most `count` times (None: without limit), and for `seconds` from now
        when given. `name` is what `fired` counts it under.
        """
        if isinstance(action, Slow | Truncated | WrongChecksum):
            phase = "after"
        name = name or type(action).__name__.lower()
        fault = Fault(action, name=name, method=method, path=path, phase=phase, count=count, every=every)
        with self._lock:
            if seconds is not None:
                fault.ends = self._now() + seconds
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Remove all faults; what they did stays counted."""
        with self._lock:
            self._faults.clear()

    def fired(self) -> dict[str, int]:
        """Return how often the faults of each name struck so far, those that were removed too."""
        with self._lock:
            return dict(self._fired)

    def close(self) -> None:
        """End delays that are under way, and delay no more."""
        self._closed.set()

    def consult(self, method: str, path: str, phase: Phase) -> list[Broken]:
        """Let the first matching fault strike; delays go on to the next one.

        Returns how the response is to be spoiled. Raises StorageError for a status and ResetRequested for a reset.
        """
        spoiling: list[Broken] = []
        for action in self._due(method, path, phase):
            if isinstance(action, Delay | Stall):
                self._closed.wait(action.seconds)
            if isinstance(action, Status):
                raise StorageError(action.status, "backendError", "This error was injected by a test.")
            if isinstance(action, Reset | Stall):
                raise ResetRequested
            if isinstance(action, Slow | Truncated | WrongChecksum):
                spoiling.append(action)
        return spoiling

    def spoil(self, response: Response, how: list[Broken]) -> Response:
        """Return the response as a broken network or service would send it."""
        for action in how:
            response = broken(response, action, self._closed.wait)
        return response

    def _due(self, method: str, path: str, phase: Phase) -> list[Action]:
        """Return the actions to take now, and count them: delays, then at most one that ends the request."""
        due: list[Action] = []
        with self._lock:
            now = self._now()
            for fault in self._faults:
                if fault.strikes(method, path, phase, now):
                    self._fired[fault.name] += 1
                    due.append(fault.action)
                    if not isinstance(fault.action, Delay):
                        break
        return due
