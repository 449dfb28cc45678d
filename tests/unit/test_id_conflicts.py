"""Ids that stand for several texts are counted, whatever order they come in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from worker.core.id_conflicts import IdTexts


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["x", "y", "z"]))))
def test_each_id_with_two_texts_is_counted_once(rows: list[tuple[str, str]]) -> None:
    noted = IdTexts()
    texts: dict[str, set[str]] = {}
    for row, (id_, text) in enumerate(rows, 1):
        noted.note(row, id_, text)
        texts.setdefault(id_, set()).add(text)
    expected = sum(len(found) > 1 for found in texts.values())
    found = noted.conflicts()
    assert (0 if found is None else found.ids) == expected
    if found is not None:
        (one, other) = (rows[number - 1] for number in found.rows)
        assert one[0] == other[0]
        assert one[1] != other[1]


def test_a_conflict_is_said() -> None:
    noted = IdTexts()
    for row, (id_, text) in enumerate((("b", "x"), ("a", "x"), ("a", "x"), ("b", "y"), ("a", "z"), ("b", "x")), 3):
        noted.note(row, id_, text)
    found = noted.conflicts()
    assert found is not None
    assert found.sentence() == "2 ids stand for several texts (first: rows 3 and 6)"
