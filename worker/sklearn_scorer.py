"""Scores by scikit-learn, for pipelines that have no compiled form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from worker.core.scorer import Scores


class SklearnScorer:
    """A checked pipeline of a vectoriser and a classifier. Any number of threads may score with it."""

    def __init__(self, pipeline: Any) -> None:  # noqa: ANN401 - scikit-learn ships no types
        self._vectoriser, self._classifier = (step for _, step in pipeline.steps)
        self.labels = tuple(str(label) for label in self._classifier.classes_.tolist())
        self._columns = {label: column for column, label in enumerate(self.labels)}

    def score(self, texts: Sequence[str], *, threads: int = 1) -> Scores:
        """Return the scores of the texts, in their order. Always on the calling thread."""
        del threads  # scikit-learn holds the interpreter lock while it cuts words
        if not texts:
            return self._empty()
        features = self._vectoriser.transform(list(texts))
        classifier = self._classifier
        predicted = [self._columns[str(label)] for label in classifier.predict(features).tolist()]
        return Scores(
            classes=self.labels,
            chosen=np.array(predicted, dtype=np.intp),
            probabilities=_as_double(classifier, "predict_proba", features),
            decisions=_as_double(classifier, "decision_function", features),
        )

    def _empty(self) -> Scores:
        """Return the scores of no texts: scikit-learn refuses an empty matrix."""
        probabilities = np.empty((0, len(self.labels))) if hasattr(self._classifier, "predict_proba") else None
        return Scores(self.labels, np.empty(0, dtype=np.intp), probabilities, None)


def _as_double(classifier: Any, method: str, features: Any) -> Any:  # noqa: ANN401 - scikit-learn ships no types
    """Return what a method says, None where the classifier does not have it."""
    return np.asarray(getattr(classifier, method)(features), np.float64) if hasattr(classifier, method) else None
