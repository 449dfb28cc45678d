from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from worker.core.batch import Batch, BatchLimits


def test_an_empty_batch_is_never_full() -> None:
    assert not Batch[str](BatchLimits(1, 1, 0.0)).full(now=1e9)


def test_a_batch_is_full_by_count() -> None:
    batch = Batch[str](BatchLimits(messages=2, bytes=100, age_s=10))
    batch.add([("a", 1)], now=0)
    assert not batch.full(now=0)
    assert batch.room == 1
    batch.add([("b", 1)], now=0)
    assert batch.full(now=0)
    assert batch.room == 0


def test_a_batch_is_full_by_bytes() -> None:
    batch = Batch[str](BatchLimits(messages=100, bytes=10, age_s=10))
    batch.add([("a", 9)], now=0)
    assert not batch.full(now=0)
    batch.add([("b", 1)], now=0)
    assert batch.full(now=0)


def test_a_batch_is_full_by_the_age_of_its_first_message() -> None:
    batch = Batch[str](BatchLimits(messages=100, bytes=100, age_s=2))
    batch.add([("a", 1)], now=5)
    batch.add([("b", 1)], now=6.5)
    assert batch.waits_s(now=6.5) == 0.5
    assert not batch.full(now=6.9)
    assert batch.full(now=7)


def test_what_one_pull_brought_is_cut_by_bytes() -> None:
    batch = Batch[str](BatchLimits(messages=100, bytes=10, age_s=10))
    batch.add([("a", 4), ("b", 6), ("c", 1), ("large", 11), ("d", 0), ("e", 10)], now=0)
    assert list(batch.pieces()) == [(["a", "b"], 10), (["c"], 1), (["large"], 11), (["d", "e"], 10)]
    assert list(Batch[str](BatchLimits(1, 1, 1)).pieces()) == []


@given(st.lists(st.lists(st.integers(0, 50), max_size=20), max_size=5), st.integers(1, 60))
def test_pieces_keep_every_message_in_order_and_the_bytes_of_a_batch(answers: list[list[int]], size: int) -> None:
    batch = Batch[tuple[int, int]](BatchLimits(1_000, size, 1))
    for number, answer in enumerate(answers):
        batch.add((((number, position), each) for position, each in enumerate(answer)), now=0)
    sizes = {(number, position): each for number, answer in enumerate(answers) for position, each in enumerate(answer)}
    pieces = list(batch.pieces())
    assert [item for items, _ in pieces for item in items] == list(sizes)
    assert [told for _, told in pieces] == [sum(sizes[item] for item in items) for items, _ in pieces]
    assert all(items and (told <= size or len(items) == 1) for items, told in pieces)
    # No more pieces than needed: none could have taken the first message of the next.
    for (_, told), (following, _) in pairwise(pieces):
        assert told + sizes[following[0]] > size


@given(
    st.lists(st.tuples(st.integers(0, 50), st.floats(0, 3)), max_size=30),
    st.integers(1, 10),
    st.integers(1, 100),
    st.floats(0.1, 5),
)
def test_batches_keep_every_message_in_order_and_close_by_a_limit(
    arrivals: list[tuple[int, float]], messages: int, size: int, age: float
) -> None:
    limits, now, closed = BatchLimits(messages, size, age), 0.0, []
    batch = Batch[int](limits)
    for position, (item_bytes, pause) in enumerate(arrivals):
        now += pause
        if batch.full(now=now):
            closed.append(batch)
            batch = Batch[int](limits)
        batch.add([(position, item_bytes)], now=now)
    assert [item for done in [*closed, batch] for item in done.items] == list(range(len(arrivals)))
    assert all(len(done.items) <= messages for done in closed)
