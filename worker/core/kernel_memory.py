"""Working memory of the kernel: one set a thread, kept between calls, as long as the longest text so far."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from worker.core import kernel_layout as at
from worker.core.kernel_index import address_of

_FIRST_LENGTH: Final = 4096
_LONGEST_NGRAM: Final = 3

TermFrequency = Callable[[int], NDArray[np.float64]]
"""Returns the weights of 0, 1, 2 … occurrences up to a number, exclusive."""


class Scratch:
    """The arrays that `kernel_layout` lists for one thread, for texts of up to `longest` bytes."""

    def __init__(self, features: int, longest: int, term_frequency: TermFrequency) -> None:
        self.longest: Final = longest
        words = longest // 2 + at.SLACK
        found = _LONGEST_NGRAM * words
        self.arrays: Final[dict[int, NDArray[Any]]] = {
            at.FOLDED: np.empty(2 * longest + 2 * at.PADDING, dtype=np.uint8),
            at.STAGED: np.empty(3 * longest + 2 * at.PADDING, dtype=np.uint8),
            at.STARTS: np.empty(words, dtype=np.uint32),
            at.ENDS: np.empty(words, dtype=np.uint32),
            at.KEYS: np.empty(words, dtype=np.int64),
            at.NODES: np.empty(words, dtype=np.uint32),
            at.PAIR_NODES: np.empty(words, dtype=np.uint32),
            at.PLACES: np.empty(words, dtype=np.uint32),
            at.FOUND: np.empty(found, dtype=np.uint32),
            at.COUNTS: np.zeros(features, dtype=np.uint16),
            at.BITS: np.zeros(features // 64 + 1, dtype=np.int64),
            at.SUMMARY: np.zeros(features // 4096 + 1, dtype=np.int64),
            at.OCCUPIED: np.empty(min(features // 64 + 1, found) + at.SLACK, dtype=np.uint32),
            at.COLUMNS: np.empty(min(features, found) + at.SLACK, dtype=np.uint32),
            at.WEIGHTS: np.empty(min(features, found) + at.SLACK, dtype=np.float64),
            at.TERM_FREQUENCY: term_frequency(words + 1),
        }
        self.block: Final = np.zeros(at.SCRATCH_FIELDS, dtype=np.int64)
        for field, array in self.arrays.items():
            self.block[field] = address_of(array)
        self.block[at.LAST_STAGE] = at.STAGE_ALL
        self.address: Final = address_of(self.block)


class ScratchPool:
    """Hands each caller a set that no other uses. Safe to use from any number of threads."""

    def __init__(self, features: int, term_frequency: TermFrequency) -> None:
        self._features = features
        self._term_frequency = term_frequency
        self._idle: list[Scratch] = []  # append and pop are atomic

    def take(self, longest: int) -> Scratch:
        """Return a set for texts of up to `longest` bytes."""
        try:
            scratch = self._idle.pop()
        except IndexError:
            scratch = None
        if scratch is not None and scratch.longest >= longest:
            return scratch
        length = max(_FIRST_LENGTH, 1 << (longest - 1).bit_length())
        return Scratch(self._features, length, self._term_frequency)

    def give_back(self, scratch: Scratch) -> None:
        """Keep a set for the next caller."""
        self._idle.append(scratch)
