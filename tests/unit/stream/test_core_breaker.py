from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from worker.core.breaker import Breaker, BreakerLimits

LIMITS = BreakerLimits(share=0.5, window_s=60, messages=100)


def test_it_opens_above_the_share_and_says_so_once() -> None:
    breaker = Breaker(LIMITS)
    assert not breaker.record(100, 50, now=0)
    assert breaker.record(10, 10, now=1)
    assert breaker.is_open
    assert not breaker.record(1_000, 1_000, now=2)
    assert breaker.is_open


def test_few_messages_are_not_judged() -> None:
    breaker = Breaker(LIMITS)
    assert not breaker.record(99, 99, now=0)
    assert breaker.record(1, 1, now=1)


def test_what_left_the_window_does_not_count() -> None:
    breaker = Breaker(LIMITS)
    assert not breaker.record(99, 99, now=0)
    assert not breaker.record(99, 0, now=60)
    assert (breaker.messages, breaker.rejections) == (99, 0)


def test_old_good_messages_do_not_hide_new_bad_ones() -> None:
    breaker = Breaker(LIMITS)
    breaker.record(1_000_000, 0, now=0)
    assert not breaker.record(150, 150, now=59)
    assert breaker.record(150, 150, now=61)


def test_a_share_of_one_never_opens() -> None:
    breaker = Breaker(BreakerLimits(share=1, window_s=60, messages=1))
    assert not breaker.record(1_000, 1_000, now=0)


batches = st.lists(
    st.tuples(st.floats(0, 40), st.integers(0, 200)).flatmap(
        lambda item: st.tuples(st.just(item[0]), st.just(item[1]), st.integers(0, item[1]))
    ),
    max_size=40,
)


@given(batches)
def test_it_opens_exactly_when_the_window_says_so(batches: list[tuple[float, int, int]]) -> None:
    breaker = Breaker(LIMITS)
    now, seen, expected = 0.0, list[tuple[float, int, int]](), False
    for pause, messages, rejections in batches:
        now += pause
        seen.append((now, messages, rejections))
        recent = [item for item in seen if item[0] > now - LIMITS.window_s]
        total = sum(item[1] for item in recent)
        bad = sum(item[2] for item in recent)
        judged = total >= LIMITS.messages and bad > LIMITS.share * total
        assert breaker.record(messages, rejections, now=now) == (judged and not expected)
        expected = expected or judged
        assert breaker.is_open == expected
