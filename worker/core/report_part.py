"""Scored rows of one part → what the part adds to the job's report.

Counts and extremes are exact, and adding them up does not depend on how a file was cut. Words and terms are costly
to count, so they come from a sample that depends on row numbers alone: all of the first 256 rows, every second one
up to row 512, every fourth up to row 1,024 and so on. A sampled row counts for the rows up to the next, so the sums
stand for the whole file, and a file a thousand times as long costs only ten times 128 rows more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from schemas.jobs import JobSpec
from schemas.outcomes import Rejection
from schemas.report import Measure, PartReport, RejectedExample, RowExample
from worker.core.csv_header import column_index
from worker.core.output_options import kept_columns
from worker.core.report_drift import decile_edges
from worker.core.rows import Row
from worker.core.scorer import Scores
from worker.core.word_counts import count_words

BINS: Final = 50
"""Bins of the histogram: two hundredths each."""
EXAMPLES: Final = 8
"""Rows shown at each end of confidence."""
REJECTED_EXAMPLES: Final = 5
EXCERPT_CHARS: Final = 200

SAMPLE_EACH: Final = 128
"""Rows sampled between a power of two and the next."""

Explain = Callable[[Sequence[str], Sequence[int]], dict[str, dict[str, int]]]
"""Texts and how many rows each counts for → by label, what terms added to the label's decision value, in millionths."""

Floats = NDArray[np.float64]


def sample_steps(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for how many rows sampled rows of these numbers count; a row is sampled when its step divides it."""
    _, bits = np.frexp(rows // SAMPLE_EACH)
    return np.left_shift(1, np.maximum(bits.astype(np.int64) - 1, 0))


class Rows(Protocol):
    """Rows by their position, from 0."""

    def row(self, position: int) -> Row:
        """Return one row."""

    def text(self, position: int) -> str:
        """Return its text."""


class PartReportMaker:
    """Adds up the blocks of one part."""

    def __init__(self, spec: JobSpec, explain: Explain | None) -> None:
        kept = kept_columns(spec.output, spec.header)
        self._with_text = column_index(spec.dialect.text_column, "text", spec.header.columns, spec.dialect) in kept
        self._edges = decile_edges(spec.profile)[0] if spec.profile else None
        self._explain = explain
        self._measure: Measure = "none"
        self._histogram = np.zeros(BINS, dtype=np.int64)
        self._deciles = np.zeros(0 if self._edges is None else len(self._edges) + 1, dtype=np.int64)
        self._most: list[RowExample] = []
        self._least: list[RowExample] = []
        self._sample: list[str] = []
        self._steps: list[int] = []

    def add(self, numbers: NDArray[np.int64], rows: Rows, scores: Scores) -> None:
        """Add scored rows in the file's order, and their numbers."""
        confidence = scores.chosen_probabilities()
        if confidence is not None:
            self._measure = "probability"
            self._histogram += np.bincount(np.minimum((confidence * BINS).astype(np.int64), BINS - 1), minlength=BINS)
            if self._edges is not None:
                places = np.searchsorted(self._edges, confidence, side="right")
                self._deciles += np.bincount(places, minlength=len(self._deciles))
        elif (confidence := _margins(scores)) is not None:
            self._measure = "margin"
        if confidence is not None:
            self._most = most_confident(self._most + self._examples(rows, scores, confidence, highest(confidence)))
            self._least = least_confident(self._least + self._examples(rows, scores, confidence, highest(-confidence)))
        steps = sample_steps(numbers)
        sampled = np.flatnonzero(numbers & (steps - 1) == 0)  # steps are powers of two
        self._sample += [rows.text(place) for place in sampled.tolist()]
        self._steps += steps[sampled].tolist()

    def finish(self, rejections: Sequence[Rejection]) -> PartReport:
        """Return the sums; `rejections` in the file's order."""
        rejected: dict[str, list[RejectedExample]] = {}
        reasons: dict[str, str] = {}
        for one in rejections:
            reasons.setdefault(one.code, one.reason)
            places = rejected.setdefault(one.code, [])
            if len(places) < REJECTED_EXAMPLES:
                places.append(RejectedExample(row=one.row or 1, line=one.line or 1))
        probable = self._measure == "probability"
        return PartReport(
            measure=self._measure,
            histogram=self._histogram.tolist() if probable else [],
            deciles=self._deciles.tolist() if probable and self._edges is not None else [],
            sampled=sum(self._steps),
            words=sum(step * count for step, count in zip(self._steps, count_words(self._sample), strict=True)),
            most=self._most,
            least=self._least,
            terms=self._explain(self._sample, self._steps) if self._explain and self._sample else {},
            rejected=rejected,
            reasons=reasons,
        )

    def _examples(self, rows: Rows, scores: Scores, confidence: Floats, places: Sequence[int]) -> list[RowExample]:
        return [self._example(rows.row(place), scores, confidence, place) for place in places]

    def _example(self, row: Row, scores: Scores, confidence: Floats, place: int) -> RowExample:
        return RowExample(
            row=row.row,
            label=scores.classes[int(scores.chosen[place])],
            confidence=float(confidence[place]),
            id=row.id,
            excerpt=excerpt(row.text) if self._with_text else None,
        )


def most_confident(examples: list[RowExample]) -> list[RowExample]:
    """Return the examples to show of those that were collected."""
    return sorted(examples, key=lambda one: (-one.confidence, one.row))[:EXAMPLES]


def least_confident(examples: list[RowExample]) -> list[RowExample]:
    """Return the examples to show of those that were collected."""
    return sorted(examples, key=lambda one: (one.confidence, one.row))[:EXAMPLES]


def highest(values: Floats) -> list[int]:
    """Return the places of the highest values, of equals the first, without sorting all of them."""
    places = np.arange(len(values))
    if len(values) > EXAMPLES:
        least = np.partition(values, len(values) - EXAMPLES)[len(values) - EXAMPLES]
        above, equal = np.flatnonzero(values > least), np.flatnonzero(values == least)
        places = np.concatenate([above, equal[: EXAMPLES - len(above)]])
    found: list[int] = places.tolist()
    return found


def excerpt(text: str) -> str:
    """Return the beginning of a text."""
    return text if len(text) <= EXCERPT_CHARS else f"{text[: EXCERPT_CHARS - 1]}…"


def _margins(scores: Scores) -> Floats | None:
    """Return how far the predicted label's decision value is from the next one's, of two classes from zero."""
    if scores.decisions is None:
        return None
    if scores.decisions.ndim == 1:
        return np.abs(scores.decisions).astype(np.float64)
    top = np.partition(scores.decisions, -2, axis=1)[:, -2:]
    margins: Floats = (top[:, 1] - top[:, 0]).astype(np.float64)
    return margins
