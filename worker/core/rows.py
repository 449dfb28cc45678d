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

from schemas.errors import InvalidInput
from schemas.jobs import Dialect, Header
from worker.core.csv_blocks import cut_block
from worker.core.csv_dialect import SIGNATURE_BYTES, check_dialect, check_signature, codec_name
from worker.core.csv_fields import split_fields
from worker.core.csv_header import header_columns
from worker.core.csv_records import MAX_RECORD_BYTES, Record, RecordReader
from worker.core.row_batch import RowBatch, batch_of
from worker.core.row_blocks import rows_of_block
from worker.core.row_rules import RowRules
from worker.core.row_types import BadRow, Place, Row

__all__ = ["BadRow", "Place", "Row", "RowBatch", "RowReader", "first_place", "open_rows", "resume_rows"]


_BLOCK_BYTES = 1 << 19
_LEAST_BLOCK_BYTES = 1 << 13
"""Regular records are split in blocks between these sizes: enough to be fast, little enough to stay in cache."""

_MOST_PATIENCE = 1024


class RowReader:
    """The rows of a file, to be read once; `header` is known before the first row, `end` after the last."""

    def __init__(
        self, records: RecordReader, waiting: list[Record], dialect: Dialect, header: Header, row: int
    ) -> None:
        self.header = header
        self._records = records
        self._waiting = waiting
        self._rules = RowRules(dialect, header)
        self._row = row
        delimiter = dialect.delimiter.encode(self._rules.encoding)
        self._delimiter = delimiter[0] if len(delimiter) == 1 else None
        self._quote = None if dialect.quote is None else ord(dialect.quote)

    @property
    def end(self) -> Place:
        """Where the file ends; only after the last row."""
        return Place(self._records.byte, self._records.line, self._row)

    def __iter__(self) -> Iterator[Row | BadRow]:
        """Yield each data record as one Row or one BadRow, in order."""
        for item in self.batches():
            if isinstance(item, BadRow):
                yield item
            else:
                yield from item.rows()

    def batches(self) -> Iterator[RowBatch | BadRow]:
        """Yield each data record in one RowBatch or as one BadRow, in order.

        How rows are put together in batches depends on the chunks and says nothing; the rows do not.
        """
        yield from self._exact(self._waiting)
        size, patience = _BLOCK_BYTES, 1
        while (found := self._records.buffer())[0]:
            data, start = found
            block = None
            if self._delimiter is not None:
                block = cut_block(data, start, size, delimiter=self._delimiter, quote=self._quote)
            if block is None:
                # Trouble seldom comes alone: the more there was, the more is read exactly before the next look.
                yield from self._exact(self._some(patience))
                size, patience = _LEAST_BLOCK_BYTES, min(2 * patience, _MOST_PATIENCE)
                continue
            place = Place(self._records.byte, self._records.line, self._row)
            self._row += len(block.starts)
            self._records.advance(block.stop, lines=block.line_count)
            yield from rows_of_block(data, block, start, place, self._rules)
            patience = 1 if len(block.starts) > patience else patience
            size = _LEAST_BLOCK_BYTES if block.troubled else min(4 * size, _BLOCK_BYTES)

    def _some(self, count: int) -> list[Record]:
        """Read up to `count` records exactly."""
        found = (self._records.one() for _ in range(count))
        return [record for record in found if record is not None]

    def _exact(self, records: Iterable[Record]) -> Iterator[RowBatch | BadRow]:
        rows: list[Row] = []
        for record in records:
            item = self._rules.item(record, self._row)
            self._row += 1
            if isinstance(item, Row):
                rows.append(item)
                continue
            if rows:
                yield batch_of(rows)
                rows = []
            yield item
        if rows:
            yield batch_of(rows)


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
    first = records.one()
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
    return RowReader(records, waiting, dialect, header, 1)


def resume_rows(chunks: Iterable[bytes], dialect: Dialect, header: Header, place: Place) -> RowReader:
    """Go on at a place that a reader of the same file gave; `chunks` begin at its byte. Reads no byte before it."""
    records = _records(chunks, dialect, place)
    return RowReader(records, [], dialect, header, place.row)


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
