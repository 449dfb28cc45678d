"""Merging stored rows: a reader sees the same, each outcome is kept once, and the counts add up."""

from __future__ import annotations

import heapq

from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import decode, encode
from schemas.outcomes import Prediction, Rejection, text_digest
from worker.core.reading import Outcome, deduplicate
from worker.core.sealing import Sealing, chunks, content_name, entry, line_of


def prediction(key: str, text: str, message: str, second: int, label: str) -> Prediction:
    return Prediction(
        key=key,
        label=label,
        probability=None,
        model="linear_svc",
        version="v1",
        text_sha256=text_digest(text),
        message_id=message,
        publish_time=f"2026-03-01T10:00:{second:02d}.500000Z",
    )


def rejection(key: str, text: str | None, message: str, second: int) -> Rejection:
    return Rejection(
        key=key,
        code="unknown_version",
        stage="model",
        reason="There is no such version.",
        text_sha256=None if text is None else text_digest(text),
        message_id=message,
        publish_time=f"2026-03-01T10:00:{second:02d}.500000Z",
    )


KEYS, MESSAGES, SECONDS = st.sampled_from("abc"), st.sampled_from(["1", "9", "10"]), st.integers(0, 2)
PREDICTIONS = st.lists(
    st.builds(prediction, KEYS, st.sampled_from("tu"), MESSAGES, SECONDS, st.sampled_from(["good", "bad"]))
)
REJECTIONS = st.lists(st.builds(rejection, KEYS, st.sampled_from(["t", "u", None]), MESSAGES, SECONDS))
ROWS = st.one_of(PREDICTIONS, REJECTIONS)


def seal(new: list[Outcome], sealed: list[Outcome]) -> tuple[list[Outcome], Sealing]:
    sealing = Sealing()
    entries = heapq.merge(sorted(entry(row, new=True) for row in new), sorted(entry(row, new=False) for row in sealed))
    lines = [line_of(item).rstrip(b"\n") for item in sealing.kept(entries)]
    kinds: dict[bytes, type[Prediction | Rejection]] = {encode(row): type(row) for row in new}
    return [decode(line, kinds[line], max_bytes=10_000) for line in lines], sealing


def same_outcome(row: Outcome) -> tuple[object, ...]:
    """Return what makes two rows the same outcome, by a rule of its own."""
    if isinstance(row, Prediction):
        return row.key, row.text_sha256, row.label
    return row.key, row.text_sha256, row.text_sha256 or row.message_id


@given(ROWS, st.data())
def test_a_reader_sees_the_same_and_each_outcome_is_kept_once(rows: list[Outcome], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(rows)))
    first, one = seal(rows[:cut], [])
    later, two = seal(rows[cut:], first)
    before, after = deduplicate(rows), deduplicate(first + later)
    assert (after.rows, after.conflicts) == (before.rows, before.conflicts)
    for kept in (first, later):
        assert len({same_outcome(row) for row in kept}) == len(kept)
    for counts, read, kept in ((one.counts, rows[:cut], first), (two.counts, rows[cut:], later)):
        assert (counts.read, counts.rows, counts.repeats) == (len(read), len(kept), len(read) - len(kept))


@given(ROWS)
def test_conflicts_are_counted_as_readers_find_them(rows: list[Outcome]) -> None:
    _, sealing = seal(rows, [])
    assert sealing.counts.conflicts == len(deduplicate(rows).conflicts)


@given(ROWS)
def test_what_is_sealed_is_not_new_again(rows: list[Outcome]) -> None:
    first, _ = seal(rows, [])
    again, sealing = seal(rows, first)
    assert again == []
    assert sealing.counts.repeats == len(rows)
    assert sealing.counts.conflicts == 0, "it was told when the rows were new"


def test_requests_whose_text_nobody_could_read_are_told_apart_by_their_message() -> None:
    one, other = rejection("a", None, "1", 0), rejection("a", None, "2", 0)
    assert seal([one, other, one], [])[0] == [one, other]


@given(st.lists(st.binary(min_size=1, max_size=20)), st.integers(1, 60))
def test_chunks_hold_every_line_once_and_bear_their_contents_name(lines: list[bytes], max_bytes: int) -> None:
    found = list(chunks(lines, max_bytes=max_bytes))
    assert b"".join(chunk.data for chunk in found) == b"".join(lines)
    assert sum(chunk.rows for chunk in found) == len(lines)
    for chunk in found:
        assert chunk.name == content_name(chunk.data)
        assert chunk.rows == 1 or len(chunk.data) <= max_bytes
