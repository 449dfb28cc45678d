"""The rows of CSV and TSV: regular records a block at a time, whatever breaks the rules exactly."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from schemas.jobs import Dialect, Header
from worker.core.csv_blocks import cut_block
from worker.core.csv_records import Record, RecordReader
from worker.core.row_batch import RowBatch, batch_of
from worker.core.row_blocks import rows_of_block
from worker.core.row_rules import RowRules
from worker.core.row_types import BadRow, Place, Row

_BLOCK_BYTES = 1 << 19
_LEAST_BLOCK_BYTES = 1 << 13
"""Regular records are split in blocks between these sizes: enough to be fast, little enough to stay in cache."""

_MOST_PATIENCE = 1024


class CsvRows:
    """What a reader's records become; `waiting` are records that it gave already. Iterate `batches` once."""

    def __init__(
        self, records: RecordReader, waiting: list[Record], dialect: Dialect, header: Header, row: int
    ) -> None:
        self._records = records
        self._waiting = waiting
        self._rules = RowRules(dialect, header)
        self._row = row
        delimiter = dialect.delimiter.encode(self._rules.encoding)
        self._delimiter = delimiter[0] if len(delimiter) == 1 else None
        self._quote = None if dialect.quote is None else ord(dialect.quote)

    def end(self) -> Place:
        """Return where the file ends; only after the last row."""
        return Place(self._records.byte, self._records.line, self._row)

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
