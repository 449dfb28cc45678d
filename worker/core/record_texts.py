"""The texts of records as they are scored: where they lie in the file's bytes, without a copy.

A quote that is doubled stays so. To a vectoriser two marks between words are as good as one: this is for scoring only.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from worker.core import kernel_row_layout as at
from worker.core.kernel_index import address_of
from worker.core.kernel_texts import Block, Positions
from worker.core.records import Records


def locate_cells(parts: Sequence[Records], column: int) -> Block:
    """Find one column of consecutive records of any number of buffers."""
    count = sum(map(len, parts))
    starts, ends = np.empty(count, dtype=np.int64), np.empty(count, dtype=np.int64)
    owners: list[object] = []
    first = 0
    for part in parts:
        place = slice(first, first + len(part))
        owners += _locate(part, column, starts[place], ends[place])
        first = place.stop
    return Block.of(starts, ends, owners)


def _locate(records: Records, column: int, starts: Positions, ends: Positions) -> list[object]:
    """Write where the cells start and end; return what keeps their bytes."""
    data, table = np.frombuffer(records.data, np.uint8), records.table
    doubled = records.kernel.locate_cells(
        address_of(table),
        table.shape[1],
        len(records),
        column,
        address_of(data) + records.start,
        address_of(starts),
        address_of(ends),
    )
    quote = chr(records.quote) if doubled else ""
    if not quote.isalnum() and quote != "_":
        return [data]
    # A letter that serves as quote is one of a word: these are copied.
    places = np.flatnonzero(table[:, at.FLAGS] & at.DOUBLED)
    copied, offsets = records.only(places).gather(column)
    starts[places], ends[places] = address_of(copied) + offsets[:-1], address_of(copied) + offsets[1:]
    return [data, copied]
