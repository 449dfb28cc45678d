"""One model under many threads, and under a kernel that comes later."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline

from training.compile import compile_pipeline
from worker.core.compiled import CompiledModel, pack, unpack
from worker.core.kernel import Kernel
from worker.kernel_cache import KernelCache

MakePipeline = Callable[[TfidfVectorizer, Sequence[str]], Pipeline]
MakeModel = Callable[[Pipeline], CompiledModel]


def many_texts(corpus: Sequence[str]) -> list[str]:
    generator = random.Random(5)
    return [" ".join(generator.choices(corpus, k=generator.randrange(1, 40))) for _ in range(1500)]


@pytest.mark.parametrize("count", [2, 900, 4500])
def test_threads_change_nothing(
    count: int, corpus: tuple[str, ...], with_classifier: MakePipeline, make_model: MakeModel
) -> None:
    model = make_model(with_classifier(TfidfVectorizer(ngram_range=(1, 3)), corpus))
    texts = ([text[:200] for text in many_texts(corpus)] * 3)[:count]
    expected = model.score(texts)
    assert expected.decisions is not None
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda threads: model.score(texts, threads=threads), (1, 2, 3, 8)))
    for scores in results:
        assert scores.decisions is not None
        assert scores.decisions.tobytes() == expected.decisions.tobytes()


class LateSupply:
    """A supply whose kernel comes after a number of questions."""

    def __init__(self, kernel: Kernel, questions: int) -> None:
        self._kernel, self._questions = kernel, questions

    def now(self) -> Kernel | None:
        self._questions -= 1
        return self._kernel if self._questions < 0 else None

    def reason(self) -> str:
        return "it is on its way"


def test_the_path_changes_between_blocks_and_the_scores_do_not(
    corpus: tuple[str, ...], with_classifier: MakePipeline, kernel: KernelCache
) -> None:
    data = pack(compile_pipeline(with_classifier(TfidfVectorizer(ngram_range=(1, 2)), corpus)))
    ready = kernel.now()
    assert ready is not None
    model = unpack(data, kernel=LateSupply(ready, questions=3))
    assert model.describe()["path_reason"] == "it is on its way"
    texts = many_texts(corpus)[:900] * 5  # several blocks
    mixed, plain = model.score(texts), unpack(data).score(texts)
    assert model.describe()["path"] == "kernel"
    assert mixed.probabilities is not None
    assert plain.probabilities is not None
    assert mixed.probabilities.tobytes() == plain.probabilities.tobytes()
