"""How many words texts have, as scikit-learn's default token pattern counts them; of ASCII many texts at once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import numpy as np

from worker.core.text import TOKEN_PATTERN

_find_words: Final = re.compile(TOKEN_PATTERN).findall

_IS_WORD: Final = np.array([bool(re.match(r"\w", chr(code), re.ASCII)) for code in range(256)])
"""By byte of ASCII text."""


def count_words(texts: Sequence[str]) -> list[int]:
    """Count words as the profile of a model does: as the vectoriser; for a text without any, by spaces."""
    counts = _count_ascii([text for text in texts if text.isascii()])
    in_order = iter(counts)
    found = [next(in_order) if text.isascii() else len(_find_words(text.lower())) for text in texts]
    return [count or len(text.split()) for count, text in zip(found, texts, strict=True)]


def _count_ascii(texts: list[str]) -> list[int]:
    """Count the runs of two or more word characters in each text."""
    if not texts:
        return []
    characters = np.frombuffer("".join(f"{text}\n" for text in texts).encode("ascii"), np.uint8)
    word = _IS_WORD[characters]
    first = word.copy()
    first[1:] &= ~word[:-1]
    # The last character of all is a line end.
    first[:-1] &= word[1:]
    ends = np.cumsum(np.fromiter(map(len, texts), dtype=np.int64, count=len(texts)) + 1)
    counts: list[int] = np.add.reduceat(first.astype(np.int64), np.concatenate([[0], ends[:-1]])).tolist()
    return counts
