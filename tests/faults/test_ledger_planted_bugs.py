"""The ledger proves itself: a worker without bugs is clean under every fault, and each planted bug is caught."""

from __future__ import annotations

import pytest

from tests.faults.planted import BUGS, Bug
from tests.faults.tiny_worker import MESSAGES, run


@pytest.mark.parametrize("seed", range(3))
def test_the_real_worker_is_clean_whenever_it_dies(seed: int) -> None:
    verdict = run(seed=seed)
    assert verdict.clean, (str(verdict), verdict.examples)
    assert (verdict.accepted, verdict.dead_letters) == (MESSAGES, 0)
    assert verdict.repeated > 0, "no fault made a row come twice: the run proved nothing"


@pytest.mark.parametrize("bug", BUGS.values(), ids=BUGS)
def test_each_planted_bug_is_caught(bug: Bug) -> None:
    verdict = run(bug.part, bug.broken)
    assert bug.caught_as <= verdict.faults, str(verdict)
