"""Two versions' outcomes of the same rows → which labels changed, as counts and as lines of CSV."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from schemas.replays import LabelChange
from worker.core.bisect_rows import Failure, Scored
from worker.core.csv_cells import csv_line
from worker.core.row_batch import RowBatch

COLUMNS = ("row", "id", "before", "after", "probability_before", "probability_after")

PIECE_BYTES = 2 * 1024 * 1024
"""Lines of changes that are stored as one object."""

Outcome = Scored | Failure


class LabelChanges:
    """Collects changed rows. Never holds a text.

    Where pieces end depends on the lines alone, however the rows come in batches: so a repeated replay writes the
    same objects.
    """

    def __init__(self, *, piece_bytes: int = PIECE_BYTES) -> None:
        self.rows = 0
        self._counts: Counter[tuple[str | None, str | None]] = Counter()
        self._piece_bytes = piece_bytes
        self._lines = [_line(COLUMNS)]
        self._bytes = len(self._lines[0])

    def add(
        self, batch: RowBatch, before: Sequence[Outcome | None], after: Sequence[Outcome | None]
    ) -> Iterator[bytes]:
        """Add the outcomes of a batch's rows; yields each piece that is full. Must be iterated to its end.

        Rows without an outcome (None) are of another model, and are not counted.
        """
        for position, (one, other) in enumerate(zip(before, after, strict=True)):
            if one is None or other is None:
                continue
            self.rows += 1
            pair = (one, other)
            labels = (_label(pair[0]), _label(pair[1]))
            if labels[0] == labels[1]:
                continue
            self._counts[labels] += 1
            names = [str(batch.first_row + position), batch.ids[position] or "", labels[0] or "", labels[1] or ""]
            line = _line([*names, *map(_probability, pair)])
            self._lines.append(line)
            self._bytes += len(line)
            if self._bytes >= self._piece_bytes:
                yield self.take()

    def take(self) -> bytes:
        """Return the lines since the last piece; empty where there are none."""
        piece = b"".join(self._lines)
        self._lines, self._bytes = [], 0
        return piece

    @property
    def changed(self) -> int:
        """How many rows have another label."""
        return self._counts.total()

    def kinds(self) -> list[LabelChange]:
        """Return the counts by labels before and after, the most frequent first."""
        ordered = sorted(self._counts.items(), key=lambda item: (-item[1], repr(item[0])))
        return [LabelChange(before=labels[0], after=labels[1], rows=rows) for labels, rows in ordered]


def _label(outcome: Outcome) -> str | None:
    return outcome.label if isinstance(outcome, Scored) else None


def _probability(outcome: Outcome) -> str:
    if isinstance(outcome, Failure) or outcome.probability is None:
        return ""
    return repr(float(outcome.probability))


def _line(cells: Sequence[str]) -> bytes:
    return csv_line(cells).encode() + b"\n"
