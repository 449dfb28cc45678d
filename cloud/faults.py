"""A plan of what goes wrong in the calls of a port, and the count of what did."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from cloud.objects import TransientError

T = TypeVar("T")

Kind = Literal["before", "lost_answer", "repeated", "duplicate", "lost"]
"""What goes wrong in a call:

`before`: TransientError, and nothing was done. `lost_answer`: it was done, then TransientError. `repeated`: it was
done, the answer was lost, and the client library did it again (a create-only write answers PreconditionFailed then).
`duplicate`: what a pull delivers, the next one delivers again. `lost`: the call answers well, and nothing was done.
"""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong: in calls number `first`, `first + every`, … (from 1) of a port's method.

    `every=0` is once.
    """

    method: str
    kind: Kind
    first: int = 1
    every: int = 0

    def strikes(self, call: int) -> bool:
        """Tell whether the fault is in this call of its method."""
        return call == self.first or (self.every > 0 and call > self.first and (call - self.first) % self.every == 0)


class Faults:
    """A plan of faults and the count of those that happened. Safe to share between wrappers and threads."""

    def __init__(self, *plan: Fault) -> None:
        self._plan = plan
        self._lock = threading.Lock()
        self._calls: Counter[str] = Counter()
        self.fired: Counter[Fault] = Counter()

    def next(self, method: str) -> Kind | None:
        """Count a call of the method, and return what goes wrong in it (the first fault of the plan that strikes)."""
        with self._lock:
            self._calls[method] += 1
            for fault in self._plan:
                if fault.method == method and fault.strikes(self._calls[method]):
                    self.fired[fault] += 1
                    return fault.kind
        return None

    def unfired(self) -> list[Fault]:
        """Return the faults that never happened: a test that relied on them proved nothing."""
        with self._lock:
            return [fault for fault in self._plan if not self.fired[fault]]

    def run(self, method: str, call: Callable[[], T]) -> T:
        """Make a call, with what goes wrong in it: `before`, `lost_answer` or `repeated`."""
        kind = self.next(method)
        if kind in {"duplicate", "lost"}:
            raise ValueError(f"{kind!r} cannot happen to {method}")
        if kind == "before":
            raise TransientError(f"{method}: injected before the call")
        result = call()
        if kind == "lost_answer":
            raise TransientError(f"{method}: injected after the call")
        return call() if kind == "repeated" else result
