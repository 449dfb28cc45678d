"""What Python says of every character, as a table for the kernel: is it a word character, and what is its lower case.

The table is filled in from `str.lower` and `str.isalnum` of the running interpreter, a page of 256 characters at a time
when a text first needs it, so it agrees with `re` and `str` of that Python whatever its Unicode version.
"""

from functools import cache
from typing import Final

import numpy as np

from worker.core.kernel_layout import THEN_BLANK

_PAGE: Final = 256
_CODE_POINTS: Final = 0x110000


def is_word(character: str) -> bool:
    r"""Say whether `re`'s \\w matches a character (`SRE_CATEGORY_UNI_WORD` in CPython's `_sre`)."""
    return character.isalnum() or character == "_"


class Characters:
    """The table, filled in as needed. Filling a page twice writes the same values, so threads need no lock."""

    def __init__(self, *, lowercase: bool) -> None:
        self._lowercase = lowercase
        self.ready: Final = np.zeros(_CODE_POINTS // _PAGE, dtype=np.uint8)
        self.entries: Final = np.zeros(_CODE_POINTS, dtype=np.uint32)  # memory that is touched page by page
        self.fill(0)

    def fill(self, page: int) -> None:
        """Fill in the entries of 256 characters."""
        first = page * _PAGE
        self.entries[first : first + _PAGE] = [self.entry(chr(code)) for code in range(first, first + _PAGE)]
        self.ready[page] = 1  # last: another thread may read the page from now on

    def entry(self, character: str) -> int:
        """Return 0 for no word character, else its lower case; THEN_BLANK if that has a further, non-word character.

        Raises ValueError if the lower case is longer than that, which no version of Unicode so far has.
        """
        lowered = character.lower() if self._lowercase else character
        words = [is_word(part) for part in lowered]
        if not any(words):
            return 0
        if not words[0] or any(words[1:]):
            raise ValueError(f"the lower case of U+{ord(character):04X} is several word characters")
        return ord(lowered[0]) | (THEN_BLANK if len(lowered) > 1 else 0)


@cache
def characters(*, lowercase: bool) -> Characters:
    """Return the process's table; all models share it."""
    return Characters(lowercase=lowercase)
