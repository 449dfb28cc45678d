"""A block of records that the kernel found → rows in batches; the few that may be no rows are read exactly."""

from __future__ import annotations

from collections.abc import Iterator

from worker.core import kernel_row_layout as at
from worker.core.records import Cells, Counted, Ids, RecordBlock, Records
from worker.core.row_batch import RowBatch, batch_of
from worker.core.row_rules import RowRules
from worker.core.row_types import BadRow, Place, Row


def rows_of_records(block: RecordBlock, place: Place, rules: RowRules) -> Iterator[RowBatch | BadRow]:
    """Yield what becomes of each record, in order. `place` is where the block starts in the file."""
    records, taken = block.records, 0
    for position in block.odd.tolist():
        if position > taken:
            yield _batch(records.part(taken, position), place, place.row + taken, rules)
        yield _single(records, position, place, rules)
        taken = position + 1
    if taken < len(records):
        yield _batch(records.part(taken, len(records)), place, place.row + taken, rules)


def _batch(records: Records, place: Place, first_row: int, rules: RowRules) -> RowBatch:
    columns = [Cells(records, number) for number in range(rules.columns)]
    ids = [None] * len(records) if rules.id is None else Ids(columns[rules.id])
    return RowBatch(
        first_row,
        Counted(records.table[:, at.LINE], place.line),
        Counted(records.table[:, at.START], place.byte),
        columns[rules.text],
        ids,
        columns,
        records,
    )


def _single(records: Records, position: int, place: Place, rules: RowRules) -> RowBatch | BadRow:
    """Return what becomes of one record, read exactly."""
    start, end, line = records.table[position, [at.START, at.END, at.LINE]].tolist()
    raw = records.data[records.start + start : records.start + end]
    item = rules.item(rules.record(raw, place.byte + start, place.line + line), place.row + position)
    return batch_of([item]) if isinstance(item, Row) else item
