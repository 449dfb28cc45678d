"""Consecutive rows as columns: what scoring and writing take at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from worker.core.row_types import Place, Row


@dataclass(frozen=True, slots=True)
class RowBatch:
    """At least one row that can be scored: rows `first_row`, `first_row + 1` and so on. All lists have one length."""

    first_row: int
    lines: list[int]
    """Of each row, as in `Row`."""
    offsets: list[int]
    """`Row.byte` of each row."""
    texts: list[str]
    ids: list[str | None]
    columns: list[list[str]]
    """All columns of the file, each with a cell for every row; the texts are one of them."""

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
        )

    def place(self, position: int) -> Place:
        """Return where the row at a position, from 0, starts."""
        return Place(self.offsets[position], self.lines[position], self.first_row + position)

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
