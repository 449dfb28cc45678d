"""Where the lines of one part are written one behind the other, and become `bytes` without being copied."""

from __future__ import annotations

import numpy as np

from worker.core.byte_blocks import ByteBlocks
from worker.core.kernel_index import address_of


class LineBuffer:
    """Room for a known number of bytes. For one thread."""

    def __init__(self, room: int, blocks: ByteBlocks) -> None:
        """Whatever is written must have at most `room` bytes, which are taken of `blocks`."""
        self._stream = blocks.take(room)
        self._view = self._stream.getbuffer()
        self._room = room
        self.address = address_of(np.frombuffer(self._view, np.uint8)) if room else 0
        """Of the first byte, for compiled code, which says with `advance` how far it wrote."""
        self.end = 0

    def add(self, data: bytes) -> None:
        """Write bytes behind what there is. Raises ValueError where there is no room for them."""
        self._view[self.end : self.end + len(data)] = data
        self.end += len(data)

    def advance(self, end: int) -> None:
        """Take note of where the bytes end that were written by address. Raises ValueError for more than the room."""
        if not self.end <= end <= self._room:
            raise ValueError(f"{end:,} bytes were written into {self._room:,}")
        self.end = end

    def finish(self) -> bytes:
        """Return what was written; nothing can be added any more."""
        self._view.release()
        self._stream.truncate(self.end)
        return self._stream.getvalue()
