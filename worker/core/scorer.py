"""TF-IDF weights to labels, decision values and probabilities, as scikit-learn computes them but without it.

Labels and decision values have scikit-learn's bits: SciPy multiplies a sparse row with the coefficients by adding one
product after the other in column order (`csr_matvecs` in `scipy/sparse/sparsetools/csr.h`), and so does this module.
(SciPy's builds for x86-64 do so without fused multiply-add. A build that fuses can differ in the last bit.)
Probabilities of double precision come from the same formulas with the C library's `exp`, which SciPy's `expit` calls
too; where another C library or NumPy is used than at training they agree within 1e-12. Those of a single-precision
logistic regression agree within 1e-6: SciPy computes them with a single-precision `exp`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from worker.core.kernel_engine import Engine
from worker.core.kernel_texts import Block

Kind = Literal["logistic", "softmax", "one_vs_rest", "linear", "calibrated", "tree"]
"""How decisions become labels and probabilities.

- logistic: LogisticRegression of two classes;
- softmax: LogisticRegression of three or more;
- one_vs_rest: OneVsRestClassifier(LogisticRegression);
- linear: LinearSVC, no probabilities;
- calibrated: CalibratedClassifierCV(LinearSVC) with Platt's sigmoid;
- tree: DecisionTreeClassifier.
"""


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of n texts for c classes.

    `chosen` holds the column of each predicted label. `probabilities` is (n, c), or None where the classifier has none
    (linear SVC without calibration). `decisions` is (n,) for two classes, else (n, c), as scikit-learn's
    `decision_function`; None for a tree and for an ensemble of calibrated models.
    """

    classes: tuple[str, ...]
    chosen: NDArray[np.intp]
    probabilities: NDArray[np.float64] | None
    decisions: NDArray[np.float64] | None

    @property
    def labels(self) -> list[str]:
        """The predicted label of each text."""
        return [self.classes[column] for column in self.chosen.tolist()]

    def confidence(self, i: int) -> float | None:
        """Return the probability of the label predicted for text i; None where the classifier has no probabilities."""
        return None if self.probabilities is None else float(self.probabilities[i, self.chosen[i]])

    def __len__(self) -> int:
        return len(self.chosen)


class Classifier(Protocol):
    """The second half of a model. `raw` runs once a text, `finish` once a block."""

    raw_width: int
    raw_dtype: np.dtype[Any]

    def raw(self, columns: NDArray[np.int32], weights: NDArray[Any]) -> NDArray[Any]:
        """Return what the classifier sees in one text, shape (raw_width,). Columns ascend."""

    def finish(self, raw: NDArray[Any]) -> Scores:
        """Return scores from the raw values of n texts, shape (n, raw_width)."""

    def install(self, engine: Engine) -> None:
        """Hand the classifier's arrays to the kernel."""

    def run(self, engine: Engine, block: Block) -> NDArray[Any]:
        """Return the raw values of a block of texts, computed by the kernel, shape (n, raw_width)."""


def make_classifier(
    kind: Kind, labels: tuple[str, ...], arrays: Mapping[str, NDArray[Any]], weights_dtype: np.dtype[Any]
) -> Classifier:
    """Return the classifier in checked arrays; see `worker/core/compiled_layout.py` for their shapes."""
    if kind == "tree":
        return Tree(labels, arrays)
    return Linear(kind, labels, arrays, weights_dtype)


class Linear:
    """Logistic regression and linear SVC: m models of k decision values each, m > 1 only in a calibrated ensemble."""

    def __init__(
        self,
        kind: Kind,
        labels: tuple[str, ...],
        arrays: Mapping[str, NDArray[Any]],
        weights_dtype: np.dtype[Any],
    ) -> None:
        coefficients = arrays["coefficients"]
        self.models, self.decisions, features = coefficients.shape
        self.raw_width = self.models * self.decisions
        self.raw_dtype = np.result_type(coefficients.dtype, weights_dtype)
        self.coefficients: Final = coefficients.reshape(self.raw_width, features)
        self._kind = kind
        self._labels = labels
        self._arrays = arrays

    def raw(self, columns: NDArray[np.int32], weights: NDArray[Any]) -> NDArray[Any]:
        """Return the products of the weights with each row of coefficients, added from left to right."""
        if not len(columns):
            return np.zeros(self.raw_width, dtype=self.raw_dtype)
        products = (self.coefficients[:, columns] * weights).astype(self.raw_dtype, copy=False)
        sums: NDArray[Any] = np.add.accumulate(products, axis=1)[:, -1]
        sums += 0.0  # SciPy's sums start at +0.0, so none of them is -0.0
        return sums

    def install(self, engine: Engine) -> None:
        """Hand over the coefficients."""
        engine.set_linear(self.coefficients, self.raw_dtype)

    def run(self, engine: Engine, block: Block) -> NDArray[Any]:
        """Return the sums of products of a block of texts."""
        return engine.score(block).astype(self.raw_dtype, copy=False)

    def finish(self, raw: NDArray[Any]) -> Scores:
        """Add the intercepts, then what the kind of classifier asks for."""
        values = raw.reshape(-1, self.models, self.decisions) + self._arrays["intercepts"]
        if self._kind == "calibrated":
            return self._finish_calibrated(values)
        decisions = values[:, 0, :]
        if self.decisions == 1:
            chosen = (decisions[:, 0] > 0).astype(np.intp)
        elif self._kind == "one_vs_rest":
            chosen = self.decisions - 1 - decisions[:, ::-1].argmax(axis=1)  # the last of equals, as scikit-learn
        else:
            chosen = decisions.argmax(axis=1)
        return Scores(
            classes=self._labels,
            chosen=chosen,
            probabilities=_PROBABILITIES[self._kind](decisions).astype(np.float64, copy=False)
            if self._kind != "linear"
            else None,
            decisions=_flat(decisions),
        )

    def _finish_calibrated(self, values: NDArray[np.float64]) -> Scores:
        """Return the mean over the folds of the calibrated probabilities (`_CalibratedClassifier.predict_proba`)."""
        mean = np.zeros((len(values), len(self._labels)))
        for fold in range(self.models):
            slopes, offsets = self._arrays["slopes"][fold], self._arrays["offsets"][fold]
            mean += _calibrate(expit(-(slopes * values[:, fold, :] + offsets)))
        mean /= self.models
        return Scores(
            classes=self._labels,
            chosen=mean.argmax(axis=1),
            probabilities=mean,
            decisions=_flat(values[:, 0, :]) if self.models == 1 else None,
        )


class Tree:
    """A decision tree: scikit-learn walks it with weights rounded to single precision."""

    def __init__(self, labels: tuple[str, ...], arrays: Mapping[str, NDArray[Any]]) -> None:
        self.raw_width = 1
        self.raw_dtype = np.dtype(np.int64)
        self.nodes: Final = arrays
        self._labels = labels
        names = ("tree_left", "tree_right", "tree_feature", "tree_threshold")
        self._left, self._right, self._feature, self._threshold = (arrays[name] for name in names)

    def raw(self, columns: NDArray[np.int32], weights: NDArray[Any]) -> NDArray[Any]:
        """Return the number of the leaf that the text falls into. The walk ends: children come after their parent."""
        found = dict(zip(columns.tolist(), weights.astype(np.float32).tolist(), strict=True))
        node = 0
        while self._left[node] != -1:
            goes_left = found.get(int(self._feature[node]), 0.0) <= self._threshold[node]
            node = int(self._left[node] if goes_left else self._right[node])
        return np.array([node], dtype=np.int64)

    def install(self, engine: Engine) -> None:
        """Hand over the nodes."""
        engine.set_tree(self.nodes)

    def run(self, engine: Engine, block: Block) -> NDArray[Any]:
        """Return the leaves of a block of texts."""
        return engine.walk(block)

    def finish(self, raw: NDArray[Any]) -> Scores:
        """Return the leaves' class frequencies."""
        probabilities = self.nodes["tree_values"][raw[:, 0]]
        return Scores(
            classes=self._labels, chosen=probabilities.argmax(axis=1), probabilities=probabilities, decisions=None
        )


def expit(values: NDArray[Any]) -> NDArray[Any]:
    """Return the logistic function, computed with the C library's `exp` as in `scipy.special.expit`.

    NumPy's own vectorised `exp` differs from it in the last bit of one value in fifty.
    """
    results: Sequence[float] = [_exp(-value) for value in values.ravel().tolist()]
    exponentials = np.array(results, dtype=values.dtype).reshape(values.shape)
    one = values.dtype.type(1.0)
    quotient: NDArray[Any] = one / (one + exponentials)
    return quotient


def _exp(value: float) -> float:
    try:
        return math.exp(value)
    except OverflowError:  # beyond 709.78, where C returns infinity
        return math.inf


def _two_columns(decisions: NDArray[Any]) -> NDArray[Any]:
    positive = expit(decisions[:, 0])
    return np.stack([1 - positive, positive], axis=1)


def _softmax(decisions: NDArray[Any]) -> NDArray[Any]:
    """`sklearn.utils.extmath.softmax`."""
    shifted: NDArray[Any] = decisions - decisions.max(axis=1).reshape(-1, 1)
    np.exp(shifted, out=shifted)
    shifted /= shifted.sum(axis=1).reshape(-1, 1)
    return shifted


def _one_vs_rest(decisions: NDArray[Any]) -> NDArray[Any]:
    """`OneVsRestClassifier.predict_proba`; the transposes keep NumPy's order of addition."""
    each = np.array([expit(column) for column in decisions.T]).T
    if each.shape[1] == 1:
        each = np.concatenate((1 - each, each), axis=1)
    totals = each.sum(axis=1)[:, np.newaxis]
    np.divide(each, totals, out=each, where=totals != 0)
    return each


def _calibrate(sigmoids: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities of one calibrated model from its sigmoids, shape (n, k), to (n, c)."""
    if sigmoids.shape[1] == 1:
        return np.stack([1.0 - sigmoids[:, 0], sigmoids[:, 0]], axis=1)
    totals = sigmoids.sum(axis=1)[:, np.newaxis]
    uniform = np.full_like(sigmoids, 1 / sigmoids.shape[1])
    result: NDArray[np.float64] = np.divide(sigmoids, totals, out=uniform, where=totals != 0)
    result[(result > 1.0) & (result <= 1.0 + 1e-5)] = 1.0
    return result


def _flat(decisions: NDArray[Any]) -> NDArray[Any]:
    return decisions[:, 0] if decisions.shape[1] == 1 else decisions


_PROBABILITIES: Final = {"logistic": _two_columns, "softmax": _softmax, "one_vs_rest": _one_vs_rest}
