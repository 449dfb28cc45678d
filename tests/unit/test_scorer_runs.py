"""Runs of a batch: each place once, short ones last, and errors that are not lost."""

from __future__ import annotations

import threading
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.scorer_runs import guided, in_runs

WAIT_S = 20


@given(st.integers(1, 100_000), st.integers(2, 8), st.integers(1, 500))
def test_guided_runs_get_shorter(size: int, threads: int, most: int) -> None:
    bounds = guided(size, threads, most=most)
    assert (bounds[0], bounds[-1]) == (0, size)
    sizes = [last - first for first, last in pairwise(bounds)]
    assert sizes == sorted(sizes, reverse=True)
    least = -(-size // most)
    assert all(one >= least for one in sizes[:-1])
    assert sizes[0] <= max(least, size // (2 * threads))


@pytest.mark.parametrize(("threads", "most"), [(0, 100), (1, 100), (2, 1), (2, 0)])
def test_where_threads_do_not_pay_there_is_one_run(threads: int, most: int) -> None:
    assert guided(10, threads, most=most) == [0, 10]
    assert guided(0, threads, most=most) == [0, 0]


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_every_place_is_worked_on_once(threads: int) -> None:
    done: list[int] = []
    in_runs(lambda first, last: done.extend(range(first, last)), range(0, 1001, 10), threads=threads)
    assert sorted(done) == list(range(1000))


def test_as_many_threads_as_asked_for_work_at_once() -> None:
    together = threading.Barrier(40)

    def meet(_first: int, _last: int) -> None:
        together.wait(WAIT_S)

    in_runs(meet, range(41), threads=40)


def test_no_more_threads_than_runs() -> None:
    here: set[int] = set()
    in_runs(lambda *_: here.add(threading.get_ident()), [0, 10], threads=4)
    assert here == {threading.get_ident()}


@pytest.mark.parametrize("fails_here", [True, False])
def test_an_error_ends_the_runs_and_is_raised_when_all_threads_are_done(*, fails_here: bool) -> None:
    caller, together, failed = threading.get_ident(), threading.Barrier(2), threading.Event()
    ended: list[bool] = []

    def work(_first: int, _last: int) -> None:
        together.wait(WAIT_S)
        here = threading.get_ident() == caller
        if here == fails_here:
            failed.set()
            raise LookupError
        assert failed.wait(WAIT_S)
        threading.Event().wait(0.05)  # for the other one to give up the rest
        ended.append(here)

    with pytest.raises(LookupError):
        in_runs(work, range(100), threads=2)
    assert ended == [not fails_here]
