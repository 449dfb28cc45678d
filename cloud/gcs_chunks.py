"""What a download fills: pieces that can be handed on, and freed, one by one."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator


class Chunks:
    """The bytes of one download. They are never held as one string: a reader of large files would hold them twice."""

    def __init__(self) -> None:
        self.size = 0
        self._pieces: deque[bytes] = deque()

    def add(self, piece: bytes) -> None:
        """Take the next bytes."""
        self.size += len(piece)
        self._pieces.append(piece)

    def take(self) -> Iterator[bytes]:
        """Yield the bytes, each once."""
        while self._pieces:
            yield self._pieces.popleft()
