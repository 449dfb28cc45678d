"""The two paths that a compiled model's texts can take, and the choice between them."""

import threading
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from worker.core import kernel_layout as at
from worker.core import kernel_texts
from worker.core.compiled_errors import InvalidModel
from worker.core.compiled_layout import Layout
from worker.core.kernel import KernelSupply
from worker.core.kernel_engine import Engine
from worker.core.kernel_index import NotIndexable
from worker.core.kernel_texts import ArrowStrings, Block
from worker.core.scorer import Classifier
from worker.core.tfidf import Features, join_rows, plain_row

Sizes = NDArray[np.int64]


class Paths:
    """Sends blocks of texts to the kernel when the supply has one, else through plain Python.

    The kernel's index is built as soon as there is a kernel: at construction, or by the first block after it came.
    """

    def __init__(self, layout: Layout, classifier: Classifier, supply: KernelSupply | None) -> None:
        self._layout = layout
        self._classifier = classifier
        self._supply = supply
        self._lock: Final = threading.Lock()
        self._engine: Engine | None = None
        self._reason = "the program that loaded the model supplies no kernel"
        if self.engine() is None and len(layout.terms.index) != len(layout.terms):
            raise InvalidModel("the vocabulary holds a term twice")

    def engine(self) -> Engine | None:
        """Return the model's tables for the kernel, once there is a kernel that can hold it."""
        if self._engine is not None or self._supply is None:
            return self._engine
        kernel = self._supply.now()
        if kernel is None:
            return None
        with self._lock:
            if self._engine is None and self._supply is not None:
                try:
                    engine = Engine(kernel, self._layout.terms, self._layout.weighting)
                except NotIndexable as refusal:
                    self._reason, self._supply = refusal.reason, None
                    return None
                self._classifier.install(engine)
                self._engine = engine
        return self._engine

    def describe(self) -> dict[str, Any]:
        """Return the path that texts take now, and why if it is the plain one."""
        if self.engine() is not None:
            return {"path": "kernel", "path_reason": None}
        reason = self._reason if self._supply is None else self._supply.reason()
        return {"path": "python", "path_reason": reason}

    def raw(self, texts: Sequence[str], sizes: Sizes, first: int, last: int) -> NDArray[Any]:
        """Return what the classifier sees in texts first to last of a batch, shape (texts, raw_width)."""
        engine = self.engine()
        block = None if engine is None else self._encode(texts, sizes, first, last)
        return (
            self._plain(texts[first:last]) if engine is None or block is None else self._classifier.run(engine, block)
        )

    def raw_arrow(self, texts: ArrowStrings, first: int, last: int) -> NDArray[Any]:
        """Return as `raw` for an Arrow array."""
        engine = self.engine()
        block = kernel_texts.encode_arrow(texts, first, last)
        contextual = self._layout.terms.lowercase and kernel_texts.has_contextual(block)
        if engine is None or contextual or block.longest > at.MAX_TEXT_BYTES:
            decoded = kernel_texts.decode(block)
            return self.raw(decoded, kernel_texts.measure(decoded), 0, len(decoded))
        return self._classifier.run(engine, block)

    def features(self, texts: Sequence[str], sizes: Sizes, first: int, last: int) -> Features:
        """Return the features of texts first to last of a batch."""
        layout, engine = self._layout, self.engine()
        block = None if engine is None else self._encode(texts, sizes, first, last)
        if engine is None or block is None:
            rows = [plain_row(layout.terms, layout.weighting, text) for text in texts[first:last]]
            return join_rows(rows, len(layout.terms), layout.weighting.dtype)
        indptr, indices, data = engine.transform(block)
        return Features(
            indptr=indptr,
            indices=indices,
            data=data.astype(layout.weighting.dtype, copy=False),
            shape=(last - first, len(layout.terms)),
        )

    def _encode(self, texts: Sequence[str], sizes: Sizes, first: int, last: int) -> Block | None:
        """Return texts as the kernel reads them, None if one of them is too long for it."""
        if last - first == 1 and sizes[first] > at.MAX_TEXT_BYTES:  # not even encoded: it may be of any size
            return None
        block = kernel_texts.encode(texts[first:last], sizes[first:last], lowercase=self._layout.terms.lowercase)
        return block if block.longest <= at.MAX_TEXT_BYTES else None

    def _plain(self, texts: Sequence[str]) -> NDArray[Any]:
        classifier = self._classifier
        rows = [classifier.raw(*plain_row(self._layout.terms, self._layout.weighting, text)) for text in texts]
        return np.array(rows, dtype=classifier.raw_dtype).reshape(len(texts), classifier.raw_width)
