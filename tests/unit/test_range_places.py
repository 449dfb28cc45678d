"""Ranges are cut at the very records that reading the file one by one gives, whatever the bytes and the chunks."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import InvalidInput
from schemas.jobs import Dialect, Header
from schemas.ranges import MAX_RANGES
from tests.unit.test_rows_blocks import BYTES, DIALECTS, LINES
from worker.core.range_places import range_size, range_starts
from worker.core.rows import Place, first_place, open_rows

JSON_LINES = st.lists(
    st.sampled_from([b'{"text": "a"}', b"", b"  ", b"\xff", b'{"text": "a longer one"}\r', b"[]"]), max_size=30
).map(lambda lines: b"\n".join([b'{"text": "no array"}', *lines]))


def read_one_by_one(data: bytes, dialect: Dialect, range_bytes: int) -> tuple[list[Place], Header]:
    reader = open_rows([data], dialect)
    starts = [first_place(reader.header)]
    for row in reader:
        if row.byte >= starts[-1].byte + range_bytes:
            starts.append(Place(row.byte, row.line, row.row))
    return starts, reader.header


@given(
    data=BYTES | LINES,
    dialect=DIALECTS,
    range_bytes=st.integers(1, 60),
    cut=st.integers(1, 40),
)
@settings(max_examples=400)
def test_ranges_start_where_rows_do(data: bytes, dialect: Dialect, range_bytes: int, cut: int) -> None:
    try:
        expected, header = read_one_by_one(data, dialect, range_bytes)
    except InvalidInput:
        return
    rest = data[header.first_byte :]
    chunks = [rest[at : at + cut] for at in range(0, len(rest), cut)]
    assert list(range_starts(chunks, dialect, header, range_bytes)) == expected


@given(data=JSON_LINES, range_bytes=st.integers(1, 60), cut=st.integers(1, 40))
@settings(max_examples=200)
def test_ranges_of_json_lines_start_where_rows_do(data: bytes, range_bytes: int, cut: int) -> None:
    dialect = Dialect(format="jsonl")
    expected, header = read_one_by_one(data, dialect, range_bytes)
    chunks = [data[at : at + cut] for at in range(0, len(data), cut)]
    assert list(range_starts(chunks, dialect, header, range_bytes)) == expected


def test_a_large_file_is_cut_in_blocks_as_it_is_one_by_one() -> None:
    rows = [b'%d,"a ""word""\r\nand another %s"\r\n' % (row, b"x" * (row % 90)) for row in range(30_000)]
    rows[777] = b'777,"open\r\n'
    data = b"id,text\r\n" + b"".join(rows)
    dialect = Dialect()
    expected, header = read_one_by_one(data, dialect, 100_000)
    assert len(expected) > 20
    rest = data[header.first_byte :]
    chunks = [rest[at : at + 70_001] for at in range(0, len(rest), 70_001)]
    assert list(range_starts(chunks, dialect, header, 100_000)) == expected


@pytest.mark.parametrize(
    ("wanted", "size", "dialect", "expected"),
    [
        (100, 101, Dialect(), 100),
        (100, 101, Dialect(format="jsonl"), 100),
        (100, 100, Dialect(), msgspec.UNSET),
        (0, 10**12, Dialect(), msgspec.UNSET),
        (100, 10**9, Dialect(compression="gzip"), msgspec.UNSET),
        (100, 10**9, Dialect(encoding="utf-16"), msgspec.UNSET),
        (100, 10**9, Dialect(format="parquet"), msgspec.UNSET),
        (100, 100 * MAX_RANGES, Dialect(), 100),
        (100, 100 * MAX_RANGES + 1, Dialect(), 101),
    ],
)
def test_the_size_of_ranges(wanted: int, size: int, dialect: Dialect, expected: object) -> None:
    assert range_size(wanted, size, dialect) == expected
