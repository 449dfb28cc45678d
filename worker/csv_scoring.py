"""The second stage of a CSV job: a part's rows → the bytes of its objects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from schemas.jobs import PartRecord
from worker.core.csv_output import PartContent
from worker.core.mixed_part import MixedPartBuilder
from worker.core.record_texts import locate_cells
from worker.core.records import Records
from worker.core.scorer import Scores
from worker.csv_cost import Meter
from worker.csv_reading import UnscoredPart

MOST_MAKERS = 4
"""Parts that are made at once, at most: each takes memory, and one thread reads and one stores them all."""


class PartScorer:
    """Scores the parts of one job on up to `threads` threads; safe to use from `makers` threads.

    Several parts are made at once: most of a part's work is not scoring, and is one thread's.
    """

    def __init__(self, meter: Meter, *, threads: int) -> None:
        self._meter = meter
        self.makers = min(threads, MOST_MAKERS)
        self._threads = threads // self.makers

    def score(self, step: PartRecord | UnscoredPart) -> PartContent | None:
        """Return the bytes of a part; None for a finished one."""
        if isinstance(step, PartRecord):
            return None
        model, builder = step.model, step.builder
        with self._meter.phase("format"):
            if isinstance(builder, MixedPartBuilder):
                return builder.finish(lambda name, texts: self._score(step.row_models[name].score, texts))
            return builder.finish(
                partial(self._score, model.score),
                model.explain,
                score_bytes=None if model.score_bytes is None else partial(self._score_bytes, model.score_bytes),
            )

    def _score(self, score: Callable[..., Scores], texts: Sequence[str]) -> Scores:
        with self._meter.phase("score"):
            return score(texts, threads=self._threads)

    def _score_bytes(self, score: Callable[..., Scores], records: Sequence[Records], column: int) -> Scores:
        # To find the texts is part of scoring them, as it is for a list of strings.
        with self._meter.phase("score"):
            return score(locate_cells(records, column), threads=self._threads)
