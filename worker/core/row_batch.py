"""Consecutive rows as columns: what scoring and writing take at once."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from worker.core.row_rules import RowRules
from worker.core.row_types import Row

FORMULA_STARTS = "=+-@\t\r\n"
"""With these a cell begins that a spreadsheet may run (OWASP, "CSV Injection")."""

_MAX_FIELD_CHARS = 131_072
"""Python's csv module refuses longer fields, by a limit that the whole process shares."""


@dataclass(frozen=True, slots=True)
class RowBatch:
    """At least one row that can be scored; rows `first_row`, `first_row + 1` and so on. All lists have one length."""

    first_row: int
    lines: list[int]
    offsets: list[int]
    """Of each record's first byte in the file."""
    texts: list[str]
    ids: list[str | None]
    records: list[bytes]
    """Each row's bytes as they are in the file, quotes included, without the line end."""
    formulas: NDArray[np.bool_]
    """Whether any cell of the row begins with one of FORMULA_STARTS."""
    rules: RowRules

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
            self.records[first:last],
            self.formulas[first:last],
            self.rules,
        )

    def fields(self) -> list[list[str]]:
        """Return all columns of all rows."""
        rules = self.rules
        decoded = [record.decode(rules.encoding) for record in self.records]
        if rules.quote is None:
            return [record.split(rules.delimiter) for record in decoded]
        if max(map(len, decoded)) > _MAX_FIELD_CHARS:
            return [rules.fields(rules.record(record, 1, 1)) for record in self.records]
        # Every record is complete, so one cannot run into the next.
        return list(csv.reader(decoded, delimiter=rules.delimiter, quotechar=rules.quote))

    def rows(self) -> Iterator[Row]:
        """Yield the rows one by one."""
        cells = zip(self.lines, self.offsets, self.texts, self.ids, self.fields(), strict=True)
        for row, (line, byte, text, key, fields) in enumerate(cells, self.first_row):
            yield Row(row, line, byte, text, key, fields)


def batch_of(rows: Sequence[tuple[Row, bytes]], rules: RowRules) -> RowBatch:
    """Return consecutive rows, at least one, with their records as one batch."""
    return RowBatch(
        rows[0][0].row,
        [row.line for row, _ in rows],
        [row.byte for row, _ in rows],
        [row.text for row, _ in rows],
        [row.id for row, _ in rows],
        list(map(itemgetter(1), rows)),
        np.array([any(cell[:1] in FORMULA_STARTS for cell in row.fields if cell) for row, _ in rows], np.bool_),
        rules,
    )
