"""One model on the compiled kernel: blocks of texts to features, decision sums or leaves."""

import ctypes
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from worker.core import kernel_layout as at
from worker.core.kernel import EntryPoint, Kernel
from worker.core.kernel_characters import characters
from worker.core.kernel_index import Index, address_of, build_index
from worker.core.kernel_memory import ScratchPool
from worker.core.kernel_texts import Block, locate
from worker.core.text import Terms
from worker.core.tfidf import Weighting

_NORMS: Final = {"none": 0, "l1": 1, "l2": 2}
_TREE_FIELDS: Final = {
    "tree_left": at.TREE_LEFT,
    "tree_right": at.TREE_RIGHT,
    "tree_feature": at.TREE_FEATURE,
    "tree_threshold": at.TREE_THRESHOLD,
}

Arrays = Mapping[str, NDArray[Any]]
CompressedRows = tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float64]]


class Engine:
    """A model's tables and classifier in the kernel's form. Safe to use from any number of threads."""

    def __init__(self, kernel: Kernel, terms: Terms, weighting: Weighting) -> None:
        """Build the index. Raises NotIndexable if the kernel cannot hold the vocabulary."""
        self._kernel = kernel
        order = np.argsort(weighting.idf, kind="stable") if weighting.idf.size else np.arange(len(terms))
        self._index: Final[Index] = build_index(kernel, terms, order)
        self._characters: Final = characters(lowercase=terms.lowercase)
        self._pool: Final = ScratchPool(len(terms), weighting.term_frequencies)
        self._ngram_sizes: Final = terms.ngram_max - terms.ngram_min + 1
        self._idf: Final = weighting.idf.astype(np.float64) if weighting.idf.size else np.ones(len(terms))
        self._keep: Final = [self._idf]
        self._model: Final = self._index.block
        self._model[at.ROWS], self._model[at.ROW] = address_of(self._idf), 1
        self._model[at.NORM] = _NORMS[weighting.norm]
        self._model[at.SINGLE] = weighting.single_precision
        self._model[at.PAGE_READY] = address_of(self._characters.ready)
        self._model[at.CHARACTERS] = address_of(self._characters.entries)
        self._address: Final = address_of(self._model)
        self._exponential: Final = _address_of_exp()
        self.has_logistic: Final = self._exponential != 0

    def locate(self, texts: list[str]) -> Block:
        """Return the texts as blocks are made of; see `kernel_texts.locate`."""
        return locate(self._kernel, texts)

    def set_linear(self, coefficients: NDArray[Any], sums_dtype: np.dtype[Any]) -> None:
        """Take the coefficients, shape (width, features), for `score`."""
        rows = np.empty((len(self._idf), 1 + len(coefficients)))  # one cache line for most features
        rows[:, 0], rows[:, 1:] = self._idf, coefficients.T
        self._keep.append(rows)
        self._model[at.ROWS], self._model[at.ROW] = address_of(rows), rows.shape[1]
        self._model[at.WIDTH] = len(coefficients)
        self._model[at.SINGLE_SUM] = sums_dtype == np.float32

    def set_tree(self, arrays: Arrays) -> None:
        """Take the tree's nodes for `walk`."""
        for name, field in _TREE_FIELDS.items():
            array = np.ascontiguousarray(arrays[name])
            self._keep.append(array)
            self._model[field] = address_of(array)

    def score(self, block: Block, *, last_stage: int = at.STAGE_ALL) -> NDArray[np.float64]:
        """Return the decision sums of each text, shape (texts, width). An earlier last stage is for measurements."""
        sums = np.zeros((len(block), int(self._model[at.WIDTH])))
        self._run(self._kernel.score_texts, block, address_of(sums), last_stage=last_stage)
        return sums

    def walk(self, block: Block) -> NDArray[np.int64]:
        """Return the leaf of each text, shape (texts, 1)."""
        leaves = np.zeros((len(block), 1), dtype=np.int64)
        self._run(self._kernel.walk_texts, block, address_of(leaves))
        return leaves

    def transform(self, block: Block) -> CompressedRows:
        """Return indptr, indices and data of the block's rows."""
        indptr = np.zeros(len(block) + 1, dtype=np.int64)
        text_bytes = int((block.ends - block.starts).sum())
        limit = self._ngram_sizes * (text_bytes // 2 + len(block))  # a word has a byte and a space at least
        indices = np.empty(limit, dtype=np.int32)
        data = np.empty(limit, dtype=np.float64)
        self._run(self._kernel.transform_texts, block, address_of(indptr), address_of(indices), address_of(data))
        size = int(indptr[-1])
        return indptr, indices[:size].copy(), data[:size].copy()

    def logistic(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the logistic function of each value, with the C library's `exp`. Only where `has_logistic`."""
        results = np.array(values, dtype=np.float64, order="C")
        self._kernel.logistic(address_of(results), results.size, self._exponential)
        return results

    def _run(self, entry_point: EntryPoint, block: Block, *results: int, last_stage: int = at.STAGE_ALL) -> None:
        """Run an entry point over a block, helping with what it asks for."""
        scratch = self._pool.take(block.longest)
        scratch.block[at.LAST_STAGE] = last_stage
        starts, ends, count, done = address_of(block.starts), address_of(block.ends), len(block), 0
        while done < count:
            done = entry_point(self._address, scratch.address, starts, ends, done, count, *results)
            if done < count and scratch.block[at.NEEDED] == at.LOWER_CASE:
                block.lower(done)
            elif done < count:
                self._characters.fill(int(scratch.block[at.NEEDED]))
        self._pool.give_back(scratch)


def _address_of_exp() -> int:
    """Return the address of the C library's `exp` in this process, 0 where it cannot be found (as on Windows)."""
    try:
        return ctypes.cast(ctypes.CDLL(None).exp, ctypes.c_void_p).value or 0
    except (AttributeError, OSError, TypeError):
        return 0
