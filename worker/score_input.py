"""A local file of reviews → reviews and rejections, lazily: CSV and TSV as a CSV job reads them, JSONL as messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BufferedReader
from typing import BinaryIO

import msgspec

from schemas.errors import InvalidInput
from schemas.jobs import Dialect
from schemas.outcomes import Rejection, Stage
from worker.core.csv_detect import HEAD_BYTES, detect_dialect
from worker.core.jsonl_rows import JSONL_HEADER, json_lines, line_request
from worker.core.plain_bytes import plain_bytes
from worker.core.rows import BadRow, open_rows

_CHUNK_BYTES = 1 << 20


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
    reader = open_rows(_chunks(stream), dialect)

    def items() -> Iterator[Review | Rejection]:
        for item in reader:
            if isinstance(item, BadRow):
                yield rejection(
                    item.id or f"r:{item.row}", InvalidInput(item.code, item.reason), "parse", item.row, item.line
                )
            else:
                yield Review(item.row, item.line, item.id or f"r:{item.row}", item.text, item.fields)

    return Reviews(reader.header.columns, items())


def jsonl_reviews(stream: BufferedReader) -> Reviews:
    """Read review requests, one a line, also from gzip. Blank lines are no rows; a byte order mark is skipped.

    While they are read, raises InvalidInput: `too_large_inflated`, `broken_gzip`.
    """
    chunks, _ = plain_bytes(_chunks(stream), detect_dialect(Dialect(format="jsonl"), (), head_of(stream)))
    return Reviews(JSONL_HEADER.columns, _jsonl_items(chunks))


def _jsonl_items(chunks: Iterable[bytes]) -> Iterator[Review | Rejection]:
    row = 0
    for _, number, data, _ in json_lines(chunks):
        if not data:
            continue
        row += 1
        try:
            request = line_request(data)
        except InvalidInput as error:
            yield rejection(error.key or f"r:{row}", error, "decode", row, number)
            continue
        cells = [request.id or "", request.text]
        yield Review(row, number, request.id or f"r:{row}", request.text, cells, request.model, request.version)


def head_of(stream: BufferedReader) -> bytes:
    """Return the first bytes, without taking them, to tell from how the file is to be read."""
    return stream.peek(HEAD_BYTES)[:HEAD_BYTES]


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: stream.read(_CHUNK_BYTES), b"")


def rejection(key: str, error: InvalidInput, stage: Stage, row: int, line: int) -> Rejection:
    """Return what is written of a row that is not scored."""
    return Rejection(key=key, code=error.code, stage=stage, reason=error.reason, row=row, line=line)
