"""Consecutive rows as columns: what scoring and writing take at once. The columns may be made only when asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from worker.core.records import Records
from worker.core.row_types import Place, Row


@dataclass(frozen=True, slots=True)
class RowBatch:
    """At least one row that can be scored: rows `first_row`, `first_row + 1` and so on. All lists have one length."""

    first_row: int
    lines: Sequence[int]
    """Of each row, as in `Row`."""
    offsets: Sequence[int]
    """`Row.byte` of each row."""
    texts: Sequence[str]
    ids: Sequence[str | None]
    columns: Sequence[Sequence[str]]
    """All columns of the file, each with a cell for every row; the texts are one of them."""
    records: Records | None = None
    """Where the rows lie as bytes of the file, for whoever need not make strings of them."""

    def __len__(self) -> int:
        return len(self.texts)

    def part(self, first: int, last: int, *, first_row: int | None = None) -> RowBatch:
        """Return the rows at positions `first` to before `last`, from 0; `first_row` numbers them anew."""
        number = self.first_row + first if first_row is None else first_row
        if first <= 0 and last >= len(self) and number == self.first_row:
            return self
        return RowBatch(
            number,
            self.lines[first:last],
            self.offsets[first:last],
            self.texts[first:last],
            self.ids[first:last],
            [cells[first:last] for cells in self.columns],
            None if self.records is None else self.records.part(max(first, 0), last),
        )

    def place(self, position: int) -> Place:
        """Return where the row at a position, from 0, starts."""
        return Place(self.offsets[position], self.lines[position], self.first_row + position)

    def row(self, position: int) -> Row:
        """Return the row at a position, from 0."""
        fields = [cells[position] for cells in self.columns]
        line, byte = self.lines[position], self.offsets[position]
        return Row(self.first_row + position, line, byte, self.texts[position], self.ids[position], fields)

    def rows(self) -> Iterator[Row]:
        """Yield the rows one by one."""
        fields = map(list, zip(*self.columns, strict=True))
        numbers = range(self.first_row, self.first_row + len(self))
        return map(Row, numbers, self.lines, self.offsets, self.texts, self.ids, fields)


def batch_of(rows: Sequence[Row]) -> RowBatch:
    """Return consecutive rows, at least one, as one batch."""
    return RowBatch(
        rows[0].row,
        [row.line for row in rows],
        [row.byte for row in rows],
        [row.text for row in rows],
        [row.id for row in rows],
        [list(cells) for cells in zip(*(row.fields for row in rows), strict=True)],
    )
