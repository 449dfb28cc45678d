"""Remembers the bytes that a CSV reader is given, so that a row it cannot read can be given back as it came."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from schemas.requests import MAX_REQUEST_BYTES

MAX_KEPT_BYTES = 2 * MAX_REQUEST_BYTES
"""More than any row has that can be mended by shortening it, and than the reader reads ahead."""


@dataclass(frozen=True, slots=True)
class RawRecord:
    """A row of a CSV that could not be read."""

    head: bytes
    """What stands before the file's first row: its header and byte order mark."""
    raw: bytes
    """The row's bytes with their line end; empty where it is too long to be kept."""


class RawBytes:
    """The last `MAX_KEPT_BYTES` of a stream, and what of it is asked for. Iterate once, over `chunks`."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._source = chunks
        self._kept: deque[bytes] = deque()
        self._start = 0
        self._stop = 0

    def chunks(self) -> Iterator[bytes]:
        """Yield the stream's chunks, and remember them."""
        for chunk in self._source:
            self._kept.append(chunk)
            self._stop += len(chunk)
            while self._stop - self._start > MAX_KEPT_BYTES + len(self._kept[0]):
                self._forget_first()
            yield chunk

    def between(self, start: int, stop: int) -> bytes:
        """Return these bytes of the stream; none where they are no longer known."""
        if start < self._start:
            return b""
        parts, at = [], self._start
        for chunk in self._kept:
            parts.append(chunk[max(start - at, 0) : max(stop - at, 0)])
            at += len(chunk)
        return b"".join(parts)

    def forget_before(self, byte: int) -> None:
        """Drop whole chunks that lie before a byte of the stream; no earlier one is asked for any more."""
        while self._kept and self._start + len(self._kept[0]) <= byte:
            self._forget_first()

    def _forget_first(self) -> None:
        self._start += len(self._kept.popleft())
