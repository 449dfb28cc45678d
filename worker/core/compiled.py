"""The compiled model: `scorer.npz` bytes to an object that scores texts, and arrays to those bytes.

The bytes are a zip archive of plain numeric arrays. Nothing in it can run code: there is no pickle, the names of the
members and their types are fixed, and every size is checked before anything is inflated.
`worker/core/compiled_layout.py` lists the arrays and what must hold between them.

A model takes one of two paths with the same results: the compiled kernel once there is one, else plain Python.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
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
from worker.core.scorer import Classifier, Scores
from worker.core.scorer_linear import Linear
from worker.core.scorer_runs import in_runs
from worker.core.scorer_tree import Tree
from worker.core.tfidf import Features, join_matrices

__all__ = ["MAX_MODEL_BYTES", "CompiledModel", "InvalidModel", "pack", "unpack"]

MAX_MODEL_BYTES: Final = 512 * 1024 * 1024
"""The most bytes that a model may have, packed or inflated."""

_RUN_TEXTS: Final = 1_000
_RUN_CHARACTERS: Final = 256 * 1024
"""So many texts, or so many characters, take longer than to start a thread for them."""
_SAMPLE_TEXTS: Final = 200  # whose lengths tell those of all: to look at each costs as much as to locate it
_FINISHED_TEXTS: Final = 8192  # finished together: few calls, and arrays that stay in a cache

_Raw = tuple[int, Iterable[NDArray[Any]]]
"""The number of a run's first text, and what the classifier sees in its texts, block by block."""


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
        most = _runs_worth(texts) if threads > 1 else 1
        return self._score(len(texts), len(texts), lambda run: (run[0], self._paths.raw(texts, *run)), threads, most)

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
        def raw(run: tuple[int, int]) -> _Raw:
            blocks = (locate(*one) for one in slices[slice(*run)])
            return slices[run[0]][0], chain.from_iterable(map(self._paths.raw_located, blocks))

        count = slices[-1][1] if slices else 0
        return self._score(count, len(slices), raw, threads, most=len(slices))

    def _score(self, count: int, size: int, raw: Callable[[tuple[int, int]], _Raw], threads: int, most: int) -> Scores:
        """Return the scores of so many texts, of which there are runs from 0 to `size`, at most `most` worth a run."""
        threads = min(threads, most)
        nothing = np.empty((0, self._classifier.raw_width), dtype=self._classifier.raw_dtype)
        if threads <= 1 and count <= _FINISHED_TEXTS:
            return self._classifier.finish(np.concatenate([nothing, *raw((0, size))[1]]) if size else nothing)
        scores = self._classifier.finish(nothing).with_length(count)

        def score_run(first: int, last: int) -> None:
            place, blocks = raw((first, last))
            for rows in _in_groups(blocks):
                scores.put(place, self._classifier.finish(rows))
                place += len(rows)

        in_runs(score_run, size, threads=threads, most=most)
        return scores


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


def _in_groups(blocks: Iterable[NDArray[Any]]) -> Iterator[NDArray[Any]]:
    """Yield the rows of consecutive blocks, joined until there are enough to finish them together."""
    held: list[NDArray[Any]] = []
    for block in blocks:
        held.append(block)
        if sum(map(len, held)) >= _FINISHED_TEXTS:
            yield held[0] if len(held) == 1 else np.concatenate(held)
            held.clear()
    if held:
        yield np.concatenate(held)


def _runs_worth(texts: Sequence[str]) -> int:
    """Return into how many runs the texts can be cut of which each takes longer than to start a thread for it."""
    sample = range(0, len(texts), len(texts) // _SAMPLE_TEXTS + 1)
    characters = sum(len(texts[number]) for number in sample) * len(texts) // max(len(sample), 1)
    return max(len(texts) // _RUN_TEXTS, characters // _RUN_CHARACTERS)
