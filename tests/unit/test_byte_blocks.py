"""Memory that is used again: never while anybody holds it."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from worker.core.byte_blocks import ByteBlocks
from worker.core.line_buffer import LineBuffer


@given(st.lists(st.binary(max_size=80), max_size=12))
def test_parts_are_joined(parts: list[bytes]) -> None:
    assert ByteBlocks().join(parts) == b"".join(parts)


@given(st.lists(st.tuples(st.integers(0, 300), st.booleans()), max_size=40), st.randoms(use_true_random=False))
def test_what_is_held_stays_as_it_was(steps: list[tuple[int, bool]], generator: random.Random) -> None:
    blocks, held = ByteBlocks(), []
    for number, (size, drop) in enumerate(steps):
        content = bytes([number]) * size
        held.append((blocks.join([content[: size // 3], content[size // 3 :]]), content))
        assert all(mine == expected for mine, expected in held)
        if drop:
            held.pop(generator.randrange(len(held)))


def test_memory_is_used_again_once_nobody_holds_it() -> None:
    blocks = ByteBlocks()
    first = blocks.take(100_000)
    address = id(first)
    content = first.getvalue()
    del first
    assert id(blocks.take(10)) != address  # the bytes are held
    del content
    taken = {id(blocks.take(size)) for size in (10, 200_000)}
    assert address in taken


def test_a_buffer_that_is_being_written_is_nobody_elses() -> None:
    blocks = ByteBlocks()
    one = LineBuffer(10, blocks)
    one.add(b"one")
    other = LineBuffer(10, blocks)
    other.add(b"other")
    assert (one.finish(), other.finish()) == (b"one", b"other")
