"""Texts that are scored in the file's bytes, quotes still doubled, have the features of the texts without."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.jobs import Dialect
from training.compile import compile_pipeline
from worker.core.compiled import CompiledModel, pack, unpack
from worker.core.kernel import Kernel
from worker.core.record_texts import locate_cells
from worker.core.rows import RowBatch, first_place, open_rows, resume_rows

SAID = ["ΑΣ", "ασ", "οδος", "film", "x", "é", "_", " ", "'", '"', "''", "^", "`", ".", "電影", "İ", "\n"]


@pytest.fixture(scope="module")
def models(kernel: Kernel) -> list[CompiledModel]:
    """On the kernel, and in plain Python."""
    from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415 - seconds that other tests do not need
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
    from sklearn.pipeline import Pipeline  # noqa: PLC0415

    texts = [f"{one}{other} {one}ς end of it" for one in SAID for other in SAID]
    pipeline = Pipeline([("v", TfidfVectorizer(ngram_range=(1, 2))), ("c", LogisticRegression())])
    packed = pack(compile_pipeline(pipeline.fit(texts, [number % 2 for number in range(len(texts))])))

    class Supply:
        def now(self) -> Kernel:
            return kernel

        def reason(self) -> str:
            return ""

    return [unpack(packed, kernel=Supply()), unpack(packed)]


def rows_of(texts: Sequence[str], quote: str, kernel: Kernel) -> list[RowBatch]:
    lines = [f"{quote}{text.replace(quote, quote * 2)}{quote},1\n" for text in texts]
    data, dialect = "".join(["text,a\n", *lines]).encode(), Dialect(quote=quote, text_column="text")
    header = open_rows([data], dialect).header
    rows = resume_rows([data[header.first_byte :]], dialect, header, first_place(header), kernel=kernel)
    return [batch for batch in rows.batches() if isinstance(batch, RowBatch)]


@pytest.mark.parametrize("quote", ['"', "'", "^", "x", "_", "7"])
def test_a_doubled_quote_does_not_count(quote: str, kernel: Kernel, models: list[CompiledModel]) -> None:
    @settings(max_examples=100)
    @given(st.lists(st.lists(st.sampled_from([*SAID, quote]), min_size=1).map("".join), min_size=1, max_size=6))
    def check(texts: list[str]) -> None:
        batches = rows_of(texts, quote, kernel)
        assert sum(map(len, batches)) == len(texts)
        records = [batch.records for batch in batches if batch.records is not None]
        assert len(records) == len(batches)
        for model in models:
            located = model.score_located(locate_cells(records, 0)).decisions
            expected = model.score(texts).decisions
            assert located is not None
            assert expected is not None
            assert located.tobytes() == expected.tobytes()

    check()
