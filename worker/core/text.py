"""Texts to words and n-grams exactly as scikit-learn's default analyser makes them, in plain Python.

This is the reference path: `str.lower`, then `re` with scikit-learn's default token pattern, then stop words, then
n-grams of the remaining words joined by a space (`sklearn.feature_extraction.text.CountVectorizer._word_ngrams`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

TOKEN_PATTERN: Final = r"(?u)\b\w\w+\b"  # noqa: S105 - not a secret
"""scikit-learn's default: two or more word characters. Any other pattern has no compiled form."""

_find_tokens: Final = re.compile(TOKEN_PATTERN).findall


@dataclass(frozen=True)
class Terms:
    """The vocabulary: terms in the order of the feature columns, and how a text is cut into terms.

    Not slotted: the index is built at first use and kept.
    """

    terms: tuple[str, ...]
    stop_words: frozenset[str]
    lowercase: bool
    ngram_min: int
    ngram_max: int

    def __len__(self) -> int:
        return len(self.terms)

    @cached_property
    def index(self) -> Mapping[str, int]:
        """Term to feature column."""
        return {term: column for column, term in enumerate(self.terms)}

    def words(self, text: str) -> list[str]:
        """Return the words of a text without stop words."""
        words = _find_tokens(text.lower() if self.lowercase else text)
        if self.stop_words:
            return [word for word in words if word not in self.stop_words]
        return words

    def counts(self, text: str) -> dict[int, int]:
        """Feature column to number of occurrences in the text, in order of first occurrence."""
        words, index = self.words(text), self.index
        counts: dict[int, int] = {}
        for size in range(self.ngram_min, self.ngram_max + 1):
            grams = words if size == 1 else map(" ".join, zip(*(words[start:] for start in range(size)), strict=False))
            for gram in grams:
                column = index.get(gram)
                if column is not None:
                    counts[column] = counts.get(column, 0) + 1
        return counts
