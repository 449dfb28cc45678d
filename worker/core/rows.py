r"""CSV, TSV and JSON lines → rows and bad rows, lazily and in bounded memory.

Row conservation: every data record of the file becomes exactly one `Row` or one `BadRow`. Empty lines are no records.
What makes the file as a whole unreadable (no header, no text column, another encoding) raises InvalidInput before
the first row.

    reader = open_rows(chunks, Dialect(delimiter="\t", quote=None, header=False, text_column="2"))
    for item in reader:
        if isinstance(item, BadRow): ...        # item.code, item.reason
        else: ...                               # item.text, item.fields

To go on at row n of a file, give `resume_rows` the chunks from that row's `byte` on, its place, and the header that
the first reader found.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from schemas.errors import InvalidInput
from schemas.jobs import Dialect, Header
from worker.core.csv_dialect import SIGNATURE_BYTES, check_dialect, check_signature, codec_name, excel_separator
from worker.core.csv_fields import split_fields
from worker.core.csv_header import header_columns
from worker.core.csv_records import MAX_RECORD_BYTES, Plain, Record, RecordReader
from worker.core.csv_rows import CsvRows
from worker.core.jsonl_rows import JsonRows, open_lines
from worker.core.kernel import Kernel
from worker.core.plain_bytes import is_as_stored, plain_bytes
from worker.core.row_batch import RowBatch
from worker.core.row_types import BadRow, Place, Row

__all__ = [
    "BadRow",
    "Place",
    "Row",
    "RowBatch",
    "RowReader",
    "first_place",
    "open_rows",
    "resume_rows",
    "stored_byte",
]


class _Rows(Protocol):
    def end(self) -> Place: ...
    def batches(self) -> Iterator[RowBatch | BadRow]: ...


class RowReader:
    """The rows of a file, to be read once; `header` is known before the first row, `end` after the last."""

    def __init__(self, header: Header, rows: _Rows) -> None:
        self.header = header
        self._rows = rows

    @property
    def end(self) -> Place:
        """Where the file ends; only after the last row."""
        return self._rows.end()

    def __iter__(self) -> Iterator[Row | BadRow]:
        """Yield each data record as one Row or one BadRow, in order."""
        for item in self._rows.batches():
            if isinstance(item, BadRow):
                yield item
            else:
                yield from item.rows()

    def batches(self) -> Iterator[RowBatch | BadRow]:
        """Yield each data record in one RowBatch or as one BadRow, in order.

        How rows are put together in batches depends on the chunks and says nothing; the rows do not.
        """
        return self._rows.batches()


def open_rows(chunks: Iterable[bytes], dialect: Dialect) -> RowReader:
    """Read a file from its first byte.

    Raises InvalidInput for the file as a whole: `invalid_dialect`, `empty_file`, `missing_column`,
    `duplicate_column`, `unreadable_header`, `wrong_encoding`, `compressed_file`, `not_csv`, `json_array`,
    `json_over_lines`. A file with only a header has no rows and is valid. Without a header the columns are named
    `column_1`, `column_2` and so on, as many as the first readable record has. Of JSON lines, the fields of the first
    lines are the columns.

    While rows are read: `too_large_inflated` and `broken_gzip`.
    """
    if dialect.format == "parquet":
        raise InvalidInput(
            "not_csv", "The file is in Parquet format, which jobs read: 'reviewmill publish csv' starts one."
        )
    chunks, dialect = plain_bytes(chunks, dialect)
    if dialect.format == "jsonl":
        header, chunks = open_lines(chunks, dialect)
        return RowReader(header, JsonRows(chunks, dialect, header, Place()))
    records = _records(chunks, dialect, Place())
    encoding = codec_name(dialect.encoding)
    check_signature(records.head(SIGNATURE_BYTES), encoding)
    first = records.one()
    if isinstance(first, Plain) and excel_separator(first.raw) is not None:
        first = records.one()  # Excel's own line, which is neither header nor row
    if first is None:
        raise InvalidInput("empty_file", "The file is empty. Upload one with a header and rows.")
    if dialect.header:
        columns = header_columns(first, dialect, encoding)
        second = records.one()
        waiting = [] if second is None else [second]
    else:
        waiting = [first]
        columns = _numbered_columns(waiting, records, dialect, encoding)
    place = waiting[0] if waiting else records
    header = Header(columns=columns, first_byte=place.byte, first_line=place.line)
    return RowReader(header, CsvRows(records, waiting, dialect, header, 1))


def resume_rows(
    chunks: Iterable[bytes], dialect: Dialect, header: Header, place: Place, *, kernel: Kernel | None = None
) -> RowReader:
    """Go on at a place that a reader of the same file gave; `chunks` begin at `stored_byte` of it.

    Reads no byte before that. Raises InvalidInput as `open_rows` does while rows are read. With the compiled kernel the
    rows are the same, and sooner there.
    """
    chunks, dialect = plain_bytes(chunks, dialect, skip=place.byte)
    if dialect.format == "jsonl":
        return RowReader(header, JsonRows(chunks, dialect, header, place))
    return RowReader(header, CsvRows(_records(chunks, dialect, place), [], dialect, header, place.row, kernel=kernel))


def stored_byte(dialect: Dialect, place: Place) -> int:
    """Return from which byte of the stored object rows are read to go on at a place: compressed ones from the first."""
    return place.byte if is_as_stored(dialect) else 0


def first_place(header: Header) -> Place:
    """Return where the first data row may start."""
    return Place(header.first_byte, header.first_line, 1)


def _records(chunks: Iterable[bytes], dialect: Dialect, place: Place) -> RecordReader:
    check_dialect(dialect)
    return RecordReader(
        chunks,
        delimiter=dialect.delimiter.encode(codec_name(dialect.encoding)),
        quote=None if dialect.quote is None else dialect.quote.encode(),
        byte=place.byte,
        line=place.line,
    )


def _numbered_columns(waiting: list[Record], records: RecordReader, dialect: Dialect, encoding: str) -> list[str]:
    """Name the columns of a file without a header by its first readable record; fills `waiting` up to there."""
    while True:
        try:
            count = len(split_fields(waiting[-1], dialect.delimiter, encoding))
            return [f"column_{number}" for number in range(1, count + 1)]
        except InvalidInput as error:
            following = records.one() if waiting[-1].byte < MAX_RECORD_BYTES else None
            if following is None:
                raise InvalidInput(
                    "unreadable_file", f"No row at the start of the file can be read. The last cause: {error.reason}"
                ) from None
            waiting.append(following)
