"""Faults on request: what a test makes the server do wrong, and how often it did."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Literal

from emulator.pubsub.errors import PubSubError
from emulator.pubsub.wire import grpc

Kind = Literal["status", "call_cut", "stream_cut", "lost_ack", "duplicate", "early_expiry", "reorder"]
"""What goes wrong:

`status`: the call fails before it does anything. `call_cut`: it does its work, and the answer is lost. `stream_cut`: a
streaming pull ends after a response. `lost_ack`: an acknowledgement is answered well and forgotten.
`duplicate`: messages that are handed over come again, beside others. `early_expiry`: their leases end at once.
`reorder`: they are handed over in another order.
"""

CALLS: dict[Kind, str] = {
    "stream_cut": "StreamingPull",
    "lost_ack": "Acknowledge",
    "duplicate": "Pull",
    "early_expiry": "Pull",
    "reorder": "Pull",
}
"""Kind → the call that is counted for it; `status` and `call_cut` are of any call that is named."""


class Fault:
    """One planned fault. `fired` tells how often it struck so far."""

    def __init__(self, kind: Kind, rpc_name: str, code: grpc.StatusCode, *, times: int | None, every: int) -> None:
        self.kind: Kind = kind
        self.rpc_name = rpc_name
        self.code = code
        self.left = times
        """How often it will strike; None for as long as it is there."""
        self.fired = 0
        self.ends = float("inf")
        """On the clock of its `Faults`."""
        self._every = every
        self._met = 0

    def strikes(self, now: float) -> bool:
        """Tell whether the fault strikes in this call of its kind, and count it when it does."""
        if self.left == 0 or now > self.ends:
            return False
        self._met += 1
        if self._met % self._every:
            return False
        if self.left is not None:
            self.left -= 1
        self.fired += 1
        return True


class Faults:
    """Planned faults by the name of the call (`Publish`, `Pull`, …), counted when they fire.

    Safe to use from any thread: tests plan and count while the server's thread consults. `seed` decides which messages
    are duplicated, expire or change places.
    """

    def __init__(self, *, seed: int = 0, now: Callable[[], float] = time.monotonic) -> None:
        self.random = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self._now = now
        self._lock = threading.Lock()
        self._planned: list[Fault] = []
        self._fired: Counter[str] = Counter()

    def inject(self, rpc_name: str, code: grpc.StatusCode, times: int = 1) -> Fault:
        """Let the next `times` calls of `rpc_name` fail with `code`."""
        return self.plan("status", rpc_name, code=code, times=times)

    def plan(
        self,
        kind: Kind,
        rpc_name: str | None = None,
        *,
        code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE,
        times: int | None = 1,
        every: int = 1,
        seconds: float | None = None,
    ) -> Fault:
        """Add a fault: in every `every`th call, at most `times` (None: without limit), for `seconds` when given.

        Raises ValueError for `status` and `call_cut` without the call's name, and for a call that a kind is not of.
        """
        call = rpc_name or CALLS.get(kind)
        if call is None or CALLS.get(kind, call) != call:
            raise ValueError(f"{kind!r} cannot happen to {rpc_name or 'a call without a name'}")
        fault = Fault(kind, call, code, times=times, every=every)
        with self._lock:
            if seconds is not None:
                fault.ends = self._now() + seconds
            self._planned.append(fault)
        return fault

    def clear(self) -> None:
        """Remove all faults; what they did stays counted."""
        with self._lock:
            self._planned.clear()

    def fired(self, rpc_name: str) -> int:
        """Return how many planned failures of `rpc_name` have happened: its statuses and lost answers."""
        with self._lock:
            return self._fired[f"status {rpc_name}"] + self._fired[f"call_cut {rpc_name}"]

    def counts(self) -> dict[str, int]:
        """Return how often each kind of fault struck in which call, as `kind call` → count."""
        with self._lock:
            return dict(self._fired)

    def before(self, rpc_name: str) -> None:
        """Raise the next planned failure of `rpc_name`, if there is one; called before the call does anything."""
        self._raise("status", rpc_name)

    def after(self, rpc_name: str) -> None:
        """Raise when the answer of `rpc_name` is to be lost; called when the call has done its work."""
        self._raise("call_cut", rpc_name)

    def cut_stream(self) -> None:
        """Raise when a streaming pull is to end now; called after each of its responses."""
        self._raise("stream_cut", "StreamingPull")

    def strikes(self, kind: Kind) -> bool:
        """Tell whether a fault of a kind that is no failure of the call strikes now, and count it."""
        return self._next(kind, CALLS[kind]) is not None

    def _raise(self, kind: Kind, rpc_name: str) -> None:
        fault = self._next(kind, rpc_name)
        if fault is not None:
            raise PubSubError(fault.code, f"fault injected into {rpc_name}")

    def _next(self, kind: Kind, rpc_name: str) -> Fault | None:
        if not self._planned:
            return None
        with self._lock:
            now = self._now()
            for fault in self._planned:
                if fault.kind == kind and fault.rpc_name == rpc_name and fault.strikes(now):
                    self._fired[f"{kind} {rpc_name}"] += 1
                    return fault
        return None
