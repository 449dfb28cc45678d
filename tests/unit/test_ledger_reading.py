"""Reading with deduplication is deterministic and reports conflicts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.outcomes import Prediction, text_digest
from worker.core.reading import Conflict, deduplicate, read_lines


def row(key: str, *, second: int = 0, message: str = "1", text: str = "t", label: str = "good") -> Prediction:
    return Prediction(
        key=key,
        label=label,
        probability=None,
        model="linear_svc",
        version="v1",
        text_sha256=text_digest(text),
        message_id=message,
        publish_time=f"2026-03-01T10:00:{second:02d}.5Z",
    )


ROWS = st.builds(
    row,
    st.sampled_from("abc"),
    second=st.integers(0, 2),
    message=st.sampled_from(["1", "9", "10"]),
    text=st.sampled_from("tu"),
    label=st.sampled_from(["good", "bad"]),
)


@given(st.lists(ROWS), st.data())
def test_every_order_gives_the_same_reading(rows: list[Prediction], data: st.DataObject) -> None:
    reading = deduplicate(rows)
    assert deduplicate(data.draw(st.permutations(rows))) == reading
    assert [item.key for item in reading.rows] == sorted({item.key for item in rows})
    assert reading.repeats == len(rows) - len(reading.rows)
    texts = {key: {item.text_sha256 for item in rows if item.key == key} for key in "abc"}
    assert {conflict.key for conflict in reading.conflicts} == {key for key in "abc" if len(texts[key]) > 1}


def test_the_first_published_then_the_lowest_message_id_is_kept() -> None:
    first, late, high = (
        row("a", second=1, message="9"),
        row("a", second=2, message="1"),
        row("a", second=1, message="10"),
    )
    assert deduplicate([late, high, first]).rows == (first,)


def test_a_conflict_names_both_texts() -> None:
    digests = tuple(sorted([text_digest("t"), text_digest("u")]))
    assert deduplicate([row("a"), row("a", text="u")]).conflicts == (Conflict("a", digests),)


@given(st.lists(st.binary().filter(lambda line: b"\n" not in line)), st.integers(1, 7))
def test_lines_do_not_depend_on_chunks(lines: list[bytes], size: int) -> None:
    data = b"\n".join(lines)
    chunks = [data[start : start + size] for start in range(0, len(data), size)]
    assert list(read_lines(chunks, max_bytes=1_000)) == [line for line in lines if line]


def test_an_endless_line_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than 10 bytes"):
        list(read_lines([b"x" * 6, b"x" * 6], max_bytes=10))
