"""Scoring that one bad row cannot stop: a batch that fails is halved until the row is found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from worker.core.scorer import Scores


@dataclass(frozen=True, slots=True)
class Scored:
    """The score of one text."""

    label: str
    probability: float | None
    """Of `label`, in 0..1; None where the classifier gives none."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one text was not scored."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Block:
    """What became of neighbouring texts: scores for all of them, or the failure of one."""

    texts: Sequence[str]
    outcome: Scores | Failure


def score_each(score: Callable[[Sequence[str]], Scores], texts: Sequence[str]) -> list[Scored | Failure]:
    """Return what became of each text, in order; see `score_blocks`."""
    outcomes: list[Scored | Failure] = []
    for block in score_blocks(score, texts):
        if isinstance(block.outcome, Failure):
            outcomes.append(block.outcome)
        else:
            scores = block.outcome
            outcomes += [Scored(label, scores.confidence(i)) for i, label in enumerate(scores.labels)]
    return outcomes


def score_blocks(score: Callable[[Sequence[str]], Scores], texts: Sequence[str]) -> list[Block]:
    """Return what became of the texts, in order and in as few blocks as there can be.

    One call of `score` where nothing fails. Each failing row among n costs about 2·log2(n) more calls. Running out
    of memory is no row's fault and is raised.
    """
    if not texts:
        return []
    try:
        scores = score(texts)
        if len(scores) != len(texts):
            raise ValueError(f"{len(scores)} scores for {len(texts)} texts")
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever scoring raises on a row, its neighbours must be scored
        if len(texts) == 1:
            return [Block(texts, _failure(error))]
        middle = len(texts) // 2
        return score_blocks(score, texts[:middle]) + score_blocks(score, texts[middle:])
    return [Block(texts, scores)]


def scored_whole(score: Callable[[], Scores], count: int) -> Scores | None:
    """Return the scores of so many texts; None where scoring fails, so that `score_blocks` is to find the rows."""
    try:
        scores = score()
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - whatever scoring raises on a row, its neighbours must be scored
        return None
    return scores if len(scores) == count else None


def _failure(error: Exception) -> Failure:
    # The type's name only: an error's text can repeat the review.
    return Failure(
        "scoring_failed",
        f"The model cannot score this text ({type(error).__name__}). Look for unusual characters in it, or report it.",
    )
