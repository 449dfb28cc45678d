"""How many words texts have, as scikit-learn's default token pattern counts them, in many texts at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_TABLE: Final = 1 << 16


def count_words(texts: Sequence[str]) -> list[int]:
    """Count words as the profile of a model does: as the vectoriser; for a text without any, by spaces.

    A word is a run of two or more word characters of the lower case, as `worker.core.text.TOKEN_PATTERN` says.
    """
    lowered = [text.lower() for text in texts]
    ascii_only = _count([text for text in lowered if text.isascii()], "ascii", np.uint8)
    others = _count([text for text in lowered if not text.isascii()], "utf-32-le", np.uint32)
    counts = [next(ascii_only if text.isascii() else others) for text in lowered]
    return [count or len(text.split()) for count, text in zip(counts, texts, strict=True)]


def _count(texts: list[str], encoding: str, code_point: type[np.unsignedinteger[Any]]) -> Iterator[int]:
    """Yield the words of each text, in an encoding of one number a character."""
    joined = "".join(f"{text}\n" for text in texts).encode(encoding, "surrogatepass")
    word = _is_word(np.frombuffer(joined, code_point))
    first = word.copy()
    first[1:] &= ~word[:-1]
    # The last character of all is a line end.
    first[:-1] &= word[1:]
    ends = np.cumsum(np.fromiter(map(len, texts), dtype=np.int64, count=len(texts)) + 1)
    yield from np.diff(np.searchsorted(np.flatnonzero(first), ends), prepend=0).tolist()


def _is_word(characters: NDArray[Any]) -> NDArray[np.bool_]:
    """Say of each code point whether `re` sees a word character in it."""
    word: NDArray[np.bool_] = _table()[
        characters if characters.dtype == np.uint8 else np.minimum(characters, _TABLE - 1)
    ]
    further = np.flatnonzero(characters >= _TABLE)
    word[further] = [chr(character).isalnum() for character in characters[further].tolist()]
    return word


@cache
def _table() -> NDArray[np.bool_]:
    """Return the same for every code point of 16 bits: for `re` word characters are `str.isalnum` and `_`."""
    return np.array([character == "_" or character.isalnum() for character in map(chr, range(_TABLE))])
