"""Logistic regression and linear SVC: the sums of weights and coefficients, in SciPy's order, to scores."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from worker.core.kernel_engine import Engine
from worker.core.kernel_texts import Block
from worker.core.scorer import Kind, Scores
from worker.core.scorer_probabilities import Logistic, calibrated, logistic, one_vs_rest, softmax, two_classes


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
        self._logistic: Logistic = logistic

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
        if engine.has_logistic and self.raw_dtype == np.float64:
            self._logistic = engine.logistic  # the same bits, sooner

    def run(self, engine: Engine, block: Block) -> NDArray[Any]:
        """Return the sums of products of a block of texts."""
        return engine.score(block).astype(self.raw_dtype, copy=False)

    def finish(self, raw: NDArray[Any]) -> Scores:
        """Add the intercepts, then what the kind of classifier asks for."""
        values = raw.reshape(-1, self.models, self.decisions) + self._arrays["intercepts"]
        if self._kind == "calibrated":
            return self._finish_calibrated(values)
        decisions = values[:, 0, :]
        return Scores(
            classes=self._labels,
            chosen=self._choose(decisions),
            probabilities=self._probabilities(decisions),
            decisions=_flat(decisions),
        )

    def _choose(self, decisions: NDArray[Any]) -> NDArray[np.intp]:
        if self.decisions == 1:
            return (decisions[:, 0] > 0).astype(np.intp)
        chosen: NDArray[np.intp] = np.argmax(decisions, axis=1)
        return chosen

    def _probabilities(self, decisions: NDArray[Any]) -> NDArray[np.float64] | None:
        if self._kind == "linear":
            return None
        if self._kind == "softmax":
            return softmax(decisions).astype(np.float64, copy=False)
        combine = two_classes if self._kind == "logistic" else one_vs_rest
        return combine(self._logistic(decisions)).astype(np.float64, copy=False)

    def _finish_calibrated(self, values: NDArray[np.float64]) -> Scores:
        """Return the mean over the folds of the calibrated probabilities (`_CalibratedClassifier.predict_proba`)."""
        mean = np.zeros((len(values), len(self._labels)))
        for fold in range(self.models):
            slopes, offsets = self._arrays["slopes"][fold], self._arrays["offsets"][fold]
            mean += calibrated(self._logistic(-(slopes * values[:, fold, :] + offsets)))
        mean /= self.models
        return Scores(
            classes=self._labels,
            chosen=mean.argmax(axis=1),
            probabilities=mean,
            decisions=_flat(values[:, 0, :]) if self.models == 1 else None,
        )


def _flat(decisions: NDArray[Any]) -> NDArray[Any]:
    return decisions[:, 0] if decisions.shape[1] == 1 else decisions
