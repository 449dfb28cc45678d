"""A file of reviews → requests and faults, one entry each, lazily; no entry is ever dropped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from publisher.console import Unusable
from schemas.codec import encode
from schemas.errors import InvalidInput
from schemas.jobs import Dialect
from schemas.requests import ReviewRequest, decode_review
from worker.core.rows import BadRow, Row, RowReader, open_rows

MAX_LINE_BYTES = 16 * 1024 * 1024
"""Lines of JSON up to here are kept whole, so that they can be given back; a valid request has 9,000,000 at most."""

_CHUNK_BYTES = 1024 * 1024
_EMPTY = b'{"text":""}'
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the input: a valid request, or why it is none."""

    line: int
    """From 1; for a CSV the number of the data row."""
    raw: bytes
    """The request as JSON for the failures file, without a line end; empty where it is too long to be kept."""
    content: ReviewRequest | InvalidInput


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

    A bad row's content is not known, so its entry is a request with an empty text, to be filled in.
    Raises Unusable for a file that cannot be read as a whole (no header, no text column, another encoding).
    """
    reader = _reader(stream, dialect)
    columns = reader.header.columns
    optional: tuple[str, ...] = ("id", "model", "version") if dialect.header else ()
    named = {name: columns.index(name) for name in optional if name in columns}
    for item in reader:
        if isinstance(item, BadRow):
            yield Entry(item.row, _EMPTY, InvalidInput(item.code, f"{item.reason} (line {item.line} of the file)"))
        else:
            yield _entry(item, named)


def check_csv(stream: BinaryIO, dialect: Dialect) -> None:
    """Raise Unusable for a file that no worker could read: no header, no text column, another encoding."""
    _reader(stream, dialect)


def _reader(stream: BinaryIO, dialect: Dialect) -> RowReader:
    try:
        return open_rows(iter(lambda: stream.read(_CHUNK_BYTES), b""), dialect)
    except InvalidInput as error:
        raise Unusable(f"The CSV cannot be read ({error.code}). {error.reason}") from None


def _entry(row: Row, named: dict[str, int]) -> Entry:
    """Return a row as a request; an empty cell stands for a field that is not given."""
    cells = {name: row.fields[at] or None for name, at in named.items()}
    raw = encode(
        ReviewRequest(
            text=row.text, id=row.id or cells.get("id"), model=cells.get("model"), version=cells.get("version")
        )
    )
    # The type checks nothing when it is built here: only decoding does (a model's name of 200 characters, say).
    return Entry(row.row, raw, _decoded(raw))
