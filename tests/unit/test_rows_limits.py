"""Long records, hostile quotes, bounded memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import pytest

from schemas.jobs import Dialect
from schemas.requests import MAX_TEXT_CHARS
from worker.core.csv_records import MAX_RECORD_BYTES, RecordReader
from worker.core.rows import BadRow, open_rows

MIB = 1 << 20


def read(*chunks: bytes) -> list[tuple[int, int, str]]:
    """Return (row, line, text or code) of each row."""
    items = open_rows(iter(chunks), Dialect())
    return [(item.row, item.line, item.code if isinstance(item, BadRow) else item.text) for item in items]


def test_the_longest_text_is_scored_whatever_its_bytes() -> None:
    for character in ("a", "é", "😀", '"'):
        text = character * MAX_TEXT_CHARS
        quoted = '"' + text.replace('"', '""') + '"'
        assert read(f"text\n{quoted}\nnext\n".encode()) == [(1, 2, text), (2, 3, "next")]


def test_a_longer_text_is_rejected() -> None:
    assert read(b"text\n" + b"a" * (MAX_TEXT_CHARS + 1) + b"\nnext\n") == [(1, 2, "text_too_long"), (2, 3, "next")]


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("more", [-1, 0, 1, 2, 3, 2 * MAX_RECORD_BYTES, 5 * MAX_RECORD_BYTES])
def test_too_long_a_line_is_one_bad_row(line_end: bytes, more: int) -> None:
    line = b"a" * (MAX_RECORD_BYTES + more)
    code = "record_too_long" if more > 0 else "text_too_long"
    assert read(b"text", line_end, line, line_end, b"next") == [(1, 2, code), (2, 3, "next")]


def test_too_long_a_quoted_line_is_one_bad_row() -> None:
    line = b'"' + b"a" * MAX_RECORD_BYTES + b'"'
    assert read(b"text\n" + line + b"\nnext\n") == [(1, 2, "record_too_long"), (2, 3, "next")]


def test_a_record_that_grows_too_long_after_its_quotes_is_one_bad_row() -> None:
    record = b'"two\nlines",' + b"a" * MAX_RECORD_BYTES
    assert read(b"text,note\n" + record + b"\nnext,1\n") == [(1, 2, "record_too_long"), (2, 4, "next")]


def test_a_quote_that_stays_open_costs_one_line_however_long_the_file_is() -> None:
    tail = [b"row %d,x" % number for number in range(100_000)]
    items = read(b'text,note\n"open,x\n' + b"\n".join(tail))
    assert items[0] == (1, 2, "unclosed_quote")
    assert items[1:] == [(number + 2, number + 3, f"row {number}") for number in range(100_000)]


@pytest.mark.parametrize("line", [b'a","', b'"a', b'"""a', b'a,"b'])
def test_lines_made_to_be_scanned_again_and_again_are_scanned_once(line: bytes) -> None:
    """Read quadratically, this would take minutes, and the test would be ended."""
    lines = 40_000
    reader = RecordReader([b'"b\n' + (line + b"\n") * lines], delimiter=b",", quote=b'"', limit=100_000)
    starts = [record.byte for record in reader]
    assert starts == sorted(set(starts))
    assert len(starts) >= lines // 2


def test_memory_is_flat() -> None:
    def rows(count: int) -> Iterator[bytes]:
        for _ in range(count):
            yield b'1,"a review, with a comma"\n2,plain\n' * 100

    def peak(count: int) -> int:
        tracemalloc.start()
        reader = RecordReader(rows(count), delimiter=b",", quote=b'"', limit=10_000)
        assert sum(1 for _ in reader) == 200 * count
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak(100) < 1.2 * peak(25) < 400_000


def test_an_endless_line_is_not_kept() -> None:
    def chunks() -> Iterator[bytes]:
        yield b"text\n"
        for _ in range(64):
            yield b"a" * MIB
        yield b"\nnext\n"

    tracemalloc.start()
    items = [item.row for item in open_rows(chunks(), Dialect())]
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert items == [1, 2]
    assert most < 16 * MIB
