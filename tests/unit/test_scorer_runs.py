"""Runs of a batch: each place once, short ones last, and errors that are not lost."""

from __future__ import annotations

import threading
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.scorer_runs import guided, in_runs


@given(st.integers(1, 100_000), st.integers(2, 8), st.integers(1, 5_000))
def test_guided_runs_cover_everything_once_and_get_shorter(count: int, threads: int, least: int) -> None:
    runs = guided(count, threads, least=least)
    assert runs[0][0] == 0
    assert runs[-1][1] == count
    assert all(one[1] == other[0] for one, other in pairwise(runs))
    sizes = [last - first for first, last in runs]
    assert sizes == sorted(sizes, reverse=True)
    assert all(size >= least for size in sizes[:-1])
    assert sizes[0] <= max(least, count // (2 * threads))


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_every_place_is_worked_on_once(threads: int) -> None:
    done: list[int] = []
    in_runs(lambda first, last: done.extend(range(first, last)), 1000, threads=threads, most=100)
    assert sorted(done) == list(range(1000))


def test_two_threads_work_at_once() -> None:
    both = threading.Barrier(2)

    def meet(_first: int, _last: int) -> None:
        both.wait(timeout=20)

    in_runs(meet, 2, threads=2, most=2)


def test_no_more_runs_than_are_worth_it() -> None:
    runs: list[tuple[int, int]] = []
    in_runs(lambda *run: runs.append(run), 10, threads=4, most=1)
    assert runs == [(0, 10)]


@pytest.mark.parametrize("bad", [0, 60, 99])
def test_an_error_of_any_run_is_raised(bad: int) -> None:
    def work(first: int, last: int) -> None:
        if first <= bad < last:
            raise LookupError(bad)

    with pytest.raises(LookupError):
        in_runs(work, 100, threads=3, most=50)
