"""The stateful model: nothing that Hypothesis makes of it loses a row, and two planted bugs do not get through.

REVIEWMILL_MODEL_RUNS=2000 looks longer, and elsewhere each time.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.faults.model import Stream
from tests.faults.planted import BUGS

RUNS = int(os.environ.get("REVIEWMILL_MODEL_RUNS", "40"))
STEPS = 40
_SETTINGS = settings(
    max_examples=RUNS,
    stateful_step_count=STEPS,
    database=None,
    derandomize="REVIEWMILL_MODEL_RUNS" not in os.environ,
)


@pytest.mark.timeout(60 + RUNS)
def test_what_is_acknowledged_is_stored_and_read_exactly_once() -> None:
    run_state_machine_as_test(Stream, settings=_SETTINGS)


@pytest.mark.parametrize(
    ("bug", "found"),
    [
        ("acknowledges first", "acknowledged before they were stored"),
        ("swallows a failed write", "acknowledged before"),
    ],
)
def test_the_model_finds_planted_bugs(bug: str, found: str) -> None:
    class Broken(Stream):
        part = BUGS[bug].part
        broken = BUGS[bug].broken

    # Without shrinking: that it is found is enough. It ends with the first run that finds it.
    once = settings(_SETTINGS, max_examples=500, phases=[Phase.generate], report_multiple_bugs=False)
    with pytest.raises(AssertionError, match=found):
        run_state_machine_as_test(Broken, settings=once)
