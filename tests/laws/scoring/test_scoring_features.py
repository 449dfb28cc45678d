"""Features have the bits of `TfidfVectorizer.transform`, on both paths."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline

from training.compile import compile_pipeline
from worker.core.compiled import CompiledModel, pack, unpack
from worker.kernel_cache import KernelCache

MakePipeline = Callable[[TfidfVectorizer, Sequence[str]], Pipeline]
MakeModel = Callable[[Pipeline], CompiledModel]

OPTIONS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "sublinear": {"sublinear_tf": True},
    "pairs": {"ngram_range": (1, 2), "sublinear_tf": True},
    "only pairs": {"ngram_range": (2, 2)},
    "triples": {"ngram_range": (1, 3)},
    "pairs and triples": {"ngram_range": (2, 3), "norm": "l1"},
    "only triples": {"ngram_range": (3, 3)},
    "case kept": {"lowercase": False, "ngram_range": (1, 2)},
    "no idf": {"use_idf": False},
    "idf not smoothed": {"smooth_idf": False},
    "l1": {"norm": "l1"},
    "no norm": {"norm": None, "sublinear_tf": True},
    "binary": {"binary": True, "ngram_range": (1, 2)},
    "stop words": {"stop_words": "english", "ngram_range": (1, 3)},
    "own stop words": {"stop_words": ["film", "Σας", "нет", "отличный"], "ngram_range": (1, 2)},
    "most frequent": {"max_features": 20, "ngram_range": (1, 3)},
    "document frequency": {"min_df": 2, "max_df": 0.9, "ngram_range": (1, 2)},
}


def assert_same_features(model: CompiledModel, vectorizer: TfidfVectorizer, texts: Sequence[str]) -> None:
    ours, theirs = model.transform(texts), vectorizer.transform(texts)
    assert ours.shape == theirs.shape
    assert np.array_equal(ours.indptr, theirs.indptr)
    assert np.array_equal(ours.indices, theirs.indices)
    assert ours.data.dtype == theirs.data.dtype
    assert ours.data.tobytes() == theirs.data.tobytes()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_every_option_gives_the_same_bits(
    options: dict[str, Any],
    dtype: type[np.floating[Any]],
    corpus: tuple[str, ...],
    with_classifier: MakePipeline,
    make_model: MakeModel,
) -> None:
    vectorizer = TfidfVectorizer(dtype=dtype, **options)
    model = make_model(with_classifier(vectorizer, corpus))
    shuffled = random.Random(7)
    words = [word for text in corpus for word in text.split()]
    unseen = [" ".join(shuffled.choices(words, k=size)) for size in (1, 2, 3, 63, 64, 65, 500)]
    assert_same_features(model, vectorizer, [*corpus, *unseen])


@pytest.mark.parametrize("size", range(56, 140))
def test_a_word_may_cross_the_end_of_a_block_of_64_bytes(
    size: int, with_classifier: MakePipeline, make_model: MakeModel
) -> None:
    texts = ["." * start + "w" * length + "é" * (start % 2) for start in (0, 1, 40, 62, 63, 64) for length in (2, size)]
    vectorizer = TfidfVectorizer()
    assert_same_features(make_model(with_classifier(vectorizer, texts)), vectorizer, texts)


@pytest.mark.filterwarnings("ignore:Upper case characters found in vocabulary")
def test_a_given_vocabulary_may_hold_terms_that_no_text_gives(
    with_classifier: MakePipeline, make_model: MakeModel
) -> None:
    terms = ["film", "good film", "Good", "x", "good  film", " film", "film ", "a!b", "the good film", "the film"]
    vectorizer = TfidfVectorizer(vocabulary=terms, ngram_range=(1, 2), stop_words=["the"], use_idf=False)
    texts = ["the good film", "good  film x Good a!b", "film the film"]
    assert_same_features(make_model(with_classifier(vectorizer, texts)), vectorizer, texts)


def test_batches_of_every_shape_agree_with_single_texts(
    corpus: tuple[str, ...], with_classifier: MakePipeline, make_model: MakeModel
) -> None:
    vectorizer = TfidfVectorizer(ngram_range=(1, 2))
    model = make_model(with_classifier(vectorizer, corpus))
    assert model.transform([]).shape == (0, len(vectorizer.vocabulary_))
    assert len(model.score([])) == 0
    many = list(corpus) * 800  # several blocks
    sums = model.score(many).decisions
    alone = [model.score([text]).decisions for text in corpus]
    assert sums is not None
    assert sums.tolist() == [one[0] for one in alone if one is not None] * 800
    assert_same_features(model, vectorizer, many[:5000])


def test_long_texts_and_long_words(with_classifier: MakePipeline, make_model: MakeModel) -> None:
    texts = [
        "film good " * 60_000,
        "it " * 63_333,
        "film " + "é" * 3000 + " " + "y" * 70_000 + " good",
        "film good 电影 " * 9000,
    ]
    vectorizer = TfidfVectorizer(
        vocabulary=["film", "good", "good film", "it", "it it", "电影"], ngram_range=(1, 2), use_idf=False
    )
    assert_same_features(make_model(with_classifier(vectorizer, texts)), vectorizer, texts)


def test_terms_that_the_kernel_cannot_hold_take_the_plain_path_and_say_so(
    with_classifier: MakePipeline, kernel: KernelCache
) -> None:
    texts = ["ordinary words", "w" * 300 + " ordinary"]
    vectorizer = TfidfVectorizer()
    model = unpack(pack(compile_pipeline(with_classifier(vectorizer, texts))), kernel=kernel)
    assert_same_features(model, vectorizer, texts)
    assert model.describe()["path"] == "python"
    assert re.search("255 bytes", model.describe()["path_reason"])
