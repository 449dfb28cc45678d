"""Arrow's string arrays are scored in place, with the scores of the same strings in a list."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline

from training.compile import compile_pipeline
from worker.core import compiled, kernel_texts, scorer_runs
from worker.core.compiled import CompiledModel, pack, unpack
from worker.core.kernel_texts import ArrowStrings, Block
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
    part = array.slice(5, 6000)
    assert decisions(model.score_arrow(part, threads=threads)) == decisions(model.score(texts[5:6005]))


def test_two_threads_share_texts_by_their_bytes(model: CompiledModel, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["a film"] * 20_000 + ["a film of twenty bytes" * 3000] * 100
    array, expected = pa.array(texts), decisions(model.score(texts))
    run_bytes: list[int] = []

    def in_runs(work: Callable[[int, int], None], bounds: Sequence[int], *, threads: int) -> None:
        run_bytes.extend(sum(map(len, texts[first:last])) for first, last in pairwise(bounds))
        scorer_runs.in_runs(work, bounds, threads=threads)

    monkeypatch.setattr(compiled, "in_runs", in_runs)
    offsets, data = np.frombuffer(array.buffers()[1], np.int32).astype(np.int64), array.buffers()[2]
    located = Block.of(offsets[:-1] + data.address, offsets[1:] + data.address, [array])
    for score in (partial(model.score_arrow, array), partial(model.score_located, located)):
        scores = score(threads=2)
        assert decisions(scores) == expected
        assert sum(run_bytes) == len(data)
        assert max(run_bytes) < len(data) / 3
        assert max(run_bytes[-4:]) < len(data) / 20
        run_bytes.clear()


@given(st.lists(st.integers(0, 90), max_size=60), st.data())
def test_blocks_are_cut_by_bytes_and_by_texts(lengths: list[int], data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(lengths)))
    last = data.draw(st.integers(first, len(lengths)))
    offsets = np.cumsum([7, *lengths])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel_texts, "BLOCK_SIZE", 100)
        patch.setattr(kernel_texts, "CHUNK_TEXTS", 8)
        blocks = list(kernel_texts.cut(offsets, first, last))
    assert [at for block in blocks for at in range(*block)] == list(range(first, last))
    for begin, end in blocks:
        assert 0 < end - begin <= 8
        assert sum(lengths[begin:end]) <= 100
        full = end == last or end - begin == 8 or sum(lengths[begin : end + 1]) > 100
        assert full, "a block ends where the next text has no room"


def test_a_text_longer_than_a_block_is_one() -> None:
    size = kernel_texts.BLOCK_SIZE
    offsets = np.cumsum([0, 10, 3 * size, 10, 10])
    assert list(kernel_texts.cut(offsets, 0, 4)) == [(0, 1), (1, 2), (2, 4)]


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
