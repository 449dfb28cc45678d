"""The rows of CSV and TSV: regular records a block at a time, whatever breaks the rules exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from schemas.jobs import Dialect, Header
from worker.core.csv_blocks import Block
from worker.core.csv_records import Record, RecordReader
from worker.core.csv_walk import Regular, block_cutter, walk
from worker.core.kernel import Kernel
from worker.core.records import RecordBlock, Tables, cut_records, takes_records
from worker.core.row_batch import RowBatch, batch_of
from worker.core.row_blocks import rows_of_block
from worker.core.row_records import rows_of_records
from worker.core.row_rules import RowRules
from worker.core.row_types import BadRow, Place, Row


class CsvRows:
    """What a reader's records become; `waiting` are records that it gave already. Iterate `batches` once."""

    def __init__(
        self,
        records: RecordReader,
        waiting: list[Record],
        dialect: Dialect,
        header: Header,
        row: int,
        *,
        kernel: Kernel | None = None,
    ) -> None:
        self._records = records
        self._waiting = waiting
        self._rules = RowRules(dialect, header)
        self._row = row
        self._delimiter = dialect.delimiter.encode(self._rules.encoding)
        self._quote = None if dialect.quote is None else dialect.quote.encode()
        self._kernel = kernel if takes_records(self._rules) else None

    def end(self) -> Place:
        """Return where the file ends; only after the last row."""
        return Place(self._records.byte, self._records.line, self._row)

    def batches(self) -> Iterator[RowBatch | BadRow]:
        """Yield each data record in one RowBatch or as one BadRow, in order.

        How rows are put together in batches depends on the chunks and says nothing; the rows do not.
        """
        yield from self._exact(self._waiting)
        pieces: Iterator[Regular[Block | RecordBlock] | list[Record]] = walk(self._records, self._cut())
        for piece in pieces:
            if not isinstance(piece, Regular):
                yield from self._exact(piece)
                continue
            place, block = Place(piece.byte, piece.line, self._row), piece.block
            self._row += len(block)
            if isinstance(block, RecordBlock):
                yield from rows_of_records(block, place, self._rules)
            else:
                yield from rows_of_block(piece.data, block, piece.start, place, self._rules)

    def _cut(self) -> Callable[[bytes, int, int], Block | RecordBlock | None]:
        kernel, rules, tables = self._kernel, self._rules, Tables()
        if kernel is not None:
            return lambda data, start, size: cut_records(kernel, data, start, size, rules, tables)
        return block_cutter(self._delimiter, self._quote)

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
