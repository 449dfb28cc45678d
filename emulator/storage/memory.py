"""Objects in memory: as lists of chunks, so that large ones grow, compose and copy without being moved."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from emulator.storage.content import CHUNK_BYTES, Data, Reader, base64_of


class MemoryData:
    """Immutable chunks; a reader and a share of it are the same chunks."""

    def __init__(self, chunks: tuple[bytes, ...], *, with_md5: bool) -> None:
        self._chunks = chunks
        self._with_md5 = with_md5
        self._md5: str | None = None

    def open(self) -> Reader:
        """Open for reading."""
        return self

    def share(self) -> Data:
        """Return itself: nothing is ever changed."""
        return self

    def md5(self) -> str | None:
        """Return the digest; two first calls at once both take it."""
        if self._md5 is None and self._with_md5:
            digest = hashlib.md5(usedforsecurity=False)
            for chunk in self._chunks:
                digest.update(chunk)
            self._md5 = base64_of(digest.digest())
        return self._md5

    def discard(self) -> None:
        """Do nothing: the garbage collector frees the chunks after their last reader."""

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the bytes from `start` up to `stop` (exclusive)."""
        position = 0
        for chunk in self._chunks:
            end = position + len(chunk)
            if start < end and position < stop:
                yield chunk[max(0, start - position) : stop - position]
            position = end

    def close(self) -> None:
        """Do nothing: there is no file."""


_LARGE_BYTES = CHUNK_BYTES // 32


class MemorySink:
    """Collects small writes into chunks of about CHUNK_BYTES, and keeps large ones as they come."""

    def __init__(self, *, with_md5: bool) -> None:
        self._with_md5 = with_md5
        self._chunks: list[bytes] = []
        self._tail = bytearray()

    def write(self, chunk: bytes) -> None:
        """Append."""
        if len(chunk) >= _LARGE_BYTES:
            self._flush()
            self._chunks.append(chunk)
            return
        self._tail += chunk
        if len(self._tail) >= CHUNK_BYTES:
            self._flush()

    def finish(self) -> Data:
        """End writing."""
        self._flush()
        chunks, self._chunks = tuple(self._chunks), []
        return MemoryData(chunks, with_md5=self._with_md5)

    def discard(self) -> None:
        """Forget everything written."""
        self._chunks.clear()
        self._tail.clear()

    def _flush(self) -> None:
        if self._tail:
            self._chunks.append(bytes(self._tail))
            self._tail.clear()
