"""A local file of reviews → reviews and rejections, lazily, as a job reads it; but lines of JSON may ask for models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BufferedReader
from typing import BinaryIO

import msgspec

from schemas.errors import InvalidInput
from schemas.jobs import Dialect
from schemas.outcomes import Rejection, Stage
from worker.core.json_fields import JsonRules, asked_model, line_fields
from worker.core.jsonl_rows import json_lines, open_lines
from worker.core.plain_bytes import HEAD_BYTES, plain_bytes
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


def jsonl_reviews(stream: BufferedReader, dialect: Dialect) -> Reviews:
    """Read JSON lines, each of which may ask for a model. Raises InvalidInput for the file as a whole.

    While they are read, raises InvalidInput: `too_large_inflated`, `broken_gzip`.
    """
    chunks, dialect = plain_bytes(_chunks(stream), dialect)
    header, chunks = open_lines(chunks, dialect)
    return Reviews(header.columns, _jsonl_items(chunks, JsonRules(dialect, header)))


def _jsonl_items(chunks: Iterable[bytes], rules: JsonRules) -> Iterator[Review | Rejection]:
    row = 0
    for byte, number, data, _ in json_lines(chunks):
        if not data:
            continue
        row += 1
        try:
            fields = line_fields(data)
            item = rules.row(fields, row, number, byte)
        except InvalidInput as error:
            yield rejection(error.key or f"r:{row}", error, "decode", row, number)
            continue
        yield Review(row, number, item.id or f"r:{row}", item.text, item.fields, *asked_model(fields))


def head_of(stream: BufferedReader) -> bytes:
    """Return the first bytes, without taking them, to tell from how the file is to be read."""
    return stream.peek(HEAD_BYTES)[:HEAD_BYTES]


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: stream.read(_CHUNK_BYTES), b"")


def rejection(key: str, error: InvalidInput, stage: Stage, row: int, line: int) -> Rejection:
    """Return what is written of a row that is not scored."""
    return Rejection(key=key, code=error.code, stage=stage, reason=error.reason, row=row, line=line)
