"""What makes a record a row: as many fields as the header, a text of 1 to 100,000 characters."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.errors import InvalidInput
from schemas.jobs import Dialect, Header
from schemas.requests import MAX_TEXT_CHARS
from worker.core.csv_dialect import codec_name
from worker.core.csv_fields import split_fields
from worker.core.csv_header import column_index
from worker.core.csv_records import Plain, Record, RecordReader
from worker.core.row_types import BadRow, Row, valid_id


class RowRules:
    """The rules for the rows of one file. Raises InvalidInput("missing_column") for a column it does not have."""

    def __init__(self, dialect: Dialect, header: Header) -> None:
        self.encoding = codec_name(dialect.encoding)
        self.delimiter = dialect.delimiter
        self.quote = dialect.quote
        self.columns = len(header.columns)
        self.text = column_index(dialect.text_column, "text", header.columns, dialect)
        self.id = None if dialect.id_column is None else column_index(dialect.id_column, "id", header.columns, dialect)

    def item(self, record: Record, row: int) -> Row | BadRow:
        """Return what becomes of one record."""
        fields: list[str] = []
        try:
            fields = self.fields(record)
            self._check(fields)
        except InvalidInput as error:
            # With another number of fields nobody knows which of them is the id.
            key = self._id_of(fields) if len(fields) == self.columns else None
            return BadRow(row, record.line, record.byte, error.code, error.reason, key)
        return Row(row, record.line, record.byte, fields[self.text], self._id_of(fields), fields)

    def _id_of(self, fields: Sequence[str]) -> str | None:
        return None if self.id is None else valid_id(fields[self.id])

    def fields(self, record: Record) -> list[str]:
        """Return the decoded fields of a record; raises InvalidInput as `split_fields`."""
        return split_fields(record, self.delimiter, self.encoding)

    def record(self, raw: bytes, byte: int, line: int) -> Record:
        """Return the record whose bytes are `raw`, without its line end."""
        quote = None if self.quote is None else self.quote.encode()
        if quote is None or quote not in raw:
            return Plain(byte, line, raw)
        (record,) = RecordReader(
            [raw], delimiter=self.delimiter.encode(self.encoding), quote=quote, byte=byte, line=line
        )
        return record

    def _check(self, fields: Sequence[str]) -> None:
        if len(fields) != self.columns:
            raise _ragged(len(fields), self.columns, self.delimiter)
        text = fields[self.text]
        if not text:
            raise InvalidInput("empty_text", "The text is empty. Give it at least one character.")
        if len(text) > MAX_TEXT_CHARS:
            raise InvalidInput("text_too_long", f"The text is longer than {MAX_TEXT_CHARS:,} characters. Shorten it.")


def _ragged(found: int, wanted: int, delimiter: str) -> InvalidInput:
    fix = f"Quote fields that hold the delimiter {delimiter!r}, and give every row as many fields as the header."
    if found < wanted:
        return InvalidInput("too_few_fields", f"The row has {found} of {wanted} fields. {fix}")
    return InvalidInput("too_many_fields", f"The row has {found} fields, not {wanted}. {fix}")
