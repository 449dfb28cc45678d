"""Scored records → lines of predictions, by the kernel: the bytes of `worker.core.csv_cells`, without strings."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import orjson
from numpy.typing import NDArray

from worker.core import kernel_row_layout as at
from worker.core.csv_cells import quoted_column
from worker.core.kernel_index import address_of
from worker.core.line_buffer import LineBuffer
from worker.core.records import Records

_COMMA, _QUOTE = ord(","), ord('"')


class RecordLines:
    """Writes the kept columns of records, then row number, label, probability and the tail."""

    def __init__(self, kept: Sequence[int], *, keeps_all: bool, safe: bool, tail: str) -> None:
        """`tail` stands behind each probability; `safe` puts an apostrophe before formulas."""
        self._kept = np.array(kept, dtype=np.int64)
        self._keeps_all = keeps_all
        self._safe = safe
        self._tail = np.frombuffer(tail.encode(), np.uint8)

    def sizes(self, records: Records, added: int) -> NDArray[np.int64]:
        """Return a bound of the bytes of each record's cells, with their commas, plus `added`."""
        plan = self._plan(records)
        # As `csv_cells.cells_bytes`: a comma between two cells, and three bytes a cell for quotes and an apostrophe.
        plan[at.ADDED] = added + max(len(self._kept) - 1, 0) + 3 * len(self._kept)
        sizes = np.empty(len(records), dtype=np.int64)
        records.kernel.measure_rows(
            address_of(plan), records.data, address_of(records.table), len(records), address_of(sizes)
        )
        return sizes

    def write(  # noqa: PLR0917 - one line's worth of columns
        self,
        records: Records,
        first_row: int,
        classes: Sequence[str],
        chosen: NDArray[np.intp],
        probabilities: NDArray[np.float64] | None,
        target: LineBuffer,
    ) -> None:
        """Write the lines; `probabilities` are those of the labels that were chosen.

        The target must have the room that `sizes` says.
        """
        plan, wanted = self._plan(records), np.ascontiguousarray(chosen, dtype=np.int64)
        if len(wanted) != len(records) or wanted.min() < 0 or wanted.max() >= len(classes):
            raise ValueError("the scores are not those of these rows")
        labels = [label.encode() for label in quoted_column(list(classes))]
        cells = np.frombuffer(b"".join([*labels, b"\0"]), np.uint8)
        offsets = np.array([0, *accumulate(map(len, labels))], dtype=np.int64)
        numbers = None if probabilities is None else np.frombuffer(_numbers(probabilities), np.uint8)
        plan[at.FIRST_ROW], plan[at.CHOSEN] = first_row, address_of(wanted)
        plan[at.LABELS], plan[at.LABEL_OFFSETS] = address_of(cells), address_of(offsets)
        plan[at.NUMBERS], plan[at.NUMBER_AT] = 0 if numbers is None else address_of(numbers), 1
        plan[at.TAIL], plan[at.TAIL_BYTES] = address_of(self._tail), len(self._tail)
        end = records.kernel.write_rows(
            address_of(plan), records.data, address_of(records.table), len(records), target.address, target.end
        )
        target.advance(end)

    def _plan(self, records: Records) -> NDArray[np.int64]:
        plan = records.plan()
        plan[at.KEPT], plan[at.KEPT_COUNT], plan[at.SAFE] = address_of(self._kept), len(self._kept), self._safe
        # Records of the output's own dialect are its lines already, but for the flag CHANGED.
        plan[at.VERBATIM] = self._keeps_all and (records.delimiter, records.quote) == (_COMMA, _QUOTE)
        return plan


def _numbers(probabilities: NDArray[np.float64]) -> bytes:
    """Return the texts of `csv_cells.number_cells`, a byte before the first one and a comma behind each.

    The array must be contiguous. So many bytes follow the last text that as many as the kernel looks at can be read
    from the start of any.
    """
    return orjson.dumps(probabilities, option=orjson.OPT_SERIALIZE_NUMPY)[:-1] + b"," * at.LANES
