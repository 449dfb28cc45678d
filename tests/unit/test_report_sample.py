"""What the report samples, and how it counts the words of what it sampled."""

from __future__ import annotations

import re

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from worker.core.report_part import sample_steps
from worker.core.text import TOKEN_PATTERN
from worker.core.word_counts import count_words


@given(st.lists(st.integers(1, 1 << 45), min_size=1))
def test_a_step_is_the_power_of_two_below_the_rows_before(rows: list[int]) -> None:
    assert sample_steps(np.array(rows)).tolist() == [1 << max(0, (row // 128).bit_length() - 1) for row in rows]


def test_what_is_sampled() -> None:
    rows = np.arange(1, 4_097)
    sampled = rows[rows % sample_steps(rows) == 0]
    counts = [int(((sampled > low) & (sampled <= 2 * low)).sum()) for low in (128, 256, 512, 1024)]
    assert counts == [128, 128, 128, 128]
    assert int(sample_steps(sampled).sum()) >= 4_096 - 8


@given(st.lists(st.text(st.sampled_from("ab_9 .\n\t-éß電'"), max_size=12) | st.text(max_size=9), max_size=8))
def test_words_are_those_of_the_vectoriser(texts: list[str]) -> None:
    expected = [len(re.findall(TOKEN_PATTERN, text.lower())) or len(text.split()) for text in texts]
    assert count_words(texts) == expected
