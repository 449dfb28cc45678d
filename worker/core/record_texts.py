"""The texts of records as the kernel scores them: where they lie in the file's bytes, without a copy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from worker.core import kernel_row_layout as at
from worker.core.kernel_index import address_of
from worker.core.kernel_texts import Block
from worker.core.records import Records


def locate_cells(parts: Sequence[Records], column: int) -> Block:
    """Find one column of consecutive records of any number of buffers, at least one."""
    return Block.join([_locate(part, column) for part in parts])


def _locate(records: Records, column: int) -> Block:
    data, table = np.frombuffer(records.data, np.uint8), records.table
    origin = address_of(data) + records.start
    starts = table[:, at.BOUNDS + 2 * column] + np.int64(origin)
    ends = table[:, at.BOUNDS + 2 * column + 1] + np.int64(origin)
    owners: list[object] = [data]
    doubled = np.flatnonzero(table[:, at.FLAGS] & at.DOUBLED)
    if len(doubled):
        # A doubled quote is one of the text: these are copied.
        copied, offsets = records.only(doubled).gather(column)
        starts[doubled], ends[doubled] = address_of(copied) + offsets[:-1], address_of(copied) + offsets[1:]
        owners.append(copied)
    return Block.of(starts, ends, owners)
