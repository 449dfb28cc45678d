"""Texts to TF-IDF features, equal to `TfidfVectorizer.transform` to the last bit.

The order of every floating-point operation follows scikit-learn 1.9: `TfidfTransformer.transform` and
`_inplace_csr_row_normalize_l2` in `sklearn/utils/sparsefuncs_fast.pyx`, over columns in ascending order.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

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
        """Return the weights of one text, of `dtype`; columns ascend."""
        weights = self._of_counts(counts)
        if not len(weights):
            return weights
        if self.idf.size:
            weights *= self.idf[columns]
        if self.norm != "none":
            _normalize(weights, self.norm)
        return weights

    def term_frequencies(self, size: int) -> NDArray[np.float64]:
        """Return the weights of 0 to size - 1 occurrences before idf. Element 0 is never used."""
        counts = np.arange(size)
        counts[0] = 1
        return self._of_counts(counts).astype(np.float64)

    def _of_counts(self, counts: NDArray[np.int64]) -> NDArray[Any]:
        weights = np.ones(len(counts), dtype=self.dtype) if self.binary else counts.astype(self.dtype)
        if self.sublinear_tf:
            np.log(weights, out=weights)
            weights += 1.0
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


Row = tuple[NDArray[np.int32], NDArray[Any]]


def plain_row(terms: Terms, weighting: Weighting, text: str) -> Row:
    """Return columns and weights of one text by the plain path."""
    counts = terms.counts(text)
    columns = np.array(sorted(counts), dtype=np.int32)
    return columns, weighting.weigh(columns, np.array([counts[c] for c in columns.tolist()], dtype=np.int64))


def join_rows(rows: list[Row], features: int, dtype: np.dtype[Any]) -> Features:
    """Return the matrix of rows."""
    indptr = np.zeros(len(rows) + 1, dtype=np.int64)
    np.cumsum([len(columns) for columns, _ in rows], out=indptr[1:])
    return Features(
        indptr=indptr,
        indices=np.concatenate([np.empty(0, dtype=np.int32), *(columns for columns, _ in rows)]),
        data=np.concatenate([np.empty(0, dtype=dtype), *(weights for _, weights in rows)]),
        shape=(len(rows), features),
    )


def join_matrices(parts: list[Features], features: int, dtype: np.dtype[Any]) -> Features:
    """Return the matrix of several matrices below one another."""
    sizes = [int(part.indptr[-1]) for part in parts]
    starts = np.cumsum([0, *sizes])[:-1]
    indptr = [part.indptr[1:] + start for part, start in zip(parts, starts, strict=True)]
    return Features(
        indptr=np.concatenate([np.zeros(1, dtype=np.int64), *indptr]),
        indices=np.concatenate([np.empty(0, dtype=np.int32), *(part.indices for part in parts)]),
        data=np.concatenate([np.empty(0, dtype=dtype), *(part.data for part in parts)]),
        shape=(sum(part.shape[0] for part in parts), features),
    )
