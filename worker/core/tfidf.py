"""Texts to TF-IDF features, equal to `TfidfVectorizer.transform` to the last bit.

The order of every floating-point operation follows scikit-learn 1.9: `TfidfTransformer.transform` and
`_inplace_csr_row_normalize_l2` in `sklearn/utils/sparsefuncs_fast.pyx`, over columns in ascending order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from worker.core.kernel import KernelSupply
from worker.core.text import Terms

Norm = Literal["none", "l1", "l2"]


@dataclass(frozen=True, slots=True)
class Weighting:
    """How counts become weights. `idf` has one value a feature, or none at all when idf is off."""

    idf: NDArray[Any]
    sublinear_tf: bool
    binary: bool
    norm: Norm
    single_precision: bool

    @property
    def dtype(self) -> np.dtype[Any]:
        """The element type of the weights."""
        return np.dtype(np.float32 if self.single_precision else np.float64)

    def weigh(self, columns: NDArray[np.int32], counts: NDArray[np.int64]) -> NDArray[Any]:
        """Return the weights of one text; columns ascend. Returns float32 with single precision, else float64."""
        weights = np.ones(len(counts), dtype=self.dtype) if self.binary else counts.astype(self.dtype)
        if not len(weights):
            return weights
        if self.sublinear_tf:
            np.log(weights, out=weights)
            weights += 1.0
        if self.idf.size:
            weights *= self.idf[columns]
        if self.norm != "none":
            _normalize(weights, self.norm)
        return weights


def _normalize(weights: NDArray[Any], norm: Norm) -> None:
    """Divide by the norm in place. `accumulate` adds from left to right, as scikit-learn's loop; `sum` would not."""
    parts = weights * weights if norm == "l2" else np.abs(weights)
    total = np.add.accumulate(parts, dtype=np.float64)[-1]
    if total == 0.0:
        return
    divisor = np.sqrt(total) if norm == "l2" else total
    np.divide(weights, divisor, out=weights, dtype=np.float64, casting="same_kind")


@dataclass(frozen=True, slots=True)
class Features:
    """A matrix of shape (texts, features) in compressed sparse rows; columns ascend in each row."""

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    data: NDArray[Any]
    shape: tuple[int, int]

    def row(self, number: int) -> tuple[NDArray[np.int32], NDArray[Any]]:
        """Columns and weights of one text."""
        part = slice(self.indptr[number], self.indptr[number + 1])
        return self.indices[part], self.data[part]


class Vectorizer:
    """A vocabulary with its weighting. Any number of threads may use it."""

    def __init__(self, terms: Terms, weighting: Weighting, kernel: KernelSupply | None = None) -> None:
        self.terms: Final = terms
        self.weighting: Final = weighting
        self._kernel = kernel

    def path(self) -> str:
        """Which path texts take now: "kernel" or "python"."""
        return "python"

    def transform(self, texts: Sequence[str]) -> Features:
        """Return the features of the texts."""
        rows = [self.row(text) for text in texts]
        indptr = np.zeros(len(rows) + 1, dtype=np.int64)
        np.cumsum([len(columns) for columns, _ in rows], out=indptr[1:])
        return Features(
            indptr=indptr,
            indices=np.concatenate([np.empty(0, dtype=np.int32), *(columns for columns, _ in rows)]),
            data=np.concatenate([np.empty(0, dtype=self.weighting.dtype), *(weights for _, weights in rows)]),
            shape=(len(rows), len(self.terms)),
        )

    def row(self, text: str) -> tuple[NDArray[np.int32], NDArray[Any]]:
        """Columns and weights of one text."""
        counts = self.terms.counts(text)
        columns = np.array(sorted(counts), dtype=np.int32)
        return columns, self.weighting.weigh(columns, np.array([counts[c] for c in columns.tolist()], dtype=np.int64))
