"""The compiled model: `scorer.npz` bytes to an object that scores texts, and arrays to those bytes.

The bytes are a zip archive of plain numeric arrays. Nothing in it can run code: there is no pickle, the names of the
members and their types are fixed, and every size is checked before anything is inflated.
`worker/core/compiled_layout.py` lists the arrays and what must hold between them.

A model takes one of two paths with the same results: the compiled kernel once there is one, else plain Python.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from worker.core import compiled_archive, kernel_texts
from worker.core.compiled_errors import InvalidModel
from worker.core.compiled_layout import Layout, read_layout
from worker.core.compiled_paths import Paths
from worker.core.kernel import KernelSupply
from worker.core.kernel_texts import ArrowStrings, Block
from worker.core.report_terms import term_contributions
from worker.core.scorer import Classifier, Scores, join_scores
from worker.core.scorer_linear import Linear
from worker.core.scorer_tree import Tree
from worker.core.tfidf import Features, join_matrices

__all__ = ["MAX_MODEL_BYTES", "CompiledModel", "InvalidModel", "pack", "unpack"]

MAX_MODEL_BYTES: Final = 512 * 1024 * 1024
"""The most bytes that a model may have, packed or inflated."""

_RUNS_PER_THREAD: Final = 4  # enough to even out, few enough that handing them over costs nothing
_RUN_TEXTS: Final = 1_000
_RUN_CHARACTERS: Final = 256 * 1024
"""A run of so many texts, or of so many characters, takes longer than to start a thread for it."""


class CompiledModel:
    """A text classifier made of plain arrays. Any number of threads may use it."""

    def __init__(self, layout: Layout, kernel: KernelSupply | None = None) -> None:
        """Prepare whichever path can be taken now. Raises InvalidModel if the vocabulary holds a term twice."""
        self._layout = layout
        self._classifier: Final = _make_classifier(layout)
        self._paths: Final = Paths(layout, self._classifier, kernel)

    @property
    def labels(self) -> tuple[str, ...]:
        """The class labels, in the order of the columns of `Scores.probabilities`."""
        return self._layout.labels

    def describe(self) -> dict[str, Any]:
        """Return what the model is, as JSON values: classifier, labels, options, and the path that it takes and why."""
        return {**self._layout.summary(), **self._paths.describe()}

    def score(self, texts: Sequence[str], *, threads: int = 1) -> Scores:
        """Return labels, probabilities and decision values of the texts, in their order.

        Beside the result, memory is bounded by a block of texts for each thread. Threads help on the kernel only: plain
        Python holds the interpreter lock.
        """
        worth = len(texts) // _RUN_TEXTS
        if worth < threads:
            worth = max(worth, sum(map(len, texts)) // _RUN_CHARACTERS)
        return _in_runs(
            lambda first, last: self._finish(self._paths.raw(texts, first, last)), len(texts), threads, worth=worth
        )

    def score_arrow(self, texts: ArrowStrings, *, threads: int = 1) -> Scores:
        """Return as `score`, for an Arrow array of strings without nulls, whose bytes are read in place.

        Raises ValueError for another type and for nulls. The strings must be UTF-8, as Arrow demands; other bytes
        give meaningless scores and nothing worse.
        """
        return self._score_slices(
            kernel_texts.arrow_slices(texts), lambda first, last: kernel_texts.locate_arrow(texts, first, last), threads
        )

    def score_located(self, texts: Block, *, threads: int = 1) -> Scores:
        """Return as `score`, for texts that are UTF-8 somewhere in memory, and are read there."""
        return self._score_slices(texts.cut(), texts.part, threads)

    def transform(self, texts: Sequence[str]) -> Features:
        """Return the TF-IDF features of the texts, as `TfidfVectorizer.transform`."""
        return join_matrices(self._paths.features(texts), len(self._layout.terms), self._layout.weighting.dtype)

    def explain(self, texts: Sequence[str], counts: Sequence[int]) -> dict[str, dict[str, int]]:
        """Return which terms of the texts added what to each label's decision value; see `term_contributions`."""
        return term_contributions(self._layout, self.transform(texts), counts)

    def _score_slices(self, slices: list[tuple[int, int]], locate: Callable[[int, int], Block], threads: int) -> Scores:
        def score_run(first: int, last: int) -> Scores:
            return self._finish([raw for one in slices[first:last] for raw in self._paths.raw_located(locate(*one))])

        return _in_runs(score_run, len(slices), threads, worth=len(slices))

    def _finish(self, parts: list[NDArray[Any]]) -> Scores:
        """Return the scores of consecutive blocks from what the classifier saw in them."""
        if len(parts) == 1:
            return self._classifier.finish(parts[0])
        empty = np.empty((0, self._classifier.raw_width), dtype=self._classifier.raw_dtype)
        return self._classifier.finish(np.concatenate([empty, *parts]))


def pack(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return the bytes of `scorer.npz`; equal arrays give equal bytes. Raises InvalidModel if they are no model."""
    checked = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    CompiledModel(read_layout(checked))
    return compiled_archive.write(checked)


def unpack(data: bytes, *, max_bytes: int = MAX_MODEL_BYTES, kernel: KernelSupply | None = None) -> CompiledModel:
    """Return the model in the bytes of a `scorer.npz`, checked. Raises only InvalidModel, whatever the bytes are.

    `max_bytes` bounds both the archive and what it inflates to. Without `kernel` the model scores in plain Python.
    """
    return CompiledModel(read_layout(compiled_archive.read(data, max_bytes=max_bytes)), kernel)


def _make_classifier(layout: Layout) -> Classifier:
    if layout.kind == "tree":
        return Tree(layout.labels, layout.arrays)
    return Linear(layout.kind, layout.labels, layout.arrays, layout.weighting.dtype)


def _in_runs(work: Callable[[int, int], Scores], count: int, threads: int, *, worth: int) -> Scores:
    """Do the work for 0 to count in consecutive runs, at most `worth` of them, on this thread and others."""
    threads = min(threads, worth)
    if threads <= 1:
        return work(0, count)
    size = -(-count // min(worth, threads * _RUNS_PER_THREAD))
    runs = [(first, min(first + size, count)) for first in range(0, count, size)]
    results: dict[int, Scores] = {}
    waiting = iter(enumerate(runs))  # shared: each run goes to whoever asks for the next

    def do_runs() -> None:
        for number, run in waiting:
            results[number] = work(*run)

    with ThreadPoolExecutor(threads - 1) as pool:
        others = [pool.submit(do_runs) for _ in range(threads - 1)]
        do_runs()
        for other in others:
            other.result()
    return join_scores([results[number] for number in range(len(runs))])
