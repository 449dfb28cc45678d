"""Both paths of a compiled model under one suite: plain Python and the kernel must give scikit-learn's bits."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from training.compile import compile_pipeline
from worker.core.compiled import CompiledModel, pack, unpack
from worker.core.kernel import KernelSupply
from worker.kernel_cache import KernelCache
from worker.kernel_folder import default_folder

CORPUS = (
    "A remarkable film: the acting is superb, the story isn't.",
    "the film the film THE FILM the film is the film",
    "Café crème brûlée déjà-vu; naïve œuvre, STRAẞE und Straße",
    "İstanbul ILIK ısı İİİ ΟΔΥΣΣΕΥΣ ΣΑΣ σας ΑΣ. ΑΣΑ",
    "电影 很好看 这部电影真的很好看 a 的",
    "фильм ОТЛИЧНЫЙ, очень отличный фильм",
    "under_score __init__ 42 x2 2x ٣٤ ½½ ⅣⅤ ²³",
    "incomprehensibilities pneumonoultramicroscopicsilicovolcanoconiosis eightchr ninechars sixteencharacter",
    "e\u0301tude cafe\u0301 \u0301\u0301 a\u0301a nai\u0308ve zero\u200djoin soft\u00adhyphen 👍 👍🏽 great👍",
    "",
    "a b c . !",
    "good good good bad bad not good not good at all not",
    "\u212a\u212b Kelvin ﬁne ﬂow ǅ ǆ Ǆ ꭰ Ꭰ",
)
"""Words of every length class, cases that fold oddly, scripts of two, three and four bytes, empty rows."""

MakePipeline = Callable[[TfidfVectorizer, Sequence[str]], Pipeline]
MakeModel = Callable[[Pipeline], CompiledModel]


@pytest.fixture(scope="session")
def kernel() -> Iterator[KernelCache]:
    """The kernel that `make setup` compiled, in this machine's folder; compiled now where it did not."""
    cache = KernelCache(default_folder(os.environ))
    assert cache.wait(timeout_s=110) is not None, cache.reason()
    yield cache
    cache.close()


@pytest.fixture(scope="session", params=["python", "kernel"])
def supply(request: pytest.FixtureRequest) -> KernelSupply | None:
    if request.param == "python":
        return None
    cache: KernelCache = request.getfixturevalue("kernel")
    return cache


@pytest.fixture(scope="session")
def corpus() -> tuple[str, ...]:
    return CORPUS


@pytest.fixture(scope="session")
def make_model(supply: KernelSupply | None) -> MakeModel:
    """Take a fitted pipeline through the bytes of its compiled form."""

    def make(pipeline: Pipeline) -> CompiledModel:
        model = unpack(pack(compile_pipeline(pipeline)), kernel=supply)
        assert model.describe()["path"] == ("python" if supply is None else "kernel")
        return model

    return make


@pytest.fixture(scope="session")
def with_classifier() -> MakePipeline:
    """Fit the vectoriser and put any linear classifier behind it: for tests of the features."""

    def make(vectorizer: TfidfVectorizer, texts: Sequence[str]) -> Pipeline:
        vectorizer.fit(texts)
        classifier = LogisticRegression()
        classifier.coef_ = np.ones((1, len(vectorizer.vocabulary_)))
        classifier.intercept_ = np.zeros(1)
        classifier.classes_ = np.array([0, 1])
        classifier.n_features_in_ = len(vectorizer.vocabulary_)
        return Pipeline([("vectorizer", vectorizer), ("classifier", classifier)])

    return make
