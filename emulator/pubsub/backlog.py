"""The messages of a subscription that wait for delivery: ready, behind their ordering key, or backing off. Pure."""

import heapq
from collections import deque
from collections.abc import Iterator

from emulator.pubsub.entries import Entry


class Backlog:
    """Three places to wait.

    With ordering, at most one message of a key is out at a time (ready, leased or backing off); the others queue
    behind it in publish order. That is stricter than the real service, which may hand several of one key to the same
    reader at once, and it keeps the order through every failed delivery.
    """

    def __init__(self, *, ordered: bool) -> None:
        self._ordered = ordered
        self._ready: deque[Entry] = deque()
        self._behind_key: dict[str, deque[Entry]] = {}
        self._backing_off: list[tuple[float, int, Entry]] = []
        self._backed_off = 0

    def add(self, entry: Entry) -> None:
        """Take in a newly published message."""
        key = entry.ordering_key if self._ordered else ""
        if key:
            queue = self._behind_key.get(key)
            if queue is not None:
                queue.append(entry)
                return
            self._behind_key[key] = deque()
        self._ready.append(entry)

    def peek(self) -> Entry | None:
        """Return the next message to deliver without taking it."""
        return self._ready[0] if self._ready else None

    def pop(self) -> Entry:
        """Take the next message to deliver."""
        return self._ready.popleft()

    def give_back(self, entry: Entry, due: float | None) -> None:
        """Return a message whose delivery failed, to be ready at `due`, or at once when None."""
        if due is None:
            self._ready.append(entry)
            return
        self._backed_off += 1
        heapq.heappush(self._backing_off, (due, self._backed_off, entry))

    def settle(self, entry: Entry) -> None:
        """Let the next message of the entry's key pass: the entry is acknowledged or dead-lettered."""
        key = entry.ordering_key if self._ordered else ""
        queue = self._behind_key.get(key)
        if queue is None:
            return
        if queue:
            self._ready.append(queue.popleft())
        else:
            del self._behind_key[key]

    def advance(self, now: float) -> None:
        """Make the messages ready whose backoff has ended."""
        while self._backing_off and self._backing_off[0][0] <= now:
            self._ready.append(heapq.heappop(self._backing_off)[2])

    def next_due(self) -> float | None:
        """Return when the next backoff ends, None when none runs."""
        return self._backing_off[0][0] if self._backing_off else None

    def clear(self) -> None:
        """Forget every message."""
        self._ready.clear()
        self._behind_key.clear()
        self._backing_off.clear()

    def __iter__(self) -> Iterator[Entry]:
        yield from self._ready
        yield from (entry for _, _, entry in self._backing_off)
        for queue in self._behind_key.values():
            yield from queue
