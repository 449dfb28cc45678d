"""What a download fills: pieces of a megabyte that can be handed on, and freed, one by one."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

CHUNK_BYTES = 1 << 20


class Chunks:
    """A sink for one download. It is never held as one string: a reader of large files would hold it twice."""

    def __init__(self) -> None:
        self.size = 0
        self._full: deque[bytes] = deque()
        self._last = bytearray()

    def write(self, data: bytes) -> int:
        """Take the next bytes, as files do."""
        self.size += len(data)
        self._last += data
        if len(self._last) >= CHUNK_BYTES:
            self._full.append(bytes(self._last))
            self._last.clear()
        return len(data)

    def tell(self) -> int:
        """Return how many bytes there are."""
        return self.size

    def take(self) -> Iterator[bytes]:
        """Yield the bytes, each once."""
        while self._full:
            yield self._full.popleft()
        if self._last:
            yield bytes(self._last)
            self._last.clear()
