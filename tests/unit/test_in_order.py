"""Overlapping stages: the outcome is that of doing one step after the other, and no more is under way than agreed."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.in_order import run_in_order

DEADLINE_S = 30.0


class Stop(Exception):  # noqa: N818 - a fact
    """Names the stage and the step that failed."""


def run(steps: int, fails: tuple[str, int] | None, makers: int) -> tuple[list[int], str | None]:
    """Return which steps were settled, and what was raised, where one step fails in one stage."""
    settled: list[int] = []

    def check(stage: str, step: int) -> None:
        if fails == (stage, step):
            raise Stop(f"{stage} {step}")

    def taken() -> Iterator[int]:
        for step in range(steps):
            check("take", step)
            yield step

    def make(step: int) -> int:
        check("make", step)
        return 10 * step

    def settle(step: int, made: int) -> None:
        check("settle", step)
        assert made == 10 * step
        settled.append(step)

    try:
        run_in_order(taken(), make, settle, makers=makers)
    except Stop as error:
        return settled, str(error)
    return settled, None


@given(
    steps=st.integers(0, 8),
    stage=st.sampled_from(["take", "make", "settle"]),
    at=st.integers(0, 8),
    makers=st.integers(1, 4),
)
def test_what_is_settled_and_raised_is_what_one_after_the_other_would(
    steps: int, stage: str, at: int, makers: int
) -> None:
    settled, raised = run(steps, (stage, at), makers)
    assert settled == list(range(min(steps, at)))
    assert raised == (f"{stage} {at}" if at < steps else None)


def test_the_first_failing_step_counts_whatever_fails_after_it() -> None:
    def taken() -> Iterator[int]:
        yield 0
        raise Stop("take 1")

    def make(_step: int) -> int:
        raise Stop("make 0")

    with pytest.raises(Stop, match="make 0"):
        run_in_order(taken(), make, lambda _step, _made: None)


@pytest.mark.parametrize("makers", [1, 3])
def test_stages_overlap_and_only_so_many_steps_are_under_way(makers: int) -> None:
    """Step 0 waits in its last stage until every maker is at work on a next one; no further one is taken meanwhile."""
    made = [threading.Event() for _ in range(makers)]
    taken_too_many = threading.Event()
    early: list[bool] = []

    def taken() -> Iterator[int]:
        for step in range(makers + 4):
            if step == makers + 1:
                taken_too_many.set()
            yield step

    def make(step: int) -> int:
        if 1 <= step <= makers:
            # All makers are at work at once.
            made[step - 1].set()
            assert all(one.wait(DEADLINE_S) for one in made)
        return step

    def settle(step: int, _made: int) -> None:
        if step == 0:
            assert all(one.wait(DEADLINE_S) for one in made)
            early.append(taken_too_many.is_set())

    run_in_order(taken(), make, settle, makers=makers)
    assert early == [False]
    assert taken_too_many.is_set()
