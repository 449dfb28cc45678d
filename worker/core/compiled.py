"""The compiled model: `scorer.npz` bytes to an object that scores texts, and arrays to those bytes.

The bytes are a zip archive of plain numeric arrays. Nothing in it can run code: there is no pickle, the names of the
members and their types are fixed, and every size is checked before anything is inflated.
`worker/core/compiled_layout.py` lists the arrays and what must hold between them.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from worker.core import compiled_archive
from worker.core.compiled_errors import InvalidModel
from worker.core.compiled_layout import Layout, read_layout
from worker.core.kernel import KernelSupply
from worker.core.scorer import Classifier, Scores, make_classifier
from worker.core.tfidf import Vectorizer

__all__ = ["MAX_MODEL_BYTES", "CompiledModel", "InvalidModel", "pack", "unpack"]

MAX_MODEL_BYTES: Final = 512 * 1024 * 1024
"""The most bytes that a model may have, packed or inflated."""


class CompiledModel:
    """A text classifier made of plain arrays. Immutable after construction; any number of threads may score with it."""

    def __init__(self, layout: Layout, kernel: KernelSupply | None = None) -> None:
        self._layout = layout
        self.vectorizer: Final = Vectorizer(layout.terms, layout.weighting, kernel)
        self._classifier: Final[Classifier] = make_classifier(
            layout.kind, layout.labels, layout.arrays, layout.weighting.dtype
        )

    @property
    def labels(self) -> tuple[str, ...]:
        """The class labels, in the order of the columns of `Scores.probabilities`."""
        return self._layout.labels

    def score(self, texts: Sequence[str], *, threads: int = 1) -> Scores:
        """Labels, probabilities and decision values of the texts, in their order. `threads` is a maximum."""
        del threads  # plain Python holds the interpreter lock
        classifier = self._classifier
        outputs = [classifier.raw(*self.vectorizer.row(text)) for text in texts]
        return classifier.finish(
            np.array(outputs, dtype=classifier.raw_dtype).reshape(len(texts), classifier.raw_width)
        )

    def describe(self) -> dict[str, Any]:
        """Return what the model is, as JSON values: classifier, labels, features, options, path of execution."""
        return {**self._layout.summary(), "path": self.vectorizer.path()}


def pack(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return the bytes of `scorer.npz`; equal arrays give equal bytes. Raises InvalidModel if they are no model."""
    checked = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    read_layout(checked)
    return compiled_archive.write(checked)


def unpack(data: bytes, *, max_bytes: int = MAX_MODEL_BYTES, kernel: KernelSupply | None = None) -> CompiledModel:
    """Return the model in the bytes of a `scorer.npz`, checked. Raises only InvalidModel, whatever the bytes are.

    `max_bytes` bounds both the archive and what it inflates to. Without `kernel` the model scores in plain Python.
    """
    layout = read_layout(compiled_archive.read(data, max_bytes=max_bytes))
    return CompiledModel(layout, kernel)
