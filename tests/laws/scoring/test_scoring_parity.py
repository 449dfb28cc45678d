"""Parity at size: as many made-up strings, and as many real reviews, as one asks for.

`make test-parity` asks for 200,000 strings; REVIEWMILL_PARITY_FILES names files of reviews, apart by `:`, each line of
which is a text.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from worker.core.compiled import CompiledModel

MakePipeline = Callable[[TfidfVectorizer, Sequence[str]], Pipeline]
MakeModel = Callable[[Pipeline], CompiledModel]

STRINGS_AT_ONCE = 20
STRINGS = int(os.environ.get("REVIEWMILL_PARITY_STRINGS", "2000"))
FILES = [Path(name) for name in os.environ.get("REVIEWMILL_PARITY_FILES", "").split(":") if name]
SAMPLE = Path(__file__).parents[3] / "training/data/sentiment_sentences.csv"

texts_at_once = st.lists(st.text(max_size=40), min_size=STRINGS_AT_ONCE, max_size=STRINGS_AT_ONCE)


@pytest.mark.timeout(1800)
@settings(
    max_examples=STRINGS // STRINGS_AT_ONCE,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(texts=texts_at_once)
def test_made_up_strings(with_classifier: MakePipeline, make_model: MakeModel, texts: list[str]) -> None:
    vectorizer = TfidfVectorizer(ngram_range=(1, 2))
    # Half of the strings are the vocabulary; a word that is always there, so that it is never empty.
    model = make_model(with_classifier(vectorizer, [*texts[::2], "anchor word"]))
    ours, theirs = model.transform(texts), vectorizer.transform(texts)
    assert np.array_equal(ours.indptr, theirs.indptr)
    assert np.array_equal(ours.indices, theirs.indices)
    assert ours.data.tobytes() == theirs.data.tobytes()


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("path", [SAMPLE, *FILES], ids=lambda path: path.name)
@pytest.mark.parametrize("longest", [1, 2], ids=["words", "words and pairs"])
def test_real_reviews(make_model: MakeModel, path: Path, longest: int) -> None:
    texts = [line.decode(errors="replace") for line in path.read_bytes().split(b"\n")]
    # What a label stands for does not matter here; that both sides give the same one does.
    labels = ["long" if len(text) % 2 else "short" for text in texts]
    for classifier in (LogisticRegression(), LinearSVC(), DecisionTreeClassifier(max_depth=10, random_state=0)):
        vectorizer = TfidfVectorizer(ngram_range=(1, longest), sublinear_tf=True)
        pipeline = make_pipeline(vectorizer, classifier).fit(texts, labels)
        model = make_model(pipeline)
        ours, theirs = model.transform(texts), vectorizer.transform(texts)
        assert np.array_equal(ours.indptr, theirs.indptr)
        assert np.array_equal(ours.indices, theirs.indices)
        assert ours.data.tobytes() == theirs.data.tobytes()
        assert model.score(texts).labels == pipeline.predict(texts).tolist()
