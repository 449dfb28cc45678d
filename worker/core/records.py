"""Records as the kernel finds them: positions in a buffer, whose cells become strings only where somebody asks.

Only for files in UTF-8 and delimiters of one byte; everything else, and every machine without the kernel, takes
`worker.core.csv_blocks`, with the same rows.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, overload

import numpy as np
from numpy.typing import NDArray

from schemas.requests import MAX_TEXT_CHARS
from worker.core import kernel_row_layout as at
from worker.core.kernel import Kernel
from worker.core.kernel_index import address_of
from worker.core.row_rules import RowRules
from worker.core.row_types import valid_id

Table = NDArray[np.int32]
Numbers = NDArray[np.int64]

_MOST_COLUMNS: Final = 1 << 16
_TABLE_BYTES: Final = 1 << 20
"""What a table takes, unless a single record takes more."""
_MOST_KEPT: Final = 24
"""Tables that are used again. More than these can be alive, and are given back to the system."""

_NO_QUOTE: Final = -1
_IN_NUMBERS: Final = "+-.eE"


@dataclass(frozen=True, slots=True)
class Records:
    """Regular records of one buffer that are rows beyond doubt: see `kernel_row_layout` for the table."""

    kernel: Kernel
    data: bytes
    start: int
    """Where in `data` the positions of the table count from."""
    quote: int
    """The quote's byte, -1 for none."""
    delimiter: int
    table: Table

    def __len__(self) -> int:
        return len(self.table)

    def part(self, first: int, last: int) -> Records:
        """Return the records from one position to before another."""
        return Records(self.kernel, self.data, self.start, self.quote, self.delimiter, self.table[first:last])

    def plan(self) -> Numbers:
        """Return the start of a plan for `measure_rows`, `gather_cells` and `write_rows`."""
        plan = np.zeros(at.WRITE_FIELDS, dtype=np.int64)
        plan[at.WIDTH], plan[at.FROM], plan[at.SOURCE_QUOTE] = self.table.shape[1], self.start, self.quote
        return plan

    def cell(self, column: int, position: int) -> str:
        """Return one cell."""
        # Three numbers only: a file may have tens of thousands of columns.
        start, end = (
            self.table.item(position, at.BOUNDS + 2 * column),
            self.table.item(position, at.BOUNDS + 2 * column + 1),
        )
        cell = self.data[self.start + start : self.start + end].decode()
        if self.table.item(position, at.FLAGS) & at.DOUBLED:
            quote = chr(self.quote)
            return cell.replace(quote * 2, quote)
        return cell

    def only(self, positions: Numbers) -> Records:
        """Return the records at some positions."""
        return Records(self.kernel, self.data, self.start, self.quote, self.delimiter, self.table[positions])

    def gather(self, column: int) -> tuple[NDArray[np.uint8], Numbers]:
        """Return a column's cells one after the other, without the source's doubling, and where each one begins.

        The offsets have one element more than there are records: the end of the last cell.
        """
        bounds = self.table[:, at.BOUNDS + 2 * column : at.BOUNDS + 2 * column + 2].astype(np.int64)
        cells = np.empty(int((bounds[:, 1] - bounds[:, 0]).sum()) + 1, dtype=np.uint8)
        offsets = np.zeros(len(self) + 1, dtype=np.int64)
        plan, table = self.plan(), address_of(self.table)
        self.kernel.gather_cells(
            address_of(plan), self.data, table, len(self), column, address_of(cells), address_of(offsets)
        )
        return cells, offsets


class Cells(Sequence[str]):
    """A column of records, as strings that are made when they are asked for."""

    def __init__(self, records: Records, column: int) -> None:
        self._records = records
        self._column = column

    def __len__(self) -> int:
        return len(self._records)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> Cells: ...
    def __getitem__(self, place: int | slice) -> str | Cells:
        """Return one cell, or those of some records in a row."""
        if isinstance(place, slice):
            first, last, _ = place.indices(len(self))
            return Cells(self._records.part(first, last), self._column)
        return self._records.cell(self._column, place)

    def __iter__(self) -> Iterator[str]:
        return (self._records.cell(self._column, position) for position in range(len(self)))


class Counted(Sequence[int]):
    """Numbers of records, counted from one of the file's; Python's own only where they are asked for."""

    def __init__(self, numbers: NDArray[np.int32], origin: int) -> None:
        self._numbers = numbers
        self._origin = origin

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, place: int) -> int: ...
    @overload
    def __getitem__(self, place: slice) -> Counted: ...
    def __getitem__(self, place: int | slice) -> int | Counted:
        """Return one number, or those of some records in a row."""
        if isinstance(place, slice):
            return Counted(self._numbers[place], self._origin)
        return int(self._numbers[place]) + self._origin

    def __iter__(self) -> Iterator[int]:
        return (number + self._origin for number in self._numbers.tolist())


class Ids(Sequence[str | None]):
    """The ids of records: None where the cell holds none."""

    def __init__(self, cells: Sequence[str]) -> None:
        self._cells = cells

    def __len__(self) -> int:
        return len(self._cells)

    @overload
    def __getitem__(self, place: int) -> str | None: ...
    @overload
    def __getitem__(self, place: slice) -> Ids: ...
    def __getitem__(self, place: int | slice) -> str | Ids | None:
        """Return one id, or those of some records in a row."""
        return Ids(self._cells[place]) if isinstance(place, slice) else valid_id(self._cells[place])


@dataclass(frozen=True, slots=True)
class RecordBlock:
    """The regular records at the start of a piece of a buffer."""

    records: Records
    """All of them, the odd ones too."""
    odd: Numbers
    """Positions of those that must be read exactly."""
    stop: int
    """Where the next record starts."""
    line_count: int
    troubled: bool
    """Whether what follows is irregular."""

    def __len__(self) -> int:
        return len(self.records)


class Tables:
    """Makes the tables of one file's records, of the memory of those that nobody holds any more. For one thread.

    Whoever holds rows of a table holds the table: an array refers to the one that it is a part of. What takes rows by
    their address must hold them, too.
    """

    def __init__(self) -> None:
        self._kept: list[Table] = []

    def take(self, width: int, most: int) -> Table:
        """Return a table of `width` fields and up to `most` rows, whatever is in them. Give the same width always."""
        idle = next((table for table in self._kept if sys.getrefcount(table) == _IDLE), None)
        if idle is None:
            # Memory that no record reaches is never touched, so that a table may as well be large.
            idle = np.empty((max(_TABLE_BYTES // (4 * width), 1), width), dtype=np.int32)
            if len(self._kept) < _MOST_KEPT:
                self._kept.append(idle)
        return idle[:most]


_IDLE: Final = next(sys.getrefcount(table) for table in [np.empty(1)])
"""References to a table that only a list holds."""


def takes_records(rules: RowRules) -> bool:
    """Say whether the kernel's rules fit this file.

    It tells numbers from formulas by the source's bytes, which would not do where their signs are doubled.
    """
    fits = rules.encoding == "utf-8" and rules.delimiter.isascii() and rules.columns <= _MOST_COLUMNS
    return fits and (rules.quote is None or rules.quote not in _IN_NUMBERS)


def cut_records(  # noqa: PLR0917 - where they are, and how they are read
    kernel: Kernel, data: bytes, start: int, size: int, rules: RowRules, tables: Tables
) -> RecordBlock | None:
    """Return the regular records of `data` from `start` on, within `size` bytes; None where there is not one.

    A record starts at `start`. Only for rules that `takes_records` accepts, and sizes below 2 GiB.
    """
    plan = np.zeros(at.CUT_FIELDS, dtype=np.int64)
    limit = min(start + size, len(data))
    # Not more than there can be: a record has a line end, and a byte before it.
    table = tables.take(at.BOUNDS + 2 * rules.columns, size // 2 + 1)
    quote = _NO_QUOTE if rules.quote is None else ord(rules.quote)
    plan[at.DELIMITER], plan[at.QUOTE], plan[at.COLUMNS] = ord(rules.delimiter), quote, rules.columns
    plan[at.TEXT], plan[at.MAX_TEXT], plan[at.CAPACITY] = rules.text, MAX_TEXT_CHARS, len(table)
    plan[at.ORIGIN] = start
    plan[at.LIMIT] = limit
    count = kernel.cut_records(address_of(plan), data, len(data), address_of(table))
    stop, troubled = int(plan[at.STOP]), bool(plan[at.TROUBLED])
    if stop == start:
        return None
    table = table[:count]
    records = Records(kernel, data, start, quote, ord(rules.delimiter), table)
    odd = np.flatnonzero(table[:, at.FLAGS] & at.ODD)
    return RecordBlock(records, odd, stop, int(plan[at.STOP_LINES]), troubled)
