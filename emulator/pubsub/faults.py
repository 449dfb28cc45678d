"""Faults on request: a remote procedure call is answered with a chosen status a chosen number of times."""

import threading
from collections import Counter, defaultdict, deque

from emulator.pubsub.errors import PubSubError
from emulator.pubsub.wire import grpc


class Faults:
    """Planned failures by the name of the call (`Publish`, `Pull`, …), counted when they fire.

    Safe to use from any thread: tests plan and count while the server's thread consults.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._planned: defaultdict[str, deque[grpc.StatusCode]] = defaultdict(deque)
        self._fired: Counter[str] = Counter()

    def inject(self, rpc_name: str, code: grpc.StatusCode, times: int = 1) -> None:
        """Let the next `times` calls of `rpc_name` fail with `code`."""
        with self._lock:
            self._planned[rpc_name].extend([code] * times)

    def fired(self, rpc_name: str) -> int:
        """Return how many planned failures of `rpc_name` have happened."""
        with self._lock:
            return self._fired[rpc_name]

    def before(self, rpc_name: str) -> None:
        """Raise the next planned failure of `rpc_name`, if there is one; called before the call does anything."""
        if not self._planned:
            return
        with self._lock:
            planned = self._planned.get(rpc_name)
            if not planned:
                return
            code = planned.popleft()
            self._fired[rpc_name] += 1
        raise PubSubError(code, f"fault injected into {rpc_name}")
