"""Arrow's string arrays are scored in place, with the scores of the same strings in a list."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline

from training.compile import compile_pipeline
from worker.core.compiled import CompiledModel, pack, unpack
from worker.core.kernel_texts import ArrowStrings
from worker.core.scorer import Scores
from worker.kernel_cache import KernelCache

MakePipeline = Callable[[TfidfVectorizer, Sequence[str]], Pipeline]
MakeModel = Callable[[Pipeline], CompiledModel]


@pytest.fixture(scope="module")
def model(corpus: tuple[str, ...], with_classifier: MakePipeline, make_model: MakeModel) -> CompiledModel:
    return make_model(with_classifier(TfidfVectorizer(ngram_range=(1, 2)), corpus))


def decisions(scores: Scores) -> list[float]:
    assert scores.decisions is not None
    values: list[float] = scores.decisions.tolist()
    return values


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)
@pytest.mark.parametrize("threads", [1, 2])
def test_arrays_and_their_slices(model: CompiledModel, corpus: tuple[str, ...], kind: object, threads: int) -> None:
    texts = list(corpus) * 700
    array = pa.array(texts, kind)
    assert decisions(model.score_arrow(array, threads=threads)) == decisions(model.score(texts))
    part = array.slice(5, 3000)
    assert decisions(model.score_arrow(part)) == decisions(model.score(texts[5:3005]))


def test_arrays_of_nothing(model: CompiledModel) -> None:
    assert len(model.score_arrow(pa.array([], pa.string()))) == 0
    assert decisions(model.score_arrow(pa.array(["", ""]))) == decisions(model.score(["", ""]))


@pytest.mark.parametrize("array", [pa.array(["film", None]), pa.array([1, 2]), pa.array([b"film"])], ids=str)
def test_nulls_and_other_types_are_refused(model: CompiledModel, array: ArrowStrings) -> None:
    with pytest.raises(ValueError, match="Arrow string array without nulls"):
        model.score_arrow(array)


def test_no_byte_outside_the_buffer_is_read(model: CompiledModel) -> None:
    """The text ends where readable memory ends: reading on would end the process."""
    page = mmap.PAGESIZE
    memory = mmap.mmap(-1, 2 * page)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    library = ctypes.CDLL(None, use_errno=True)
    text = "a superb film and café".encode()
    ctypes.memmove(address + page - len(text), text, len(text))
    assert library.mprotect(ctypes.c_void_p(address + page), ctypes.c_size_t(page), 0) == 0
    data = pa.foreign_buffer(address + page - len(text), len(text), memory)
    offsets = pa.array([0, 2, len(text)], pa.int32()).buffers()[1]
    array = pa.Array.from_buffers(pa.string(), 2, [None, offsets, data])
    assert decisions(model.score_arrow(array)) == decisions(model.score([text.decode()[:2], text.decode()[2:]]))
    assert library.mprotect(ctypes.c_void_p(address + page), ctypes.c_size_t(page), 3) == 0


def test_bytes_that_are_no_utf8_do_the_kernel_no_harm(
    corpus: tuple[str, ...], with_classifier: MakePipeline, kernel: KernelCache
) -> None:
    model = unpack(pack(compile_pipeline(with_classifier(TfidfVectorizer(), corpus))), kernel=kernel)
    broken = [bytes([lead, *rest]) for lead in range(0x80, 0x100) for rest in (b"", b"a", b"\xff\xff\xff", b"\xbf" * 3)]
    broken += [
        b"\xff" * size + "\u03a3".encode() for size in range(4000, 8100, 32)
    ]  # lower-cased, which makes it longer
    ends = np.cumsum([0, *map(len, broken)]).tolist()
    buffers = [None, pa.array(ends, pa.int32()).buffers()[1], pa.py_buffer(b"".join(broken))]
    array = pa.Array.from_buffers(pa.string(), len(broken), buffers)
    assert len(model.score_arrow(array)) == len(broken)
