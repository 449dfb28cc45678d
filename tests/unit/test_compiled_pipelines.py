"""Which pipelines have a compiled form, and what is said of the others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import Pipeline
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from training.compile import NotCompilable, compile_pipeline
from worker.core.compiled import pack, unpack

TEXTS = ["good film", "bad film", "so good", "so bad", "fine film", "fine bad"] * 3
LABELS = [1, 0, 1, 0, 1, 0] * 3


class OwnVectorizer(TfidfVectorizer):  # type: ignore[misc]  # scikit-learn ships no types
    """A subclass may cut texts in any way."""


class OwnRegression(LogisticRegression):  # type: ignore[misc]  # scikit-learn ships no types
    """A subclass may predict in any way."""


VECTORIZERS: dict[str, tuple[Any, str]] = {
    "characters": (TfidfVectorizer(analyzer="char", ngram_range=(2, 3)), "analyzer='char'"),
    "characters in words": (TfidfVectorizer(analyzer="char_wb"), "analyzer='char_wb'"),
    "own analyser": (TfidfVectorizer(analyzer=str.split), "analyzer="),
    "own tokeniser": (TfidfVectorizer(tokenizer=str.split, token_pattern=None), "tokenizer="),
    "own preprocessor": (TfidfVectorizer(preprocessor=str.strip), "preprocessor="),
    "own pattern": (TfidfVectorizer(token_pattern=r"\S+"), "token_pattern="),
    "accents stripped": (TfidfVectorizer(strip_accents="unicode"), "strip_accents='unicode'"),
    "another encoding": (TfidfVectorizer(encoding="latin-1"), "encoding='latin-1'"),
    "decoding errors": (TfidfVectorizer(decode_error="ignore"), "decode_error='ignore'"),
    "four words": (TfidfVectorizer(ngram_range=(1, 4)), "1 to 4 words"),
    "counts": (CountVectorizer(), "not a TfidfVectorizer"),
    "a subclass": (OwnVectorizer(), "not a TfidfVectorizer"),
}
CLASSIFIERS: dict[str, tuple[Any, str]] = {
    "naive Bayes": (MultinomialNB(), "MultinomialNB has no compiled form"),
    "a subclass": (OwnRegression(), "OwnRegression has no compiled form"),
    "isotonic": (CalibratedClassifierCV(LinearSVC(), method="isotonic", cv=3), "'isotonic'"),
    "calibrated other": (CalibratedClassifierCV(SGDClassifier(), cv=3), "around LinearSVC"),
    "one-vs-rest other": (OneVsRestClassifier(LinearSVC()), "around LogisticRegression"),
}


@pytest.mark.filterwarnings("ignore::UserWarning")  # scikit-learn remarks on options that it then ignores
@pytest.mark.parametrize(("vectorizer", "reason"), VECTORIZERS.values(), ids=VECTORIZERS)
def test_a_vectoriser_without_compiled_form(vectorizer: Any, reason: str) -> None:  # noqa: ANN401 - scikit-learn
    pipeline = Pipeline([("v", vectorizer), ("c", LogisticRegression())]).fit(TEXTS, LABELS)
    with pytest.raises(NotCompilable) as refusal:
        compile_pipeline(pipeline)
    assert reason in refusal.value.reason
    assert refusal.value.reason.endswith(".")


@pytest.mark.parametrize(("classifier", "reason"), CLASSIFIERS.values(), ids=CLASSIFIERS)
def test_a_classifier_without_compiled_form(classifier: Any, reason: str) -> None:  # noqa: ANN401 - scikit-learn
    pipeline = Pipeline([("v", TfidfVectorizer()), ("c", classifier)]).fit(TEXTS, LABELS)
    with pytest.raises(NotCompilable, match=reason):
        compile_pipeline(pipeline)


def test_several_labels_at_once() -> None:
    both = np.array([[label, 1 - label] for label in LABELS])
    for classifier in (OneVsRestClassifier(LogisticRegression()), DecisionTreeClassifier()):
        pipeline = Pipeline([("v", TfidfVectorizer()), ("c", classifier)]).fit(TEXTS, both)
        with pytest.raises(NotCompilable, match=r"more than one label|several labels"):
            compile_pipeline(pipeline)


def test_more_steps_than_two() -> None:
    pipeline = Pipeline([("v", TfidfVectorizer()), ("nothing", "passthrough"), ("c", LogisticRegression())])
    with pytest.raises(NotCompilable, match="one classifier"):
        compile_pipeline(pipeline.fit(TEXTS, LABELS))


def test_labels_become_text_once() -> None:
    pipeline = Pipeline([("v", TfidfVectorizer()), ("c", DecisionTreeClassifier())])
    assert unpack(pack(compile_pipeline(pipeline.fit(TEXTS, LABELS)))).labels == ("0", "1")
    assert unpack(pack(compile_pipeline(pipeline.fit(TEXTS, ["only"] * len(TEXTS))))).labels == ("only",)
    pipeline[-1].classes_ = np.array([1, "1"], dtype=object)
    with pytest.raises(NotCompilable, match="same name"):
        compile_pipeline(pipeline)
