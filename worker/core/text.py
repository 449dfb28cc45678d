"""Texts to words and n-grams exactly as scikit-learn's default analyser makes them, in plain Python.

This is the reference path: `str.lower`, then `re` with scikit-learn's default token pattern, then stop words, then
n-grams of the remaining words joined by a space (`sklearn.feature_extraction.text.CountVectorizer._word_ngrams`).
"""

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

TOKEN_PATTERN: Final = r"(?u)\b\w\w+\b"  # noqa: S105 - not a secret
"""scikit-learn's default: two or more word characters. Any other pattern has no compiled form."""

_find_tokens: Final = re.compile(TOKEN_PATTERN).findall


@dataclass(frozen=True)
class Terms:
    """The vocabulary: terms in the order of the feature columns, and how a text is cut into terms.

    Strings are UTF-8 blobs with offsets, as stored; Python strings are made only if the plain path is taken. Not
    slotted: the index is built at first use and kept.
    """

    blob: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    stop_blob: NDArray[np.uint8]
    stop_offsets: NDArray[np.int64]
    lowercase: bool
    ngram_min: int
    ngram_max: int

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @cached_property
    def index(self) -> Mapping[str, int]:
        """Term to feature column. Shorter than the vocabulary if that holds a term twice."""
        return {term: column for column, term in enumerate(decode_strings(self.blob, self.offsets))}

    @cached_property
    def stop_words(self) -> frozenset[str]:
        """The words that are dropped before n-grams are made."""
        return frozenset(decode_strings(self.stop_blob, self.stop_offsets))

    def words(self, text: str) -> list[str]:
        """Return the words of a text without stop words."""
        words = _find_tokens(text.lower() if self.lowercase else text)
        if self.stop_words:
            return [word for word in words if word not in self.stop_words]
        return words

    def counts(self, text: str) -> dict[int, int]:
        """Return feature column to number of occurrences in the text, in order of first occurrence."""
        words, index = self.words(text), self.index
        counts: dict[int, int] = {}
        for size in range(self.ngram_min, self.ngram_max + 1):
            grams = words if size == 1 else map(" ".join, zip(*(words[start:] for start in range(size)), strict=False))
            for gram in grams:
                column = index.get(gram)
                if column is not None:
                    counts[column] = counts.get(column, 0) + 1
        return counts


def decode_strings(blob: NDArray[np.uint8], offsets: NDArray[np.int64]) -> list[str]:
    """Return the strings between the offsets of a UTF-8 blob. Raises UnicodeDecodeError."""
    data, ends = blob.tobytes(), offsets.tolist()
    if data.isascii():
        text = data.decode("ascii")
        return [text[start:end] for start, end in itertools.pairwise(ends)]
    return [data[start:end].decode() for start, end in itertools.pairwise(ends)]
