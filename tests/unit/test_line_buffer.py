"""Lines that are written one behind the other: what comes out is what went in, and nothing goes beyond the room."""

from __future__ import annotations

import ctypes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.byte_blocks import ByteBlocks
from worker.core.line_buffer import LineBuffer


@given(pieces=st.lists(st.binary(max_size=50), max_size=8), spare=st.integers(0, 100), by_address=st.booleans())
def test_what_is_written_comes_out(pieces: list[bytes], spare: int, by_address: bool) -> None:
    buffer = LineBuffer(sum(map(len, pieces)) + spare, ByteBlocks())
    for piece in pieces:
        if by_address:
            ctypes.memmove(buffer.address + buffer.end, piece, len(piece))
            buffer.advance(buffer.end + len(piece))
        else:
            buffer.add(piece)
    assert buffer.finish() == b"".join(pieces)


def test_more_than_the_room_is_refused() -> None:
    buffer = LineBuffer(4, ByteBlocks())
    buffer.add(b"abc")
    with pytest.raises(ValueError, match="structure"):
        buffer.add(b"de")
    with pytest.raises(ValueError, match="5 bytes were written into 4"):
        buffer.advance(5)
    with pytest.raises(ValueError, match="2 bytes were written into 4"):
        buffer.advance(2)
    assert buffer.finish() == b"abc"


def test_nothing_can_be_added_to_what_was_finished() -> None:
    buffer = LineBuffer(4, ByteBlocks())
    assert buffer.finish() == b""
    with pytest.raises(ValueError, match="released"):
        buffer.add(b"a")
