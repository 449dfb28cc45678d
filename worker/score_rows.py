"""Reviews of a local file → predictions and rejections, in their order, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby

import msgspec

from schemas.errors import InvalidInput
from schemas.outcomes import Prediction, Rejection, text_digest
from worker.core.bisect_rows import Failure, Scored, score_each
from worker.model_load import LoadedModel
from worker.models import ModelStore
from worker.score_input import Review, rejection

_BATCH_ROWS = 5_000
_BATCH_CHARS = 8_000_000


class Predicted(msgspec.Struct, frozen=True):
    """One scored row with its columns."""

    review: Review
    prediction: Prediction


Outcome = Predicted | Rejection


@dataclass(frozen=True, slots=True)
class Wanted:
    """The model for rows that name none, and how many threads score."""

    model: str | None
    version: str | None
    threads: int


def score_rows(items: Iterable[Review | Rejection], models: ModelStore, wanted: Wanted) -> Iterator[Outcome]:
    """Yield one outcome for each item. Raises TransientError where a model cannot be loaded."""
    for batch in _batches(items):
        yield from _score(batch, models, wanted)


def _batches(items: Iterable[Review | Rejection]) -> Iterator[list[Review | Rejection]]:
    batch: list[Review | Rejection] = []
    chars = 0
    for item in items:
        batch.append(item)
        chars += len(item.text) if isinstance(item, Review) else 0
        if len(batch) == _BATCH_ROWS or chars >= _BATCH_CHARS:
            yield batch
            batch, chars = [], 0
    if batch:
        yield batch


def _score(batch: list[Review | Rejection], models: ModelStore, wanted: Wanted) -> list[Outcome]:
    """Score each model's reviews together, and put every outcome back into its row's place."""
    outcomes: dict[int, Outcome] = {item.row or 0: item for item in batch if isinstance(item, Rejection)}
    reviews = [item for item in batch if isinstance(item, Review)]

    def model_of(review: Review) -> tuple[str, str]:
        if review.model is None and review.version is None:
            return wanted.model or "", wanted.version or ""
        return review.model or wanted.model or "", review.version or ""

    for (name, version), group in groupby(sorted(reviews, key=model_of), key=model_of):
        rows = list(group)
        try:
            model = models.resolve(name or None, version or None)
        except InvalidInput as error:
            outcomes |= {row.row: rejection(row.key, error, "model", row.row, row.line) for row in rows}
            continue
        scored = score_each(partial(model.score, threads=wanted.threads), [row.text for row in rows])
        outcomes |= {row.row: _outcome(row, result, model) for row, result in zip(rows, scored, strict=True)}
    return [outcomes[row] for row in sorted(outcomes)]


def _outcome(row: Review, result: Scored | Failure, model: LoadedModel) -> Outcome:
    if isinstance(result, Failure):
        bare = rejection(row.key, InvalidInput(result.code, result.reason), "score", row.row, row.line)
        return msgspec.structs.replace(bare, model=model.name, version=model.version, text_sha256=text_digest(row.text))
    prediction = Prediction(
        key=row.key,
        label=result.label,
        probability=result.probability,
        model=model.name,
        version=model.version,
        text_sha256=text_digest(row.text),
        row=row.row,
    )
    return Predicted(row, prediction)
