"""Fault injection: what a test makes the server do wrong, and how often it did."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import Literal

from emulator.storage.errors import StorageError

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


class Fault:
    """One injected fault. `fired` tells how often it struck so far, `left` how often it will."""

    def __init__(self, action: Status | Reset | Delay, method: str, path: str, phase: Phase, count: int) -> None:
        self.action = action
        self.left = count
        self.fired = 0
        self._method = method
        self._path = re.compile(path)
        self._phase = phase

    def matches(self, method: str, path: str, phase: Phase) -> bool:
        """Tell whether the fault strikes here."""
        return (
            self.left > 0
            and self._phase == phase
            and self._method in {"*", method}
            and self._path.search(path) is not None
        )


class Faults:
    """The faults of one server, consulted before a request is served and after its commit, before the response.

    A fault "before" leaves no trace in the store; one "after" loses the response of a request that took effect.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._closed = threading.Event()

    def inject(
        self,
        action: Status | Reset | Delay,
        *,
        method: str = "*",
        path: str = "",
        phase: Phase = "before",
        count: int = 1,
    ) -> Fault:
        """Add a fault for the next `count` requests of the method whose path and query match the pattern `path`."""
        fault = Fault(action, method, path, phase, count)
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._faults.clear()

    def close(self) -> None:
        """End delays that are under way, and delay no more."""
        self._closed.set()

    def consult(self, method: str, path: str, phase: Phase) -> None:
        """Let the first matching fault strike; delays go on to the next one.

        Raises StorageError for a status and ResetRequested for a reset.
        """
        for action in self._due(method, path, phase):
            if isinstance(action, Delay):
                self._closed.wait(action.seconds)
            elif isinstance(action, Status):
                raise StorageError(action.status, "backendError", "This error was injected by a test.")
            else:
                raise ResetRequested

    def _due(self, method: str, path: str, phase: Phase) -> list[Status | Reset | Delay]:
        """Return the actions to take now, and count them: delays, then at most one that ends the request."""
        due: list[Status | Reset | Delay] = []
        with self._lock:
            for fault in self._faults:
                if fault.matches(method, path, phase):
                    fault.left -= 1
                    fault.fired += 1
                    due.append(fault.action)
                    if not isinstance(fault.action, Delay):
                        break
        return due
