"""A file of reviews → requests and faults, one entry each, lazily; no entry is ever dropped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from publisher.console import Unusable
from publisher.raw_records import RawBytes, RawRecord
from schemas.codec import encode
from schemas.errors import InvalidInput
from schemas.jobs import Dialect
from schemas.requests import ReviewRequest, decode_review
from worker.core.csv_header import column_index
from worker.core.plain_bytes import plain_bytes
from worker.core.rows import BadRow, Row, RowReader, open_rows

MAX_LINE_BYTES = 16 * 1024 * 1024
"""Lines of JSON up to here are kept whole, so that they can be given back; a valid request has 9,000,000 at most."""

_CHUNK_BYTES = 1024 * 1024
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the input: a valid request, or why it is none."""

    line: int
    """From 1; for a CSV the number of the data row."""
    raw: bytes
    """The request as JSON for the failures file, without a line end; empty where it is too long to be kept, or none."""
    content: ReviewRequest | InvalidInput
    record: RawRecord | None = None
    """The row as it stands in the CSV, where it could not be read as a request."""


def json_lines(stream: BinaryIO) -> Iterator[Entry]:
    """Yield an entry for each line that is not blank. Lines end with LF or CRLF; a byte order mark is skipped."""
    number = 0
    while line := stream.readline(MAX_LINE_BYTES + 1):
        number += 1
        whole = len(line) <= MAX_LINE_BYTES or line.endswith(b"\n")
        if not whole:
            _skip_line(stream)
            yield Entry(number, b"", _too_long())
            continue
        raw = (line.removeprefix(_BOM) if number == 1 else line).strip(b" \t\r\n")
        if raw:
            yield Entry(number, raw, _decoded(raw))


def _decoded(raw: bytes) -> ReviewRequest | InvalidInput:
    try:
        return decode_review(raw)
    except InvalidInput as error:
        return error


def _skip_line(stream: BinaryIO) -> None:
    while (rest := stream.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
        pass


def _too_long() -> InvalidInput:
    return InvalidInput(
        "too_large",
        f"The line has more than {MAX_LINE_BYTES:,} bytes and is not copied into the failures file. Shorten it.",
    )


def csv_rows(stream: BinaryIO, dialect: Dialect) -> Iterator[Entry]:
    """Yield an entry for each data row; columns named `id`, `model` and `version` are used where the file has them.

    A row that cannot be read is given back as its bytes, which reach to the start of the next one.
    Raises Unusable for a file that cannot be read as a whole (no header, no text column, another encoding).
    """
    # Records are counted in the bytes of the inflated UTF-8, so these are what is given back.
    chunks, dialect = plain_bytes(_chunks(stream), dialect)
    seen = RawBytes(chunks)
    reader = _reader(seen.chunks(), dialect)
    columns = reader.header.columns
    head = seen.between(0, reader.header.first_byte)
    optional: tuple[str, ...] = ("id", "model", "version") if dialect.header else ()
    named = {name: columns.index(name) for name in optional if name in columns}
    if dialect.id_column is not None:
        named["id"] = column_index(dialect.id_column, "id", columns, dialect)
    bad: BadRow | None = None
    for item in reader:
        if bad is not None:
            yield _unread(bad, RawRecord(head, seen.between(bad.byte, item.byte)))
        seen.forget_before(item.byte)
        bad = item if isinstance(item, BadRow) else None
        if isinstance(item, Row):
            yield _entry(item, named)
    if bad is not None:
        yield _unread(bad, RawRecord(head, seen.between(bad.byte, reader.end.byte)))


def _unread(bad: BadRow, record: RawRecord) -> Entry:
    reason = f"{bad.reason} It is line {bad.line} of the file"
    if not record.raw:
        reason += ", and too long to be copied: mend it there"
    return Entry(bad.row, b"", InvalidInput(bad.code, f"{reason}."), record)


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: stream.read(_CHUNK_BYTES), b"")


def _reader(chunks: Iterator[bytes], dialect: Dialect) -> RowReader:
    try:
        return open_rows(chunks, dialect)
    except InvalidInput as error:
        raise Unusable(f"The CSV cannot be read ({error.code}). {error.reason}") from None


def _entry(row: Row, named: dict[str, int]) -> Entry:
    """Return a row as a request; an empty cell stands for a field that is not given."""
    cells = {name: row.fields[at] or None for name, at in named.items()}
    raw = encode(
        ReviewRequest(text=row.text, id=cells.get("id"), model=cells.get("model"), version=cells.get("version"))
    )
    # The type checks nothing when it is built here: only decoding does (a model's name of 200 characters, say).
    return Entry(row.row, raw, _decoded(raw))
