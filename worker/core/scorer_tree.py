"""A decision tree over the weights of a text."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from worker.core.kernel_engine import Engine
from worker.core.kernel_texts import Block
from worker.core.scorer import Scores


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
