"""Texts as UTF-8 bytes one after the other, laid out as Arrow lays out strings: what `score_arrow` takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.core.kernel_index import address_of
from worker.core.records import Records


@dataclass(frozen=True, slots=True)
class _Memory:
    """What is used of `pyarrow.Buffer`."""

    address: int
    size: int


class ByteTexts:
    """A `large_string` array without nulls; see `kernel_texts.ArrowStrings`."""

    type = "large_string"
    offset = 0
    null_count = 0

    def __init__(self, data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> None:
        """Text i is bytes offsets[i] to offsets[i + 1] of `data`."""
        self._data = data
        self._offsets = offsets

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def buffers(self) -> list[Any]:
        """Return no validity bits, the offsets and the bytes."""
        return [None, self._offsets, _Memory(address_of(self._data), len(self._data))]


def gather_texts(parts: Sequence[Records], column: int) -> ByteTexts:
    """Return one column of consecutive records of any number of buffers."""
    offsets = np.zeros(sum(map(len, parts)) + 1, dtype=np.int64)
    data = np.empty(sum(part.cell_bytes(column) for part in parts) + 1, dtype=np.uint8)
    first = 0
    for part in parts:
        part.gather(column, data, offsets[first : first + len(part) + 1])
        first += len(part)
    return ByteTexts(data, offsets)
