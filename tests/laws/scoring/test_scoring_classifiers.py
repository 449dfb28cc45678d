"""Labels and decision values have scikit-learn's bits, probabilities agree within 1e-12, on both paths."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from worker.core.compiled import CompiledModel

MakeModel = Callable[[Pipeline], CompiledModel]

CLASSIFIERS: dict[str, Callable[[], Any]] = {
    "logistic regression": LogisticRegression,
    "logistic regression without intercept": lambda: LogisticRegression(fit_intercept=False),
    "one-vs-rest": lambda: OneVsRestClassifier(LogisticRegression()),
    "linear SVC": LinearSVC,
    "linear SVC without intercept": lambda: LinearSVC(fit_intercept=False),
    "calibrated SVC": lambda: CalibratedClassifierCV(LinearSVC(), ensemble=False, cv=3),
    "calibrated ensemble": lambda: CalibratedClassifierCV(LinearSVC(), ensemble=True, cv=3),
    "tree": lambda: DecisionTreeClassifier(random_state=0),
    "shallow tree": lambda: DecisionTreeClassifier(max_depth=3, random_state=0),
}
GOOD = ["superb", "wonderful", "moving", "brilliant", "delightful", "great", "fun", "good", "charming", "film", "story"]
BAD = ["dull", "boring", "awful", "waste", "terrible", "poor", "tedious", "bad", "film", "story"]
PLAIN = ["long", "slow", "picture", "scene", "actor", "film", "story", "the", "was", "of", "and"]


def make_texts(count: int, seed: int) -> tuple[list[str], list[int]]:
    """Texts of words that mostly tell their class, some of them empty or of unknown words."""
    generator, texts, labels = random.Random(seed), [], []
    for _ in range(count):
        label = generator.randrange(3)
        own, other = (GOOD, BAD, PLAIN)[label], GOOD + BAD + PLAIN
        words = generator.choices(own, k=generator.randrange(12)) + generator.choices(other, k=generator.randrange(8))
        texts.append(" ".join(words))
        labels.append(label)
    return texts, labels


LABELS: dict[str, Callable[[int], Any]] = {
    "two ints": lambda label: int(label == 0),
    "two strings": lambda label: "positive" if label == 0 else "négatif",
    "three ints": lambda label: (7, -1, 30)[label],
    "three strings": lambda label: ("good", "bad", "plain")[label],
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("label", LABELS.values(), ids=LABELS)
@pytest.mark.parametrize("classifier", CLASSIFIERS.values(), ids=CLASSIFIERS)
def test_scores_equal_the_pipelines(
    classifier: Callable[[], Any],
    label: Callable[[int], Any],
    dtype: type[np.floating[Any]],
    make_model: MakeModel,
) -> None:
    texts, classes = make_texts(240, seed=1)
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, dtype=dtype)
    pipeline = Pipeline([("vectorizer", vectorizer), ("classifier", classifier())])
    pipeline.fit(texts, np.array([label(number) for number in classes]))
    model = make_model(pipeline)
    unseen = [*make_texts(400, seed=2)[0], "", "unknown words only"]
    scores = model.score(unseen)

    assert scores.labels == [str(value) for value in pipeline.predict(unseen).tolist()]
    assert list(model.labels) == [str(value) for value in pipeline.classes_.tolist()]
    if scores.decisions is not None and hasattr(pipeline, "decision_function"):
        expected = pipeline.decision_function(unseen)
        assert scores.decisions.shape == expected.shape
        assert scores.decisions.tobytes() == expected.tobytes()
    assert (scores.probabilities is None) == (not hasattr(pipeline, "predict_proba"))
    if scores.probabilities is not None:
        expected = pipeline.predict_proba(unseen)
        single = expected.dtype == np.float32
        np.testing.assert_allclose(scores.probabilities, expected, rtol=0, atol=1e-6 if single else 1e-12)
        assert scores.confidence(3) == scores.probabilities[3, list(model.labels).index(scores.labels[3])]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("classifier", CLASSIFIERS.values(), ids=CLASSIFIERS)
def test_a_text_has_the_same_scores_in_every_batch(
    classifier: Callable[[], Any], threads: int, make_model: MakeModel
) -> None:
    texts, _ = make_texts(1200, seed=5)
    # Nine labels: so many numbers of one row NumPy adds in another order than those of several rows.
    labels = [number % 9 for number in range(len(texts))]
    model = make_model(Pipeline([("v", TfidfVectorizer()), ("c", classifier())]).fit(texts, labels))
    many = (texts * 15)[: 2 * 8192 + 1]  # batches of 8,192 texts, and one text alone
    scores = model.score(many, threads=threads)
    for first, last in ((0, 1), (1, 1201), (8191, 8193), (16384, 16385)):
        alone = model.score(many[first:last])
        part = scores.part(first, last)
        assert part.chosen.tolist() == alone.chosen.tolist()
        for mine, expected in ((part.probabilities, alone.probabilities), (part.decisions, alone.decisions)):
            assert (mine is None) == (expected is None)
            if mine is not None and expected is not None:
                assert mine.tobytes() == expected.tobytes()


def test_a_raw_svc_has_decisions_and_no_confidence(make_model: MakeModel) -> None:
    texts, classes = make_texts(60, seed=3)
    pipeline = Pipeline([("v", TfidfVectorizer()), ("c", LinearSVC())]).fit(texts, classes)
    scores = make_model(pipeline).score(texts[:2])
    assert scores.decisions is not None
    assert scores.probabilities is None
    assert scores.confidence(0) is None


def test_extreme_decisions_saturate_as_scikit_learns(make_model: MakeModel) -> None:
    texts, classes = make_texts(60, seed=3)
    pipeline = Pipeline([("v", TfidfVectorizer()), ("c", LogisticRegression())]).fit(texts, [c == 0 for c in classes])
    for scale in (1e3, 1e6, 1e300):
        pipeline[-1].coef_ = np.sign(pipeline[-1].coef_) * scale
        scores = make_model(pipeline).score(texts)
        assert scores.probabilities is not None
        assert scores.probabilities.tolist() == pipeline.predict_proba(texts).tolist()
        assert scores.labels == [str(value) for value in pipeline.predict(texts).tolist()]


def test_equal_decisions_choose_as_scikit_learn(make_model: MakeModel) -> None:
    texts, classes = make_texts(60, seed=4)
    for classifier in (LogisticRegression(), OneVsRestClassifier(LogisticRegression()), LinearSVC()):
        pipeline = Pipeline([("v", TfidfVectorizer()), ("c", classifier)]).fit(texts, classes)
        for part in getattr(classifier, "estimators_", [classifier]):
            part.coef_ = np.zeros_like(part.coef_)
            part.intercept_ = np.zeros_like(part.intercept_)
        assert make_model(pipeline).score(["film"]).labels == [str(pipeline.predict(["film"])[0])]
