"""`reviewmill jobs`: what the stored objects say of each CSV job."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest

from cloud.objects import TransientError
from publisher.jobs_command import main
from tests.integration.publisher.conftest import LocalCloud
from tests.integration.publisher.jobs import SAMPLE, run, upload
from worker.core.report_summary import lasted


def listed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, object]]:
    assert main([*arguments, "--format", "jsonl"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture
def three_jobs(local_cloud: LocalCloud) -> LocalCloud:
    """A job that is done, one that has failed, and one that was stopped after its first part."""
    run(local_cloud, upload(local_cloud, "good.csv", SAMPLE))
    run(local_cloud, upload(local_cloud, "bad.csv", b"id,words\n1,x\n"))
    asked = iter([False, True])
    with pytest.raises(TransientError):
        run(local_cloud, upload(local_cloud, "half.csv", SAMPLE), stopping=lambda: next(asked))
    return local_cloud


def test_every_job_is_listed_with_its_state(three_jobs: LocalCloud, capsys: pytest.CaptureFixture[str]) -> None:
    assert three_jobs.results.uri
    rows = {str(row["job"]).partition("-")[0]: row for row in listed(capsys)}
    assert {name: row["state"] for name, row in rows.items()} == {"good": "done", "bad": "failed", "half": "running"}
    assert [rows["good"][name] for name in ("rows", "rejections", "parts", "model")] == [8, 2, 3, "logistic_regression"]
    assert [rows["half"][name] for name in ("rows", "rejections", "parts", "reason")] == [3, 0, 1, None]
    assert str(rows["bad"]["reason"]).startswith("missing_column: ")
    assert str(rows["good"]["upload"]).startswith("good.csv#")
    assert all(float(str(row["duration_s"])) >= 0 for row in rows.values())


def test_jobs_are_chosen_by_state_and_number(three_jobs: LocalCloud, capsys: pytest.CaptureFixture[str]) -> None:
    assert three_jobs.results.uri
    for state in ("running", "done", "failed"):
        assert [row["state"] for row in listed(capsys, "--state", state)] == [state]
    assert len(listed(capsys, "--limit", "2")) == 2
    assert main(["--limit", "1"]) == 0
    captured = capsys.readouterr()
    assert "There are more than 1" in captured.err
    assert "duration" in captured.out


def test_the_table_and_the_csv_hold_the_same_jobs(three_jobs: LocalCloud, capsys: pytest.CaptureFixture[str]) -> None:
    assert three_jobs.results.uri
    jobs = {row["job"] for row in listed(capsys)}
    assert main(["--format", "csv"]) == 0
    assert {row["job"] for row in csv.DictReader(io.StringIO(capsys.readouterr().out))} == jobs
    assert main([]) == 0
    table = capsys.readouterr().out
    assert all(str(job) in table for job in jobs)
    assert re.search(r"  \d+\.\d+ s  ", table)
    # The whole reason is longer than the table has room for.
    (reason,) = [str(row["reason"]) for row in listed(capsys, "--state", "failed")]
    assert reason not in table
    assert f"{reason[:50]}" in table
    assert "…" in table


def test_without_jobs_it_says_how_to_begin_one(local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str]) -> None:
    assert local_cloud.results.uri
    assert listed(capsys) == []
    assert main([]) == 0
    assert "reviewmill publish csv" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.04, "0.04 s"), (0.996, "1.0 s"), (59.94, "59.9 s"), (59.96, "0:01:00"), (90061, "1 day, 1:01:01")],
)
def test_durations_have_hundredths_below_a_second_and_tenths_below_a_minute(seconds: float, shown: str) -> None:
    assert lasted(seconds) == shown
