"""How many words texts have, as scikit-learn's default token pattern counts them, in many texts at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

_TABLE: Final = 1 << 16


def count_words(texts: Sequence[str]) -> list[int]:
    """Count words as the profile of a model does: as the vectoriser; for a text without any, by spaces.

    A word is a run of two or more word characters of the lower case, as `worker.core.text.TOKEN_PATTERN` says.
    """
    # The lower case of ASCII has the same words.
    ascii_only = _count([text for text in texts if text.isascii()], "ascii", _is_word_ascii)
    others = _count([text.lower() for text in texts if not text.isascii()], "utf-32-le", _is_word)
    counts = [next(ascii_only if text.isascii() else others) for text in texts]
    return [count or len(text.split()) for count, text in zip(counts, texts, strict=True)]


def _count(texts: list[str], encoding: str, is_word: Callable[[bytes], NDArray[np.bool_]]) -> Iterator[int]:
    """Yield the words of each text, in an encoding of one number a character."""
    # The first and the last character of all are line ends.
    word = is_word("".join(["\n", *(f"{text}\n" for text in texts)]).encode(encoding, "surrogatepass"))
    first = word[1:-1] > word[:-2]
    first &= word[2:]
    ends = np.cumsum(np.fromiter(map(len, texts), dtype=np.int64, count=len(texts)) + 1)
    yield from np.diff(np.searchsorted(np.flatnonzero(first), ends), prepend=0).tolist()


def _is_word_ascii(data: bytes) -> NDArray[np.bool_]:
    return np.frombuffer(data.translate(_table()[:256].tobytes()), np.bool_)


def _is_word(data: bytes) -> NDArray[np.bool_]:
    """Say of each code point whether `re` sees a word character in it."""
    characters = np.frombuffer(data, np.uint32)
    word: NDArray[np.bool_] = _table()[np.minimum(characters, _TABLE - 1)]
    further = np.flatnonzero(characters >= _TABLE)
    word[further] = [chr(character).isalnum() for character in characters[further].tolist()]
    return word


@cache
def _table() -> NDArray[np.bool_]:
    """Return the same for every code point of 16 bits."""
    table = np.zeros(_TABLE, dtype=np.bool_)
    for found in re.finditer(r"\w+", np.arange(_TABLE, dtype="<u4").tobytes().decode("utf-32-le", "surrogatepass")):
        table[found.start() : found.end()] = True
    return table
