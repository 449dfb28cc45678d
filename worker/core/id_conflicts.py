"""Ids of a file that stand for several texts: every row is scored, and nobody can tell the outcomes apart by id."""

from __future__ import annotations

from array import array
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class IdConflicts:
    """How many ids stand for several texts, and two rows of the first of them."""

    ids: int
    rows: tuple[int, int]

    def sentence(self) -> str:
        """Say it to people."""
        one, other = self.rows
        count = "1 id stands" if self.ids == 1 else f"{self.ids:,} ids stand"
        return f"{count} for several texts (first: rows {one} and {other})"


class IdTexts:
    """Remembers which text each row's id stood for, in 24 bytes a row: 64 bits of hash for id and text, and the row.

    The hashes are Python's own, so two of ten million ids are taken for one with a chance of 3 in a million.
    """

    def __init__(self) -> None:
        self._ids = array("q")
        self._texts = array("q")
        self._rows = array("q")

    def note(self, row: int, id_: str, text: str) -> None:
        """Note the id and text of one row; rows ascend."""
        self._ids.append(hash(id_))
        self._texts.append(hash(text))
        self._rows.append(row)

    def conflicts(self) -> IdConflicts | None:
        """Return the ids that stand for several texts, None where each stands for one."""
        ids, texts, rows = (_numbers(column) for column in (self._ids, self._texts, self._rows))
        order = np.argsort(ids, kind="stable")
        ids, texts, rows = ids[order], texts[order], rows[order]
        clash = np.flatnonzero((ids[1:] == ids[:-1]) & (texts[1:] != texts[:-1]))
        if not len(clash):
            return None
        first = clash[np.argmin(rows[clash + 1])]
        return IdConflicts(len(np.unique(ids[clash])), (int(rows[first]), int(rows[first + 1])))


def _numbers(column: array[int]) -> npt.NDArray[np.int64]:
    return np.frombuffer(column, dtype=np.int64)
