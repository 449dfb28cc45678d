"""Frames over a pair of pipes: a letter, a length of four bytes, and that many bytes."""

from __future__ import annotations

import os
import select
import struct

_HEAD = struct.Struct(">cI")
_PIECE_BYTES = 1 << 20


class PipeClosed(Exception):  # noqa: N818 - a fact
    """The other process is gone."""


class PipeSilent(Exception):  # noqa: N818 - a fact
    """The other process has said nothing for too long."""


class Pipes:
    """One end of a conversation. Blocks; for one thread at a time."""

    def __init__(self, read_fd: int, write_fd: int, *, max_bytes: int, silence_s: float | None = None) -> None:
        self._read_fd = read_fd
        self._write_fd = write_fd
        self._max_bytes = max_bytes
        self._silence_ms = None if silence_s is None else int(silence_s * 1000)

    def send(self, letter: bytes, data: bytes = b"") -> None:
        """Send a frame. Raises PipeClosed."""
        try:
            for piece in (_HEAD.pack(letter, len(data)), data):
                view = memoryview(piece)
                while view:
                    view = view[os.write(self._write_fd, view) :]
        except BrokenPipeError:
            raise PipeClosed from None

    def receive(self) -> tuple[bytes, bytes]:
        """Return the next frame's letter and data. Raises PipeClosed, PipeSilent, ValueError for one too long."""
        letter, length = _HEAD.unpack(self._exactly(_HEAD.size))
        if length > self._max_bytes:
            raise ValueError(f"a frame of {length:,} bytes")
        return letter, self._exactly(length)

    def _exactly(self, length: int) -> bytes:
        data = bytearray()
        while len(data) < length:
            self._wait()
            piece = os.read(self._read_fd, min(length - len(data), _PIECE_BYTES))
            if not piece:
                raise PipeClosed
            data += piece
        return bytes(data)

    def _wait(self) -> None:
        if self._silence_ms is not None:
            poll = select.poll()
            poll.register(self._read_fd, select.POLLIN)
            if not poll.poll(self._silence_ms):
                raise PipeSilent
