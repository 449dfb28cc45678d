r"""CSV and TSV bytes → rows and bad rows, lazily and in bounded memory.

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
from itertools import chain

import msgspec

from schemas.errors import InvalidInput
from schemas.jobs import Dialect, Header
from schemas.requests import ID_PATTERN, MAX_TEXT_CHARS
from worker.core.csv_dialect import SIGNATURE_BYTES, check_dialect, check_signature, codec_name
from worker.core.csv_fields import split_fields
from worker.core.csv_header import column_index, header_columns
from worker.core.csv_records import MAX_RECORD_BYTES, Record, RecordReader


class Place(msgspec.Struct, frozen=True):
    """A point between records of a file: where the next record may start, and the number of its row."""

    byte: int = 0
    line: int = 1
    row: int = 1


class Row(msgspec.Struct, frozen=True, gc=False):
    """One data row that can be scored."""

    row: int
    """1-based number of the data row."""
    line: int
    """1-based physical line on which the record starts."""
    byte: int
    """Offset of the record's first byte."""
    text: str
    id: str | None
    """None where no id column is named, or its cell is empty."""
    fields: list[str]
    """All columns, in the file's order."""


class BadRow(msgspec.Struct, frozen=True, gc=False):
    """One data row that cannot be scored, and why. Never holds the row's content."""

    row: int
    line: int
    byte: int
    code: str
    reason: str


_BAD_ID = "The id must be 1 to 128 characters of A-Z, a-z, 0-9, '.', '_', ':' and '-'. Send another id, or none."


class RowReader:
    """Iterates over the rows of a file once; `header` is known before the first row, `end` after the last."""

    def __init__(
        self, reader: RecordReader, records: Iterable[Record], dialect: Dialect, header: Header, row: int
    ) -> None:
        self.header = header
        self._reader = reader
        self._records = records
        self._encoding = codec_name(dialect.encoding)
        self._delimiter = dialect.delimiter
        self._columns = len(header.columns)
        self._text = column_index(dialect.text_column, "text", header.columns, dialect)
        self._id = None if dialect.id_column is None else column_index(dialect.id_column, "id", header.columns, dialect)
        self._row = row

    @property
    def end(self) -> Place:
        """Where the file ends; only after the last row."""
        return Place(self._reader.byte, self._reader.line, self._row)

    def __iter__(self) -> Iterator[Row | BadRow]:
        """Yield each data record as one Row or one BadRow, in order."""
        for record in self._records:
            try:
                fields = split_fields(record, self._delimiter, self._encoding)
                yield self._row_of(record, fields)
            except InvalidInput as error:
                yield BadRow(self._row, record.line, record.byte, error.code, error.reason)
            self._row += 1

    def _row_of(self, record: Record, fields: list[str]) -> Row:
        if len(fields) != self._columns:
            raise _ragged(len(fields), self._columns, self._delimiter)
        text = fields[self._text]
        if not text:
            raise InvalidInput("empty_text", "The text is empty. Give it at least one character.")
        if len(text) > MAX_TEXT_CHARS:
            raise InvalidInput("text_too_long", f"The text is longer than {MAX_TEXT_CHARS:,} characters. Shorten it.")
        key = None if self._id is None else fields[self._id]
        if key and not ID_PATTERN.fullmatch(key):
            raise InvalidInput("invalid_id", _BAD_ID)
        return Row(self._row, record.line, record.byte, text, key or None, fields)


def open_rows(chunks: Iterable[bytes], dialect: Dialect) -> RowReader:
    """Read a file from its first byte.

    Raises InvalidInput for the file as a whole: `invalid_dialect`, `empty_file`, `missing_column`,
    `duplicate_column`, `unreadable_header`, `wrong_encoding`, `compressed_file`, `not_csv`. A file with only a header
    has no rows and is valid. Without a header the columns are named `column_1`, `column_2` and so on, as many as the
    first readable record has.
    """
    records = _records(chunks, dialect, Place())
    encoding = codec_name(dialect.encoding)
    check_signature(records.head(SIGNATURE_BYTES), encoding)
    source = iter(records)
    first = next(source, None)
    if first is None:
        raise InvalidInput("empty_file", "The file is empty. Upload one with a header and rows.")
    if dialect.header:
        columns = header_columns(first, dialect, encoding)
        second = next(source, None)
        waiting = [] if second is None else [second]
    else:
        waiting = [first]
        columns = _numbered_columns(waiting, source, dialect, encoding)
    place = waiting[0] if waiting else records
    header = Header(columns=columns, first_byte=place.byte, first_line=place.line)
    return RowReader(records, chain(waiting, source), dialect, header, 1)


def resume_rows(chunks: Iterable[bytes], dialect: Dialect, header: Header, place: Place) -> RowReader:
    """Go on at a place that a reader of the same file gave; `chunks` begin at its byte. Reads no byte before it."""
    records = _records(chunks, dialect, place)
    return RowReader(records, records, dialect, header, place.row)


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


def _numbered_columns(waiting: list[Record], source: Iterator[Record], dialect: Dialect, encoding: str) -> list[str]:
    """Name the columns of a file without a header by its first readable record; fills `waiting` up to there."""
    while True:
        try:
            count = len(split_fields(waiting[-1], dialect.delimiter, encoding))
            return [f"column_{number}" for number in range(1, count + 1)]
        except InvalidInput as error:
            following = next(source, None) if waiting[-1].byte < MAX_RECORD_BYTES else None
            if following is None:
                raise InvalidInput(
                    "unreadable_file", f"No row at the start of the file can be read. The last cause: {error.reason}"
                ) from None
            waiting.append(following)


def _ragged(found: int, wanted: int, delimiter: str) -> InvalidInput:
    fix = f"Quote fields that hold the delimiter {delimiter!r}, and give every row as many fields as the header."
    if found < wanted:
        return InvalidInput("too_few_fields", f"The row has {found} of {wanted} fields. {fix}")
    return InvalidInput("too_many_fields", f"The row has {found} fields, not {wanted}. {fix}")
