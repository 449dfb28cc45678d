"""Distinct texts, and a split that no text straddles."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import InvalidInput
from training.clean import CONTRADICTING, OUTVOTED, REPEATED, Example, distinct, group_key
from training.split import MIN_PER_LABEL, split

ROWS = st.lists(st.tuples(st.text("aAbB .!é", max_size=6), st.sampled_from("012")), max_size=60)


def examples(*rows: tuple[str, str]) -> list[Example]:
    return [Example(text, label) for text, label in rows]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Works great!", "works  GREAT."),
        ("It is a film", "it is, a FILM?"),
        (" :) ", ":)"),
        ("É très bon", "é TRÈS bon"),
    ],
)
def test_texts_of_the_same_words_are_one(one: str, other: str) -> None:
    assert group_key(one) == group_key(other)


@pytest.mark.parametrize(("one", "other"), [("good", "good good"), ("ab cd", "cd ab"), (":)", ":("), ("", "a")])
def test_other_texts_are_not(one: str, other: str) -> None:
    assert group_key(one) != group_key(other) or one == ""


def test_repeats_leave_and_are_counted() -> None:
    cleaned = distinct(examples(("good film", "1"), ("Good film!", "1"), ("bad film", "0")))
    assert cleaned.examples == examples(("good film", "1"), ("bad film", "0"))
    assert cleaned.dropped == {REPEATED: 1}


def test_the_majority_labels_a_contradicting_text_and_the_rest_is_counted() -> None:
    cleaned = distinct(examples(("so so", "0"), ("So so", "1"), ("so so!", "1")))
    assert cleaned.examples == examples(("So so", "1"))
    assert cleaned.dropped == {OUTVOTED: 1, REPEATED: 1}


def test_a_tie_drops_the_text_and_is_counted() -> None:
    cleaned = distinct(examples(("so so", "0"), ("so so", "1"), ("fine", "1")))
    assert cleaned.examples == examples(("fine", "1"))
    assert cleaned.dropped == {CONTRADICTING: 2}


@given(ROWS)
def test_every_row_is_an_example_or_counted(rows: list[tuple[str, str]]) -> None:
    cleaned = distinct(examples(*rows))
    assert len(cleaned.examples) + sum(cleaned.dropped.values()) == len(rows)
    keys = [group_key(example.text) for example in cleaned.examples]
    assert len(set(keys)) == len(keys)


def labelled(**counts: int) -> list[Example]:
    return [Example(f"{label} number {i}", label) for label, count in counts.items() for i in range(count)]


@given(st.integers(MIN_PER_LABEL, 60), st.integers(MIN_PER_LABEL, 60), st.integers(0, 2**32 - 1))
def test_a_quarter_of_each_label_is_held_out_and_nothing_is_on_both_sides(a: int, b: int, seed: int) -> None:
    rows = labelled(a=a, b=b)
    parts = split(rows, seed=seed)
    assert sorted(parts.train + parts.test, key=str) == sorted(rows, key=str)
    assert not {example.text for example in parts.train} & {example.text for example in parts.test}
    assert Counter(example.label for example in parts.test) == {"a": round(a / 4), "b": round(b / 4)}


def test_the_seed_decides_the_split() -> None:
    rows = labelled(a=40, b=40)
    assert split(rows, seed=1) == split(rows, seed=1)
    assert split(rows, seed=1) != split(rows, seed=2)


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([], "too_few_labels"),
        (labelled(a=50), "too_few_labels"),
        (labelled(a=50, b=MIN_PER_LABEL - 1), "too_few_rows"),
        (labelled(**{f"l{i}": MIN_PER_LABEL for i in range(101)}), "too_many_labels"),
    ],
)
def test_data_that_cannot_be_split_is_refused(rows: list[Example], code: str) -> None:
    with pytest.raises(InvalidInput) as error:
        split(rows, seed=0)
    assert error.value.code == code
