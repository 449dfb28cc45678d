"""The kernel's tables for one model: words and n-grams to feature columns, and the block of numbers that names them."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from worker.core import kernel_layout as at
from worker.core.kernel import Kernel
from worker.core.text import Terms

_SMALLEST_BITS: Final = 8
_REASONS: Final = {
    at.TOO_LONG: f"a term holds a word of more than {at.MAX_WORD_BYTES} bytes",
    at.DUPLICATE: "a term is there twice",
}


class NotIndexable(ValueError):  # noqa: N818 - a fact about a vocabulary, not a fault
    """The kernel's index cannot hold the vocabulary; the model takes the plain path. `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Index:
    """The filled tables; `block` holds their addresses, so the arrays must live as long as it is used."""

    block: NDArray[np.int64]
    arrays: tuple[NDArray[Any], ...]


def address_of(array: NDArray[Any]) -> int:
    """Return the address of an array's first element."""
    address: int = array.__array_interface__["data"][0]
    return address


def build_index(kernel: Kernel, terms: Terms, order: NDArray[np.int64]) -> Index:
    """Fill the tables with the terms in an order, the most frequent first. Raises NotIndexable.

    A table is doubled until at most a quarter of it is used: nearly every word is then found where it is looked for.
    """
    if len(terms) >= at.MAX_NODES:
        raise NotIndexable(f"the vocabulary has more than {at.MAX_NODES - 1} terms")
    if len(terms.blob) + len(terms.stop_blob) >= 1 << 31:
        raise NotIndexable("the terms have more than 2 GiB of text")
    words = pairs = _SMALLEST_BITS
    while True:
        index, state = _empty_index(terms, word_bits=words, pair_bits=pairs)
        result = _fill(kernel, terms, index.block, state, order)
        if result == 0:
            return index
        if result in _REASONS:
            raise NotIndexable(_REASONS[result])
        if state[0] >= at.MAX_NODES:
            raise NotIndexable(f"the n-grams are built from more than {at.MAX_NODES - 1} words and n-grams")
        words += int(state[1] >= state[3])
        pairs += int(state[2] >= state[4])


def _empty_index(terms: Terms, *, word_bits: int, pair_bits: int) -> tuple[Index, NDArray[np.int64]]:
    """Return empty tables of 2 ** bits entries and the state of filling them: see `insert_term`."""
    word_table = np.full(2 << word_bits, at.EMPTY, dtype=np.int64)
    pair_table = np.full(1 << pair_bits, at.EMPTY, dtype=np.int64)
    text = np.concatenate([terms.blob, terms.stop_blob, np.zeros(at.PADDING, dtype=np.uint8)])
    block = np.zeros(at.MODEL_FIELDS, dtype=np.int64)
    block[at.FEATURES] = len(terms)
    block[at.CASE_BIT] = 0x20 if terms.lowercase else 0
    block[at.NGRAM_MAX] = terms.ngram_max
    block[at.WORD_TABLE], block[at.WORD_SHIFT] = address_of(word_table), 64 - word_bits
    block[at.PAIR_TABLE], block[at.PAIR_SHIFT] = address_of(pair_table), 64 - pair_bits
    block[at.WORD_BYTES] = address_of(text)
    limits = ((1 << word_bits) // 4, (1 << pair_bits) // 4)
    state = np.array([len(terms), 0, 0, *limits], dtype=np.int64)
    return Index(block, (word_table, pair_table, text)), state


def _fill(
    kernel: Kernel, terms: Terms, block: NDArray[np.int64], state: NDArray[np.int64], order: NDArray[np.int64]
) -> int:
    """Insert stop words first (they win over terms), then terms of one word, then of two, then of three."""
    model, progress = address_of(block), address_of(state)
    stop_offsets = terms.stop_offsets + len(terms.blob)
    stop_order = np.arange(len(stop_offsets) - 1)
    result = kernel.insert_words(model, progress, address_of(stop_offsets), address_of(stop_order), len(stop_order), 1)
    offsets, ordered = address_of(terms.offsets), address_of(order)
    if result == 0 and terms.ngram_min == 1:
        result = kernel.insert_words(model, progress, offsets, ordered, len(terms), 0)
    for words in range(max(2, terms.ngram_min), terms.ngram_max + 1):
        if result == 0:
            result = kernel.insert_ngrams(model, progress, offsets, ordered, len(terms), words)
    return result
