"""Strings are read where they lie in memory, or copied where that cannot be, with the same features."""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline

from training.compile import compile_pipeline
from worker.core.compiled import CompiledModel, pack, unpack
from worker.kernel_cache import KernelCache

MakePipeline = Callable[[TfidfVectorizer, Sequence[str]], Pipeline]

PAGE = 4096


class Title(str):
    """A string of another class."""

    __slots__ = ()


@pytest.fixture(scope="module")
def vectorizer() -> TfidfVectorizer:
    return TfidfVectorizer(ngram_range=(1, 2))


@pytest.fixture(scope="module")
def model(
    vectorizer: TfidfVectorizer, corpus: tuple[str, ...], with_classifier: MakePipeline, kernel: KernelCache
) -> CompiledModel:
    made = unpack(pack(compile_pipeline(with_classifier(vectorizer, [*corpus, "end οδος οδοσ"]))), kernel=kernel)
    assert made.describe()["path"] == "kernel"
    return made


def assert_same(model: CompiledModel, vectorizer: TfidfVectorizer, texts: Sequence[str]) -> None:
    ours, theirs = model.transform(texts), vectorizer.transform(texts)
    assert np.array_equal(ours.indptr, theirs.indptr)
    assert np.array_equal(ours.indices, theirs.indices)
    assert ours.data.tobytes() == theirs.data.tobytes()
    sums = model.score(texts).decisions
    assert sums is not None
    # The coefficients are ones, and SciPy multiplies a row at a time, so one product stands for all.
    assert sums.tobytes() == (theirs @ np.ones((theirs.shape[1], 1)))[:, 0].tobytes()


def test_strings_of_every_kind_beside_one_another(model: CompiledModel, vectorizer: TfidfVectorizer) -> None:
    kinds = ["", "a film", "caf\xe9 film", "\u7535\u5f71 film", "\U0001f44d film", Title("a Title film")]
    assert_same(model, vectorizer, kinds * 700)
    assert_same(model, vectorizer, tuple(kinds) * 700)
    assert_same(model, vectorizer, [*kinds, "lone \udc80 film", "film\ud800", *kinds] * 300)


@pytest.mark.parametrize(
    "sigma", ["\u039f\u0394\u039f\u03a3", "\u039f\u0394\u039f\u03a3\u0391 \u039f\u0394\u039f\u03a3"]
)
def test_a_text_that_only_python_can_lower_among_others(
    sigma: str, model: CompiledModel, vectorizer: TfidfVectorizer
) -> None:
    texts = ["a good film", sigma, "the end", f"film {sigma}. End", sigma] * 500
    assert_same(model, vectorizer, texts)
    assert_same(model, vectorizer, [*texts, "lone \udc80 surrogate"])


def test_texts_in_memory_in_any_order(model: CompiledModel, corpus: Sequence[str]) -> None:
    generator = random.Random(3)
    texts = [" ".join(generator.choices(corpus, k=generator.randrange(4))) for _ in range(6000)]
    generator.shuffle(texts)
    expected = model.score(texts).decisions
    copies = [f"{text}."[:-1] for text in texts]
    del texts[::2]  # holes between the strings
    gc.collect()
    found = model.score(copies).decisions
    assert expected is not None
    assert found is not None
    assert found.tobytes() == expected.tobytes()


def test_a_lower_case_that_is_longer_and_ends_anywhere_in_a_page(
    model: CompiledModel, vectorizer: TfidfVectorizer
) -> None:
    longer = "\u023a" * 3000  # two bytes each, their lower case three
    texts = [f"{longer} film \u039f\u0394\u039f\u03a3 {'x' * tail}" for tail in range(0, PAGE, 31)]
    assert_same(model, vectorizer, texts)


def test_texts_too_long_for_the_kernel_among_others(model: CompiledModel, vectorizer: TfidfVectorizer) -> None:
    long = "good film caf\xe9 " * 20_000
    assert_same(model, vectorizer, ["a film", long, "the end", "good", long, long, ""])


@pytest.mark.parametrize("other", [None, 1, b"film", ["film"]], ids=str)
def test_what_is_no_string_is_refused(other: object, model: CompiledModel) -> None:
    texts: list[str] = ["film", other] * 2000  # type: ignore[list-item]  # what is tested
    for threads in (1, 2):
        with pytest.raises(TypeError):
            model.score(texts[:2], threads=threads)
        with pytest.raises(TypeError):
            model.score(texts, threads=threads)
