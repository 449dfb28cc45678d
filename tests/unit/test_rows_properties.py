"""Whatever the bytes: rows are conserved, chunks do not matter, and reading goes on at any row."""

from __future__ import annotations

import csv
import io

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import InvalidInput
from schemas.jobs import Dialect
from worker.core.csv_records import Broken, Plain, Quoted, RecordReader
from worker.core.rows import BadRow, Place, Row, open_rows, resume_rows

TROUBLE = st.lists(
    st.sampled_from([b'"', b'""', b",", b"\n", b"\r", b"\r\n", b"a", b"bc", b'a","', b"0123456789", b"\0", b"\xff"]),
    max_size=60,
).map(b"".join)
DIALECTS = st.builds(
    Dialect,
    delimiter=st.sampled_from([",", "\t", ";"]),
    quote=st.sampled_from(['"', None]),
    header=st.booleans(),
    text_column=st.sampled_from(["text", "1", "2"]),
    encoding=st.sampled_from(["utf-8", "cp1252", "latin-1"]),
)


@st.composite
def files(draw: st.DrawFn) -> bytes:
    head = draw(st.sampled_from([b"text,id\n", b"text\tid\r\n", b"\xef\xbb\xbftext\n", b""]))
    return head + draw(st.one_of(TROUBLE, st.binary(max_size=80)))


@st.composite
def cuts(draw: st.DrawFn, data: bytes) -> list[bytes]:
    at = sorted(draw(st.lists(st.integers(0, len(data)), max_size=6)))
    return [data[a:b] for a, b in zip([0, *at], [*at, len(data)], strict=True)]


def records(chunks: list[bytes], *, limit: int, byte: int = 0, line: int = 1) -> list[Plain | Quoted | Broken]:
    return list(RecordReader(chunks, delimiter=b",", quote=b'"', byte=byte, line=line, limit=limit))


def lines_of(data: bytes) -> list[tuple[int, bytes]]:
    """Cut into physical lines, one character after the other: an independent reading of the rules."""
    found, start, at = [], 0, 0
    while at < len(data):
        if data[at] in b"\r\n":
            found.append((start, data[start:at]))
            at += 2 if data[at : at + 2] == b"\r\n" else 1
            start = at
        else:
            at += 1
    if start < len(data):
        found.append((start, data[start:]))
    return found


def one_record(data: bytes, start: int) -> tuple[str, int]:
    """Follow one record, one character after the other; return how it ends, and where."""
    state, at = "start", start
    while True:
        byte = data[at : at + 1]
        if state == "in":
            if byte == b"":
                return "open", at
            if data[at : at + 2] == b'""':
                at += 1
            elif byte == b'"':
                state = "after"
        elif byte in {b"", b"\r", b"\n"}:
            return "closed", at
        elif byte == b",":
            state = "start"
        elif state == "after":
            return "after", at
        else:
            state = "in" if state == "start" and byte == b'"' else "plain"
        at += 1


def reference(data: bytes) -> list[tuple[int, int, str]]:
    """Return (byte, line, kind) of every record by the documented rules, where no record is too long."""
    found = []
    read_to = -1
    for number, (start, raw) in enumerate(lines_of(data), 1):
        if not raw or start <= read_to:
            continue
        end, where = one_record(data, start)
        if end == "closed":
            read_to = where
        broken = "text_after_quote" if end == "after" and where <= start + len(raw) else "unclosed_quote"
        found.append((start, number, "ok" if end == "closed" else broken))
    return found


def kind_of(record: Plain | Quoted | Broken) -> str:
    return record.fault if isinstance(record, Broken) else "ok"


@given(TROUBLE)
@settings(max_examples=200)
def test_records_are_those_of_an_independent_reader(data: bytes) -> None:
    assert [(r.byte, r.line, kind_of(r)) for r in records([data], limit=1000)] == reference(data)


@given(TROUBLE, st.integers(1, 40), st.data())
@settings(max_examples=200)
def test_limits_do_not_depend_on_chunks(data: bytes, limit: int, draw: st.DataObject) -> None:
    chunks = draw.draw(cuts(data))
    assert records(chunks, limit=limit) == records([data], limit=limit)


@given(TROUBLE, st.integers(1, 40))
@settings(max_examples=200)
def test_what_was_seen_before_never_changes_a_record(data: bytes, limit: int) -> None:
    """The reader remembers where quotes stay open; a fresh reader at the same place must agree."""
    whole = records([data], limit=limit)
    for at, record in enumerate(whole):
        assert records([data[record.byte :]], limit=limit, byte=record.byte, line=record.line) == whole[at:]


@given(TROUBLE, st.integers(1, 40))
@settings(max_examples=200)
def test_no_line_is_lost(data: bytes, limit: int) -> None:
    """Each byte that is no line end belongs to the record that starts last before it; none is before the first."""
    starts = {record.byte for record in records([data], limit=limit)}
    first = next((start for start, raw in lines_of(data) if raw), None)
    assert (min(starts) if starts else None) == first
    assert starts <= {start for start, raw in lines_of(data) if raw}


@given(files(), DIALECTS, st.data())
@settings(max_examples=200)
def test_any_bytes_become_rows_or_one_error(data: bytes, dialect: Dialect, draw: st.DataObject) -> None:
    try:
        reader = open_rows([data], dialect)
    except InvalidInput:
        return
    items = list(reader)
    assert [item.row for item in items] == list(range(1, len(items) + 1))
    assert reader.end.byte == len(data)
    assert list(open_rows(draw.draw(cuts(data)), dialect)) == items
    if items:
        at = draw.draw(st.integers(0, len(items) - 1))
        place = Place(items[at].byte, items[at].line, items[at].row)
        again = resume_rows(draw.draw(cuts(data[place.byte :])), dialect, reader.header, place)
        assert list(again) == items[at:]
        assert again.end == reader.end


CELLS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)


@given(
    st.lists(st.tuples(CELLS.filter(len), CELLS), max_size=8),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from([",", ";", "\t", "¦"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
@settings(max_examples=100)
def test_what_pythons_writer_wrote_is_read_back(
    cells: list[tuple[str, str]], line_end: str, delimiter: str, quoting: int
) -> None:
    # Before 3.13 the writer leaves a CR unquoted when the line end has none: not a file that anyone can read.
    if line_end == "\n" and quoting == csv.QUOTE_MINIMAL:
        cells = [(text.replace("\r", ""), note.replace("\r", "")) for text, note in cells]
    if line_end == "\r" and quoting == csv.QUOTE_MINIMAL:
        cells = [(text.replace("\n", ""), note.replace("\n", "")) for text, note in cells]
    cells = [(text or "x", note) for text, note in cells]
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=delimiter, lineterminator=line_end, quoting=quoting)  # type: ignore[arg-type]
    writer.writerows([("text", "note"), *cells])
    items = list(open_rows([file.getvalue().encode()], Dialect(delimiter=delimiter)))
    assert [tuple(item.fields) for item in items if isinstance(item, Row)] == cells
    assert not [item for item in items if isinstance(item, BadRow)]
