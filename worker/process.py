"""The story of a batch: decode → choose model → score → commit → outcome."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Protocol

from cloud.objects import TransientError
from schemas.errors import InvalidInput
from schemas.outcomes import Prediction
from worker.core.admit import Rejected, Review, admit, reject
from worker.core.bisect_rows import Failure, Scored, score_each
from worker.core.envelope import Envelope
from worker.core.pack import Line, ResultObject, pack
from worker.core.scorer import Scores

_log = logging.getLogger(__name__)


class Model(Protocol):
    """A loaded classifier."""

    @property
    def name(self) -> str:
        """The classifier's stored name."""

    @property
    def version(self) -> str:
        """Its immutable version."""

    def score(self, texts: Sequence[str]) -> Scores:
        """Return one label and probability for each text."""


class Models(Protocol):
    """Where classifiers come from."""

    def resolve(self, model: str | None, version: str | None) -> Model:
        """Return the classifier; InvalidInput when the request is at fault, else TransientError."""


class Results(Protocol):
    """Where outcomes go."""

    def commit(self, objects: Iterable[ResultObject]) -> set[int]:
        """Write the objects; return the batch positions whose outcomes are durable."""


def process(
    batch: Sequence[Envelope],
    models: Models,
    results: Results,
    *,
    tally: Callable[[int, int], None] = lambda lines, rejections: None,  # noqa: ARG005 - named for who reads it
) -> set[int]:
    """Score a batch and store what became of every message.

    Returns the positions of the messages that may be acknowledged: their prediction or rejection is durable. The
    others are to be given back: their model cannot be had now, or the write failed. Safe to call again with the
    same messages. May block on storage. `tally` is told how many lines and rejections the batch gave, before they are
    written.
    """
    reviews, rejected = admit(batch)
    lines = [_rejection(item) for item in rejected]
    for (name, version), group in groupby(sorted(reviews, key=_wanted), key=_wanted):
        lines += _score(name, version or None, list(group), models)
    tally(len(lines), sum(line.kind == "rejections" for line in lines))
    return results.commit(pack(lines))


def _wanted(review: Review) -> tuple[str, str]:
    return review.model, review.version or ""


def _score(name: str, version: str | None, reviews: list[Review], models: Models) -> list[Line]:
    """Return a line for each review of one model and version; none while the model cannot be had."""
    try:
        model = models.resolve(name, version)
    except InvalidInput as error:
        return [_rejection(reject(review, error, "model")) for review in reviews]
    except TransientError as error:
        _log.warning("model %s is not available now, %d messages are given back: %s", name, len(reviews), error)
        return []
    outcomes = score_each(model.score, [review.text for review in reviews])
    return [_line(review, outcome, model) for review, outcome in zip(reviews, outcomes, strict=True)]


def _line(review: Review, outcome: Scored | Failure, model: Model) -> Line:
    if isinstance(outcome, Failure):
        return _rejection(reject(review, InvalidInput(outcome.code, outcome.reason), "score", model.version))
    prediction = Prediction(
        key=review.key,
        label=outcome.label,
        probability=outcome.probability,
        model=model.name,
        version=model.version,
        text_sha256=review.text_sha256,
        message_id=review.message_id,
        publish_time=review.publish_time,
    )
    return Line("reviews", review.partition, prediction, review.origins)


def _rejection(item: Rejected) -> Line:
    return Line("rejections", item.partition, item.rejection, item.origins)
