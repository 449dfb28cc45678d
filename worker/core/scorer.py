"""What a classifier is to the rest, and the scores that it gives: labels, decision values, probabilities.

Labels and decision values have scikit-learn's bits: SciPy multiplies a sparse row with the coefficients by adding one
product after the other in column order (`csr_matvecs` in `scipy/sparse/sparsetools/csr.h`), and so do
`scorer_linear.py` and the kernel. (SciPy's builds for x86-64 do so without fused multiply-add. A build that fuses can
differ in the last bit.)
Probabilities of double precision come from the same formulas with the C library's `exp`, which SciPy's `expit` calls
too; where another C library or NumPy is used than at training they agree within 1e-12. Those of a single-precision
logistic regression agree within 1e-6: SciPy computes them with a single-precision `exp`.
"""

from dataclasses import dataclass
from typing import Any, Literal, Protocol

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

    def label_counts(self) -> dict[str, int]:
        """Return how often each label was predicted, in the order in which they first were."""
        counts = np.bincount(self.chosen, minlength=len(self.classes))
        columns = np.flatnonzero(counts).tolist()
        columns.sort(key=lambda column: int(np.argmax(self.chosen == column)))
        return {self.classes[column]: int(counts[column]) for column in columns}

    def chosen_probabilities(self) -> NDArray[np.float64] | None:
        """Return the probability of each predicted label; None where the classifier has no probabilities."""
        if self.probabilities is None:
            return None
        places = np.arange(len(self)) * len(self.classes) + self.chosen
        chosen: NDArray[np.float64] = self.probabilities.reshape(-1)[places]
        return chosen

    def confidence(self, i: int) -> float | None:
        """Return the probability of the label predicted for text i; None where the classifier has no probabilities."""
        return None if self.probabilities is None else float(self.probabilities[i, self.chosen[i]])

    def part(self, first: int, last: int) -> "Scores":
        """Return the scores of the texts from one position to before another."""
        return Scores(
            classes=self.classes,
            chosen=self.chosen[first:last],
            probabilities=None if self.probabilities is None else self.probabilities[first:last],
            decisions=None if self.decisions is None else self.decisions[first:last],
        )

    def with_length(self, count: int) -> "Scores":
        """Return room for the scores of `count` texts with the same classes, to `put` them there."""
        return Scores(
            classes=self.classes,
            chosen=np.empty(count, self.chosen.dtype),
            probabilities=_room(count, self.probabilities),
            decisions=_room(count, self.decisions),
        )

    def put(self, first: int, scores: "Scores") -> None:
        """Put scores in their place, from one text on. Threads may do so at once, each in its own place."""
        place = slice(first, first + len(scores))
        self.chosen[place] = scores.chosen
        if self.probabilities is not None and scores.probabilities is not None:
            self.probabilities[place] = scores.probabilities
        if self.decisions is not None and scores.decisions is not None:
            self.decisions[place] = scores.decisions

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


def _room(count: int, like: NDArray[Any] | None) -> NDArray[Any] | None:
    return None if like is None else np.empty((count, *like.shape[1:]), like.dtype)
