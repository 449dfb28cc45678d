"""The rows of CSV and TSV: regular records a block at a time, whatever breaks the rules exactly."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from schemas.jobs import Dialect, Header
from worker.core.csv_records import Record, RecordReader
from worker.core.csv_walk import Regular, walk
from worker.core.row_batch import RowBatch, batch_of
from worker.core.row_blocks import rows_of_block
from worker.core.row_rules import RowRules
from worker.core.row_types import BadRow, Place, Row


class CsvRows:
    """What a reader's records become; `waiting` are records that it gave already. Iterate `batches` once."""

    def __init__(
        self, records: RecordReader, waiting: list[Record], dialect: Dialect, header: Header, row: int
    ) -> None:
        self._records = records
        self._waiting = waiting
        self._rules = RowRules(dialect, header)
        self._row = row
        self._delimiter = dialect.delimiter.encode(self._rules.encoding)
        self._quote = None if dialect.quote is None else dialect.quote.encode()

    def end(self) -> Place:
        """Return where the file ends; only after the last row."""
        return Place(self._records.byte, self._records.line, self._row)

    def batches(self) -> Iterator[RowBatch | BadRow]:
        """Yield each data record in one RowBatch or as one BadRow, in order.

        How rows are put together in batches depends on the chunks and says nothing; the rows do not.
        """
        yield from self._exact(self._waiting)
        for piece in walk(self._records, delimiter=self._delimiter, quote=self._quote):
            if isinstance(piece, Regular):
                place = Place(piece.byte, piece.line, self._row)
                self._row += len(piece.block.starts)
                yield from rows_of_block(piece.data, piece.block, piece.start, place, self._rules)
            else:
                yield from self._exact(piece)

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
