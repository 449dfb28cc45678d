"""Inflating is bounded, whatever the file."""

from __future__ import annotations

import gzip
import random
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import InvalidInput
from worker.core.inflate import inflate

MIB = 1 << 20


def code(data: list[bytes], **limits: int) -> str:
    with pytest.raises(InvalidInput) as caught:
        for _ in inflate(data, **limits):
            pass
    return caught.value.code


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=4), st.integers(1, 50))
def test_what_was_compressed_comes_back_however_it_is_cut(members: list[bytes], size: int) -> None:
    data = b"".join(gzip.compress(member, mtime=0) for member in members)
    chunks = [data[at : at + size] for at in range(0, len(data), size)]
    assert b"".join(inflate(chunks)) == b"".join(members)


@pytest.mark.parametrize("size", [1000, 128 * 1024, MIB, 10 * MIB])
def test_how_a_file_arrives_makes_it_no_bomb(size: int) -> None:
    rows = random.Random(5).randbytes(2 * MIB)
    data = gzip.compress(b"a" * 9 * MIB + rows, mtime=0)
    assert (
        sum(map(len, inflate([data[at : at + size] for at in range(0, len(data), size)], free_bytes=MIB))) == 11 * MIB
    )
    bomb = gzip.compress(b"a" * 9 * MIB, mtime=0)
    assert code([bomb[at : at + size] for at in range(0, len(bomb), size)], free_bytes=MIB) == "too_large_inflated"


@given(st.binary(max_size=60))
def test_any_bytes_behind_a_member_are_inflated_or_refused(data: bytes) -> None:
    pieces = inflate([gzip.compress(b"good", mtime=0) + data])
    assert next(pieces) == b"good"
    if data.strip(b"\0"):
        with pytest.raises(InvalidInput):
            list(pieces)


@given(st.integers(0, 23))
def test_a_file_that_is_cut_off_is_refused(size: int) -> None:
    data = gzip.compress(b"good", mtime=0)
    assert code([data[: min(size + 1, len(data) - 1)]]) == "broken_gzip"


def test_the_size_is_bounded() -> None:
    data = gzip.compress(bytes(range(256)) * 40, mtime=0)
    assert len(b"".join(inflate([data], max_bytes=10_240))) == 10_240
    assert code([data], max_bytes=10_239) == "too_large_inflated"


def test_the_ratio_is_bounded_above_what_is_free() -> None:
    data = gzip.compress(b"\n" * 3 * MIB, mtime=0)
    assert len(b"".join(inflate([data], free_bytes=3 * MIB))) == 3 * MIB
    assert code([data], free_bytes=3 * MIB - 1) == "too_large_inflated"


def test_a_bomb_takes_no_memory() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(b"\0" * MIB) for _ in range(200)) + packer.flush()
    tracemalloc.start()
    assert code([bomb]) == "too_large_inflated"
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 6 * MIB
