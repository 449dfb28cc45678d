"""The two paths that a compiled model's texts can take, and the choice between them."""

import threading
from collections.abc import Iterator, Sequence
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
from worker.core.kernel_texts import Block
from worker.core.scorer import Classifier
from worker.core.tfidf import Features, join_rows, plain_row


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

    def raw(self, texts: Sequence[str], first: int, last: int) -> list[NDArray[Any]]:
        """Return what the classifier sees in each block of texts first to last, shapes (texts, raw_width)."""
        parts = self._parts(texts, first, last, small=False)
        return [self._plain(part) if isinstance(part, list) else self._run(part) for part in parts]

    def raw_located(self, block: Block) -> list[NDArray[Any]]:
        """Return as `raw` for a block of UTF-8."""
        if self.engine() is None or block.longest > at.MAX_TEXT_BYTES:
            return self.raw(kernel_texts.decode(block), 0, len(block))
        return [self._run(block)]

    def features(self, texts: Sequence[str]) -> list[Features]:
        """Return the features of each block of the texts."""
        return [self._features(part) for part in self._parts(texts, 0, len(texts), small=True)]

    def _parts(self, texts: Sequence[str], first: int, last: int, *, small: bool) -> Iterator[Block | list[str]]:
        """Cut texts first to last into blocks for the kernel, and lists where it is not there or a text is too long.

        Each chunk takes the path that there is when its turn comes. Small blocks bound what is made of one. Texts are
        taken a chunk at a time and not a run: to count a reference to a string is to fetch it, once too early.
        """
        for start in range(first, last, kernel_texts.CHUNK_TEXTS):
            some = texts[start : min(start + kernel_texts.CHUNK_TEXTS, last)]
            chunk = some if isinstance(some, list) else list(some)
            engine = self.engine()
            if engine is None:
                yield chunk
                continue
            located = engine.locate(chunk)
            if located.longest <= at.MAX_TEXT_BYTES and not small:
                yield located
                continue
            for begin, end in kernel_texts.cut(located.offsets(), 0, len(located)):
                block = located.part(begin, end)
                yield block if block.longest <= at.MAX_TEXT_BYTES else chunk[begin:end]

    def _run(self, block: Block) -> NDArray[Any]:
        engine = self.engine()
        assert engine is not None  # there is a block only where there is one, and it stays
        return self._classifier.run(engine, block)

    def _features(self, part: Block | list[str]) -> Features:
        layout, engine = self._layout, self.engine()
        if isinstance(part, list):
            rows = [plain_row(layout.terms, layout.weighting, text) for text in part]
            return join_rows(rows, len(layout.terms), layout.weighting.dtype)
        assert engine is not None
        indptr, indices, data = engine.transform(part)
        return Features(
            indptr=indptr,
            indices=indices,
            data=data.astype(layout.weighting.dtype, copy=False),
            shape=(len(part), len(layout.terms)),
        )

    def _plain(self, texts: list[str]) -> NDArray[Any]:
        classifier = self._classifier
        rows = [classifier.raw(*plain_row(self._layout.terms, self._layout.weighting, text)) for text in texts]
        return np.array(rows, dtype=classifier.raw_dtype).reshape(len(texts), classifier.raw_width)
