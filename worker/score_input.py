"""A local file of reviews → reviews and rejections, lazily: CSV and TSV as a CSV job reads them, JSONL as messages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import msgspec

from schemas.errors import InvalidInput
from schemas.jobs import Dialect
from schemas.outcomes import Rejection, Stage
from schemas.requests import MAX_REQUEST_BYTES, ReviewRequest, decode_review
from worker.core.rows import BadRow, open_rows

JSONL_COLUMNS = ["id", "text"]
"""What a line of JSON has for columns."""

_CHUNK_BYTES = 1 << 20
_BOM = b"\xef\xbb\xbf"


class Review(msgspec.Struct, frozen=True):
    """One row to score."""

    row: int
    line: int
    key: str
    text: str
    cells: list[str]
    """The row's columns."""
    model: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Reviews:
    """The rows of one file; iterate once."""

    columns: list[str]
    items: Iterator[Review | Rejection]


def csv_reviews(stream: BinaryIO, dialect: Dialect) -> Reviews:
    """Read CSV or TSV. Raises InvalidInput for the file as a whole."""
    reader = open_rows(iter(lambda: stream.read(_CHUNK_BYTES), b""), dialect)

    def items() -> Iterator[Review | Rejection]:
        for item in reader:
            if isinstance(item, BadRow):
                yield rejection(f"r:{item.row}", InvalidInput(item.code, item.reason), "parse", item.row, item.line)
            else:
                yield Review(item.row, item.line, item.id or f"r:{item.row}", item.text, item.fields)

    return Reviews(reader.header.columns, items())


def jsonl_reviews(stream: BinaryIO) -> Reviews:
    """Read review requests, one a line. Blank lines are no rows; a byte order mark is skipped."""
    return Reviews(JSONL_COLUMNS, _jsonl_items(stream))


def _jsonl_items(stream: BinaryIO) -> Iterator[Review | Rejection]:
    row = 0
    for number, line in enumerate(_lines(stream), 1):
        data = (line.removeprefix(_BOM) if number == 1 else line).strip(b" \t\r\n")
        if not data:
            continue
        row += 1
        try:
            request = _request(data)
        except InvalidInput as error:
            yield rejection(error.key or f"r:{row}", error, "decode", row, number)
            continue
        cells = [request.id or "", request.text]
        yield Review(row, number, request.id or f"r:{row}", request.text, cells, request.model, request.version)


def _request(data: bytes) -> ReviewRequest:
    """Decode one line; of one that is too long not all was read, so its size is not known."""
    if len(data) > MAX_REQUEST_BYTES:
        raise InvalidInput("too_large", f"The line has more than {MAX_REQUEST_BYTES:,} bytes. Shorten it.")
    return decode_review(data)


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """Yield lines; of one that is too long only so much that it is seen to be too long."""
    while line := stream.readline(MAX_REQUEST_BYTES + 2):
        yield line
        while len(line) > MAX_REQUEST_BYTES + 1 and not line.endswith(b"\n"):
            line = stream.readline(MAX_REQUEST_BYTES + 2)


def rejection(key: str, error: InvalidInput, stage: Stage, row: int, line: int) -> Rejection:
    """Return what is written of a row that is not scored."""
    return Rejection(key=key, code=error.code, stage=stage, reason=error.reason, row=row, line=line)
