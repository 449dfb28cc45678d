"""The three classifiers on TF-IDF of words and word pairs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from sklearn.calibration import CalibratedClassifierCV
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from training.clean import Example

TREE_DEPTH = 10
_MOST_FOLDS = 5
_MAX_ITERATIONS = 1_000


def fit(name: str, examples: Sequence[Example], *, seed: int) -> Pipeline:
    """Return the fitted pipeline of a classifier named as in `schemas.names.MODEL_NAMES`.

    The same examples and seed give the same pipeline.
    """
    labels = [example.label for example in examples]
    vectoriser = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    pipeline = Pipeline([("tfidf", vectoriser), ("classifier", _classifier(name, labels, seed))])
    pipeline.fit([example.text for example in examples], labels)
    _tidy(vectoriser)
    return pipeline


def _tidy(vectoriser: TfidfVectorizer) -> None:
    """Make the vocabulary's values plain integers.

    scikit-learn leaves NumPy's, each of which skops would store as a file of its own (44 MB and a minute for 50,000 of
    them, measured with skops 0.16).
    """
    vectoriser.vocabulary_ = {term: int(column) for term, column in vectoriser.vocabulary_.items()}


def _classifier(name: str, labels: Sequence[str], seed: int) -> Any:  # noqa: ANN401 - scikit-learn ships no types
    if name == "logistic_regression":
        return LogisticRegression(max_iter=_MAX_ITERATIONS)
    if name == "linear_svc":
        # A linear SVC gives no probabilities: Platt's sigmoid, fitted on predictions across folds, adds them.
        folds = min(_MOST_FOLDS, *Counter(labels).values())
        return CalibratedClassifierCV(LinearSVC(random_state=seed), method="sigmoid", ensemble=False, cv=folds)
    if name == "decision_tree":
        return DecisionTreeClassifier(max_depth=TREE_DEPTH, random_state=seed)
    raise ValueError(f"no classifier is named {name!r}")
