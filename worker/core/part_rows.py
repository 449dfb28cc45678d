"""The rows of one part that can be scored, in the file's order, however they came."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from worker.core.records import Records
from worker.core.row_batch import RowBatch
from worker.core.row_types import Row


@dataclass(frozen=True, slots=True)
class RowsAfter:
    """Rows of a part, counted from one of them."""

    rows: PartRows
    first: int

    def row(self, position: int) -> Row:
        """Return one row."""
        return self.rows.row(self.first + position)

    def text(self, position: int) -> str:
        """Return the text of one row."""
        return self.rows.text(self.first + position)


class PartRows:
    """Batches put together; a row's position counts from 0 over all of them."""

    def __init__(self) -> None:
        self._batches: list[RowBatch] = []
        self._ends: list[int] = []

    def add(self, batch: RowBatch) -> None:
        """Put a batch, at least one row, behind what there is."""
        self._batches.append(batch)
        self._ends.append(len(self) + len(batch))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def row(self, position: int) -> Row:
        """Return one row."""
        number = bisect_right(self._ends, position)
        batch = self._batches[number]
        return batch.row(position - self._ends[number] + len(batch))

    def text(self, position: int) -> str:
        """Return the text of one row."""
        number = bisect_right(self._ends, position)
        batch = self._batches[number]
        return batch.texts[position - self._ends[number] + len(batch)]

    def after(self, first: int) -> RowsAfter:
        """Return the rows from a position on, which is 0 there."""
        return RowsAfter(self, first)

    def batches(self, first: int, last: int) -> Iterator[RowBatch]:
        """Yield the rows from one position to before another."""
        for batch, end in zip(self._batches, self._ends, strict=True):
            start = end - len(batch)
            if start < last and end > first:
                yield batch.part(max(first - start, 0), min(last, end) - start)

    def numbers(self, first: int, last: int) -> NDArray[np.int64]:
        """Return the row numbers from one position to before another."""
        return np.concatenate(
            [np.arange(batch.first_row, batch.first_row + len(batch)) for batch in self.batches(first, last)]
        )

    def texts(self) -> list[str]:
        """Return all texts."""
        return list(chain.from_iterable(batch.texts for batch in self._batches))

    def records(self) -> list[Records] | None:
        """Return all rows as records; None where some have been made strings."""
        parts = [batch.records for batch in self._batches if batch.records is not None]
        return parts if len(parts) == len(self._batches) else None
