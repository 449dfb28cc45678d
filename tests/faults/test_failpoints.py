"""25 failpoints, each with SIGKILL, exit, exception and hang: every row is accounted for, and the CSV is the same.

All 100 runs are part of `make test-failpoints`, a slice of them of `make test`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.failpoint_cloud import MESSAGES, ROWS, Cloud, opened_cloud
from tests.faults.failpoint_run import Outcome, Run
from tests.faults.failpoints import ACTIONS, FAILPOINTS, Action

pytestmark = pytest.mark.timeout(300)

SLICE: set[tuple[str, Action]] = {
    ("predictions-written-before", "exception"),
    ("predictions-written-after", "SIGKILL"),
    ("taken-name-compared-before", "hang"),
    ("reviews-acknowledged-before", "exit"),
    ("spec-written-after", "SIGKILL"),
    ("part-record-written-before", "hang"),
    ("predictions-composed-after", "exit"),
    ("completion-published-before", "exception"),
}
RUNS = [
    pytest.param(name, action, marks=() if (name, action) in SLICE else pytest.mark.faults)
    for name in FAILPOINTS
    for action in ACTIONS
]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with opened_cloud(tmp_path_factory.mktemp("cloud")) as cloud:
        yield cloud


@pytest.fixture(scope="module")
def undisturbed(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return Run(cloud, tmp_path_factory.mktemp("undisturbed"), None).go()


def test_there_are_a_hundred_runs() -> None:
    assert len(FAILPOINTS) == 25
    assert len(RUNS) == 100
    assert len([run for run in RUNS if not run.marks]) == len(SLICE)


def test_an_undisturbed_run_makes_every_row_once(cloud: Cloud, undisturbed: Outcome) -> None:
    verdict = undisturbed.verdict
    assert verdict.clean, (str(verdict), verdict.examples)
    assert (verdict.accepted, verdict.rows, undisturbed.starts) == (MESSAGES, MESSAGES, 1)
    rows = list(csv.DictReader(io.StringIO(undisturbed.job["predictions.csv"].decode(), newline="")))
    right = [(f"r{number}", label) for number, label in enumerate(cloud.load.labels) if number % 20 != 5]
    assert [(row["id"], row["label"]) for row in rows] == right
    assert undisturbed.job["rejections.jsonl"].count(b"\n") == ROWS - len(right)


@pytest.mark.parametrize(("name", "action"), RUNS)
def test_every_row_is_conserved(cloud: Cloud, undisturbed: Outcome, tmp_path: Path, name: str, action: Action) -> None:
    outcome = Run(cloud, tmp_path, (name, action)).go()
    assert outcome.reached, "the failpoint was never reached: the run proved nothing"
    assert outcome.verdict.clean, (str(outcome.verdict), outcome.verdict.examples)
    assert outcome.verdict.accepted == MESSAGES
    assert outcome.too_early == []
    assert outcome.job == undisturbed.job
    assert set(outcome.completions) == {"done"}
    if action in {"SIGKILL", "exit"}:
        assert outcome.starts > 1
    if action == "hang":
        assert outcome.by_watchdog == FAILPOINTS[name].watched
