"""Decision values to probabilities: scikit-learn's formulas, in its order of operations."""

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Logistic = Callable[[NDArray[Any]], NDArray[Any]]
"""Returns the logistic function of each value."""

_LARGEST_POWER: Final = 709.782712893384
"""Beyond it `math.exp` raises where C returns infinity."""


def logistic(values: NDArray[Any]) -> NDArray[Any]:
    """Return the logistic function, computed with the C library's `exp` as in `scipy.special.expit`.

    NumPy's own vectorised `exp` differs from it in the last bit of one value in fifty.
    """
    powers = (-values).astype(np.float64).ravel()
    limited = np.minimum(powers, _LARGEST_POWER).tolist()
    with np.errstate(over="ignore"):  # in single precision: infinity, as in C
        exponentials = np.fromiter(map(math.exp, limited), dtype=values.dtype, count=len(limited))
    exponentials[powers > _LARGEST_POWER] = np.inf
    one = values.dtype.type(1.0)
    quotient: NDArray[Any] = one / (one + exponentials.reshape(values.shape))
    return quotient


def two_classes(logistics: NDArray[Any]) -> NDArray[Any]:
    """Return the probabilities of both classes, (n, 2), from (n, 1): `LinearClassifierMixin._predict_proba_lr`."""
    return np.concatenate([1 - logistics, logistics], axis=1)


def softmax(decisions: NDArray[Any]) -> NDArray[Any]:
    """Return `sklearn.utils.extmath.softmax` of decisions, (n, c)."""
    shifted: NDArray[Any] = decisions - decisions.max(axis=1).reshape(-1, 1)
    np.exp(shifted, out=shifted)
    shifted /= shifted.sum(axis=1).reshape(-1, 1)
    return shifted


def one_vs_rest(logistics: NDArray[Any]) -> NDArray[Any]:
    """Return the probabilities of `OneVsRestClassifier`, (n, c), from (n, k).

    Columns are added in their order, as NumPy does for a batch, whose columns are the rows of a transposed array there;
    of a single row it adds eight and more in another order, and a row must not depend on the batch that it is in.
    """
    each = two_classes(logistics) if logistics.shape[1] == 1 else logistics
    totals = each[:, :1].copy()
    for column in range(1, each.shape[1]):
        totals += each[:, column : column + 1]
    shares: NDArray[np.float64] = np.divide(each, totals, out=each.copy(), where=totals != 0)
    return shares


def calibrated(sigmoids: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probabilities of one calibrated model, (n, c), from its sigmoids, (n, k).

    Source: `sklearn.calibration._CalibratedClassifier.predict_proba`.
    """
    if sigmoids.shape[1] == 1:
        return two_classes(sigmoids)
    totals = sigmoids.sum(axis=1)[:, np.newaxis]
    uniform = np.full_like(sigmoids, 1 / sigmoids.shape[1])
    result: NDArray[np.float64] = np.divide(sigmoids, totals, out=uniform, where=totals != 0)
    result[(result > 1.0) & (result <= 1.0 + 1e-5)] = 1.0
    return result
