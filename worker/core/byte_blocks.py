"""Large blocks of bytes whose memory is used again: to get fresh memory from the system costs more than to fill it."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Sequence

_MOST_KEPT = 4
"""Blocks that are used again. More than these can be alive, and are given back to the system."""


class ByteBlocks:
    """Makes blocks of bytes of the memory of those that nobody holds any more. Safe to use from several threads.

    The memory is a `BytesIO`'s. It gives its bytes away without copying them, and copies them before it lets anybody
    write while they are held: a block that is taken for idle and is not costs a copy, and changes nobody's bytes. Never
    hash the bytes that it gives: a `bytes` object remembers its hash.
    """

    def __init__(self) -> None:
        self._kept: list[io.BytesIO] = []
        self._lock = threading.Lock()

    def take(self, size: int) -> io.BytesIO:
        """Return a stream of `size` bytes, whatever they are. It is lent until nobody holds it or its bytes."""
        with self._lock:
            stream = next((one for one in self._kept if _holders(one) == _IDLE), None) if size > 1 else None
            if stream is not None:
                _resize(stream, size)
                return stream
            stream = io.BytesIO(bytes(size))
            if size > 1 and len(self._kept) < _MOST_KEPT:  # of one byte `BytesIO` gives copies
                self._kept.append(stream)
            return stream

    def join(self, parts: Sequence[bytes]) -> bytes:
        """Return the parts as one."""
        stream, at = self.take(sum(map(len, parts))), 0
        with stream.getbuffer() as view:
            for part in parts:
                view[at : at + len(part)] = part
                at += len(part)
        return stream.getvalue()


def _holders(stream: io.BytesIO) -> tuple[int, int]:
    """Return how many references there are to a stream, and to its bytes, counting those that this takes.

    The bytes are not asked for where somebody has the stream: they would be copied if they are being written.
    """
    streams = sys.getrefcount(stream)
    return streams, sys.getrefcount(stream.getvalue()) if streams <= _IDLE[0] else 0


_IDLE = (sys.maxsize, 0)
_IDLE = next(_holders(stream) for stream in [io.BytesIO(bytes(8))])
"""What `_holders` says of a stream that only a list holds."""


def _resize(stream: io.BytesIO, size: int) -> None:
    stream.truncate(size)
    if len(stream.getbuffer()) < size:
        stream.seek(size - 1)
        stream.write(b"\0")
