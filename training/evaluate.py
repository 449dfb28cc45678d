"""How good a pipeline is on rows it has not seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score
from sklearn.pipeline import Pipeline

from schemas.models import Profile
from training.clean import Example, group_key

_SMALLEST = float(np.finfo(np.float64).eps)
"""Probabilities are kept this far from 0 for the logarithm, as `sklearn.metrics.log_loss` does."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What scikit-learn says about held-out texts, in their order: n texts, c classes."""

    texts: list[str]
    expected: list[str]
    classes: list[str]
    labels: list[str]
    probabilities: NDArray[np.float64] | None
    """(n, c), in the order of `classes`; None where the classifier gives none."""

    def confidence(self) -> NDArray[np.float64] | None:
        """Return the probability of each predicted label, (n,)."""
        if self.probabilities is None:
            return None
        columns = [self.classes.index(label) for label in self.labels]
        chosen: NDArray[np.float64] = self.probabilities[np.arange(len(columns)), columns]
        return chosen


def predict(pipeline: Pipeline, texts: Sequence[str], expected: Sequence[str]) -> HeldOut:
    """Score texts with scikit-learn."""
    has_probabilities = hasattr(pipeline, "predict_proba")
    return HeldOut(
        texts=list(texts),
        expected=list(expected),
        classes=[str(label) for label in pipeline.classes_],
        labels=[str(label) for label in pipeline.predict(list(texts))],
        probabilities=np.asarray(pipeline.predict_proba(list(texts)), np.float64) if has_probabilities else None,
    )


def metrics(held_out: HeldOut, train: Sequence[Example]) -> dict[str, float]:
    """Accuracy, macro F1, and log loss and Brier score where there are probabilities; beside the majority's accuracy.

    The Brier score is the mean over the rows of the summed squared distance from the true class's indicator (Brier
    1950), so 0 is best and 2 worst.
    """
    majority = Counter(example.label for example in train).most_common(1)[0][0]
    expected = np.array(held_out.expected)
    values = {
        "accuracy": float(np.mean(expected == np.array(held_out.labels))),
        "f1_macro": float(f1_score(held_out.expected, held_out.labels, average="macro", zero_division=0.0)),
        "majority_accuracy": float(np.mean(expected == majority)),
    }
    if held_out.probabilities is not None:
        truth = (expected[:, None] == np.array(held_out.classes)[None, :]).astype(np.float64)
        of_truth = np.maximum((held_out.probabilities * truth).sum(axis=1), _SMALLEST)
        values["log_loss"] = float(-np.mean(np.log(of_truth)))
        values["brier"] = float(np.mean(((held_out.probabilities - truth) ** 2).sum(axis=1)))
    return values


def profile(held_out: HeldOut) -> Profile:
    """Return what held-out rows look like under the model."""
    counts = Counter(held_out.labels)
    confidence = held_out.confidence()
    deciles = [] if confidence is None else np.quantile(confidence, np.linspace(0, 1, 11)).tolist()
    return Profile(
        label_shares={label: counts[label] / len(held_out.labels) for label in held_out.classes},
        probability_deciles=deciles,
        mean_words=float(np.mean([len(group_key(text).split()) for text in held_out.texts])),
    )
