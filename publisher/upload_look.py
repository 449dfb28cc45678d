"""Looks at a local file as the workers of its job will: before the upload, and while they are at it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from publisher.console import Unusable
from schemas.errors import InvalidInput
from schemas.jobs import Dialect
from worker.core.csv_dialect import codec_name
from worker.core.id_conflicts import IdConflicts, IdTexts
from worker.core.job_options import JobOptions, job_options
from worker.core.output_options import output_options
from worker.core.plain_bytes import HEAD_BYTES, plain_bytes
from worker.core.row_models import model_place
from worker.core.rows import Place, Row, RowReader, open_rows
from worker.parquet.reading import ParquetBytes, open_parquet, parquet_rows

_CHUNK_BYTES = 1024 * 1024
_DECODED_BYTES = 16 * 1024 * 1024
"""So much of a file is tried for its encoding, which shows in the first texts that are not English."""
_ANY_LIMIT = 1.0
"""Looking at a file does not come to its limit of rejections."""


def look(path: Path, name: str, metadata: Mapping[str, str]) -> JobOptions:
    """Return how the job's workers will read the file; raises Unusable where they could not, or not as asked."""
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
        stream.seek(0)
        try:
            options = job_options(name, metadata, max_rejections=_ANY_LIMIT, head=head)
            dialect = options.dialect
            if dialect.format == "parquet":
                dialect, header = open_parquet(_ranges(stream), dialect, metadata)
            else:
                header = open_rows(file_chunks(stream), dialect).header
                stream.seek(0)
                _check_encoding(stream, dialect)
            model_place(dialect, header)
            output_options(metadata, header)
        except InvalidInput as error:
            raise Unusable(f"The file cannot be scored as asked ({error.code}). {error.reason}") from None
    return replace(options, dialect=dialect)


def id_conflicts(path: Path, dialect: Dialect) -> IdConflicts | None:
    """Return the ids of the file that stand for several texts; takes 24 bytes of memory a row."""
    if dialect.id_column is None and dialect.format != "jsonl":
        return None
    ids = IdTexts()
    try:
        with path.open("rb") as stream:
            for row in _rows(stream, dialect):
                if isinstance(row, Row) and row.id is not None:
                    ids.note(row.row, row.id, row.text)
    except (InvalidInput, OSError):  # the job's own reason says more, and a file that is gone was uploaded before
        return None
    return ids.conflicts()


def file_chunks(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the rest of a file."""
    return iter(lambda: stream.read(_CHUNK_BYTES), b"")


def _check_encoding(stream: BinaryIO, dialect: Dialect) -> None:
    """Raise InvalidInput("invalid_encoding") where the file's beginning looks like another encoding than it is read in.

    A job rejects the rows that are not in its encoding. A few of them are rows to mend, and no reason to score none; of
    a file in another encoding it is most rows with a character beyond ASCII.
    """
    chunks, plain = plain_bytes(file_chunks(stream), dialect)
    encoding = codec_name(plain.encoding)
    foreign, wrong = 0, 0
    first: tuple[int, int] | None = None
    for number, line in enumerate(_lines(chunks), 1):
        if line.isascii():
            continue
        foreign += 1
        try:
            line.decode(encoding)
        except UnicodeDecodeError as error:
            wrong += 1
            first = first or (number, line[error.start])
    if first is not None and 2 * wrong > foreign:
        raise _not_in_encoding(*first, encoding, dialect)


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the lines of a file's beginning; one that is cut off at its end is left out."""
    rest, left = b"", _DECODED_BYTES
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
        left -= len(chunk)
        if left <= 0:
            return
    yield rest


def _not_in_encoding(line: int, byte: int, encoding: str, dialect: Dialect) -> InvalidInput:
    fix = "name the encoding that it has, such as --encoding cp1252 for Western European files from Windows"
    if dialect.format == "jsonl":
        fix = "save it as UTF-8, which lines of JSON are in"
    elif encoding != "utf-8":
        fix = "name the encoding that it has, or leave --encoding away for UTF-8"
    return InvalidInput(
        "invalid_encoding",
        f"Line {line:,} is not {encoding}: it holds the byte 0x{byte:02X} where that has no such character. If "
        f"the whole file is in another encoding, {fix}. With --no-check it is uploaded as it is, and such rows are "
        "rejected.",
    )


def _rows(stream: BinaryIO, dialect: Dialect) -> RowReader:
    if dialect.format != "parquet":
        return open_rows(file_chunks(stream), dialect)
    data = _ranges(stream)
    _, header = open_parquet(data, dialect, ["text-column"])
    return parquet_rows(data, dialect, header, place=Place(), kept=[])


def _ranges(stream: BinaryIO) -> ParquetBytes:
    def read(start: int, length: int) -> bytes:
        stream.seek(start)
        return stream.read(length)

    return ParquetBytes(read, stream.seek(0, os.SEEK_END))
