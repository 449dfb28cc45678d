"""`reviewmill demo`: the main job end to end, again, and interrupted."""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.system.conftest import Console


def _account(output: str) -> list[dict[str, int]]:
    """Return the accounts that `reviewmill verify` printed."""
    names = ("read", "predicted", "rejected", "missing", "doubled", "unexpected")
    accounts = []
    for verified in output.split("$ reviewmill verify")[1:]:
        # Line by line: what commands say on stderr may come between.
        found = re.findall(rf"^\s*({'|'.join(names)})\s+([\d,]+)\s*$", verified, re.MULTILINE)
        accounts.append({name: int(count.replace(",", "")) for name, count in found})
        assert list(accounts[-1]) == list(names), output
    return accounts


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_main_job_ends_with_every_row_accounted_for_twice(console: Console, pubsub: str) -> None:
    for _ in range(2):
        running = console.start("demo", "--folder", "demo", "--pubsub", pubsub)
        running.wait_for(r"^== 4\.")  # each wait has a deadline of its own
        status = running.wait()
        output = running.output()
        assert status == 0, output
        messages, job = _account(output)
        assert messages == {"read": 1000, "predicted": 1000} | dict.fromkeys(
            ("rejected", "missing", "doubled", "unexpected"), 0
        )
        assert job == {"read": 1981, "predicted": 1979, "rejected": 2, "missing": 0, "doubled": 0, "unexpected": 0}
        for name in ("logistic_regression", "linear_svc", "decision_tree"):
            assert name in output
        assert "gs://reviewmill-results/reviews/v1/" in output
        assert re.search(r"gs://reviewmill-results/jobs/\S+/manifest\.json", output)
        assert "OK: every row is accounted for" in output
        assert "Traceback" not in output
        console.assert_nothing_is_left()


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("step", [1, 2, 3])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_leaves_no_process(console: Console, step: int, number: signal.Signals) -> None:
    running = console.start("demo", "--folder", "demo")
    running.wait_for(rf"^== {step}\.[^\n]*\n\$ reviewmill")
    running.signal(number)
    assert running.wait() == 130, running.output()
    assert "interrupted" in running.output()
    assert "Traceback" not in running.output()
    console.assert_nothing_is_left()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_killed_outright_it_leaves_no_process(console: Console) -> None:
    running = console.start("demo", "--folder", "demo")
    running.wait_for(r"^== 2\.")
    running.signal(signal.SIGKILL)
    running.wait()
    console.assert_nothing_is_left()
