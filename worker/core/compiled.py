"""The compiled model: `scorer.npz` bytes to an object that scores texts, and arrays to those bytes.

The bytes are a zip archive of plain numeric arrays. Nothing in it can run code: there is no pickle, the names of the
members and their types are fixed, and every size is checked before anything is inflated.
`worker/core/compiled_layout.py` lists the arrays and what must hold between them.

A model takes one of two paths with the same results: the compiled kernel once there is one, else plain Python.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
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
from worker.core.scorer_runs import guided, in_runs
from worker.core.scorer_tree import Tree
from worker.core.tfidf import Features, join_matrices

__all__ = ["MAX_MODEL_BYTES", "CompiledModel", "InvalidModel", "pack", "unpack"]

MAX_MODEL_BYTES: Final = 512 * 1024 * 1024
"""The most bytes that a model may have, packed or inflated."""

_TEXT_COST: Final = 256  # in bytes of a text: to score even the shortest takes as long
_RUN_COST: Final = 256 * 1024  # in the same: takes longer than to hand it to a thread
_SAMPLE_TEXTS: Final = 200  # whose lengths tell those of all: to look at each costs as much as to locate it
_FINISHED_TEXTS: Final = kernel_texts.CHUNK_TEXTS  # finished together: few calls, and arrays that stay in a cache

_Raw = Callable[[int, int], Iterable[NDArray[Any]]]
"""What the classifier sees in texts from one number up to another, block by block."""


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
        cost = _characters(texts) + _TEXT_COST * len(texts) if threads > 1 else 0
        bounds = guided(len(texts), threads, most=cost // _RUN_COST)
        return self._score(bounds, lambda first, last: self._paths.raw(texts, first, last), threads)

    def score_arrow(self, texts: ArrowStrings, *, threads: int = 1) -> Scores:
        """Return as `score`, for an Arrow array of strings without nulls, whose bytes are read in place.

        Raises ValueError for another type and for nulls. The strings must be UTF-8, as Arrow demands; other bytes
        give meaningless scores and nothing worse.
        """
        return self._score_blocks(kernel_texts.arrow_offsets(texts), partial(kernel_texts.locate_arrow, texts), threads)

    def score_located(self, texts: Block, *, threads: int = 1) -> Scores:
        """Return as `score`, for texts that are UTF-8 somewhere in memory, and are read there."""
        return self._score_blocks(texts.offsets(), texts.part, threads)

    def transform(self, texts: Sequence[str]) -> Features:
        """Return the TF-IDF features of the texts, as `TfidfVectorizer.transform`."""
        return join_matrices(self._paths.features(texts), len(self._layout.terms), self._layout.weighting.dtype)

    def explain(self, texts: Sequence[str], counts: Sequence[int]) -> dict[str, dict[str, int]]:
        """Return which terms of the texts added what to each label's decision value; see `term_contributions`."""
        return term_contributions(self._layout, self.transform(texts), counts)

    def _score_blocks(self, offsets: NDArray[Any], locate: Callable[[int, int], Block], threads: int) -> Scores:
        def raw(first: int, last: int) -> Iterator[NDArray[Any]]:
            blocks = (locate(*one) for one in kernel_texts.cut(offsets, first, last))
            return chain.from_iterable(map(self._paths.raw_located, blocks))

        bounds = [0, len(offsets) - 1]
        if threads > 1:
            costs = offsets - offsets[0] + _TEXT_COST * np.arange(len(offsets))
            total = int(costs[-1])
            places = np.searchsorted(costs, guided(total, threads, most=total // _RUN_COST))
            bounds = sorted(set(places.tolist()))
        return self._score(bounds, raw, threads)

    def _score(self, bounds: list[int], raw: _Raw, threads: int) -> Scores:
        """Return the scores of the texts from 0 to the last of the bounds, in runs between them."""
        count = bounds[-1]
        nothing = np.empty((0, self._classifier.raw_width), dtype=self._classifier.raw_dtype)
        if len(bounds) <= 2 and count <= _FINISHED_TEXTS:  # noqa: PLR2004 - one run
            return self._classifier.finish(np.concatenate([nothing, *raw(0, count)]))
        scores = self._classifier.finish(nothing).with_length(count)

        def score_run(first: int, last: int) -> None:
            for rows in _in_groups(raw(first, last)):
                scores.put(first, self._classifier.finish(rows))
                first += len(rows)

        in_runs(score_run, bounds, threads=threads)
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


def _characters(texts: Sequence[str]) -> int:
    """Return about how many characters the texts have."""
    sample = range(0, len(texts), len(texts) // _SAMPLE_TEXTS + 1)
    return sum(len(texts[number]) for number in sample) * len(texts) // max(len(sample), 1)
