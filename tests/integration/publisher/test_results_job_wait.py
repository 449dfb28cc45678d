"""`reviewmill results job --wait`: follows a running job by its parts, on a terminal with a bar."""

from __future__ import annotations

import csv
import gzip
import io
import os
import pty
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cloud.connect import open_objects
from cloud.objects import TransientError
from publisher.console import NotDone
from publisher.results_command import main
from publisher.stored_jobs import StoredJob, job_of_upload
from publisher.wait_job import wait_for_job
from tests.integration.publisher.conftest import LocalCloud
from tests.integration.publisher.jobs import SAMPLE, run, upload

DEADLINE_S = 60.0
ROOT = Path(__file__).parents[3]


LONG = gzip.compress(b"id,text\n" + b"".join(b"%d,%s\n" % (row, b"good " * 1000) for row in range(8)), mtime=0)
"""Rows that are many times as long as what is stored of them."""


def half_done(cloud: LocalCloud, name: str = "half.csv", data: bytes = SAMPLE) -> str:
    """Return a job that was stopped after its first part."""
    asked = iter([False, True])
    info = upload(cloud, name, data)
    with pytest.raises(TransientError):
        run(cloud, info, stopping=lambda: next(asked))
    return job_of_upload(cloud.uploads.uri, info)


def test_results_come_once_the_job_is_done(local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str]) -> None:
    job = half_done(local_cloud)
    assert main(["job", job]) == 1
    assert "--wait" in capsys.readouterr().err
    info = local_cloud.uploads.info("half.csv")
    timer = threading.Timer(0.5, lambda: run(local_cloud, info))
    timer.start()
    try:
        assert main(["job", job, "--wait", "60", "--format", "csv"]) == 0
    finally:
        timer.join()
    assert len(list(csv.DictReader(io.StringIO(capsys.readouterr().out)))) == 6


def test_waiting_in_vain_says_how_far_the_job_is(local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str]) -> None:
    job = half_done(local_cloud)
    assert main(["job", job, "--wait", "0.2"]) == 1
    assert "1 parts with 3 rows are there" in capsys.readouterr().err


@pytest.mark.parametrize("emulated", [True, False])
def test_storage_that_goes_away_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch, emulated: bool) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
    job = StoredJob(open_objects("gs://reviewmill-results", timeout_s=0.3), "half-0123456789abcdef")
    if not emulated:
        monkeypatch.delenv("STORAGE_EMULATOR_HOST")
    with pytest.raises(NotDone) as caught:
        wait_for_job(job, seconds=5)
    said = str(caught.value)
    begin = f"No storage emulator answers at http://127.0.0.1:{port}" if emulated else "Storage does not answer"
    assert said.startswith(begin)
    assert said.endswith(f"goes on. Look again with: reviewmill results job {job.job} --wait")
    assert "urllib3" not in said


@contextmanager
def waiting_on_a_terminal(job: str) -> Iterator[tuple[subprocess.Popen[bytes], Iterator[bytes]]]:
    """Run `results job --wait` on a terminal; the second yields all that it has shown so far, piece by piece."""
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "reviewmill", "results", "job", job, "--wait", "60"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=terminal,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(terminal)
    try:
        yield process, shown_on(controller)
    finally:
        process.kill()
        process.wait()
        os.close(controller)


def shown_on(controller: int) -> Iterator[bytes]:
    shown = b""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        assert time.monotonic() < deadline, shown
        try:
            shown += os.read(controller, 10_000)
        except OSError:  # the terminal's other end is closed: the process has ended
            return
        yield shown


@pytest.mark.parametrize(
    ("name", "data", "share"), [("half.csv", SAMPLE, True), ("half.csv.gz", LONG, False)], ids=["plain", "inflated"]
)
def test_a_terminal_gets_a_bar(local_cloud: LocalCloud, name: str, data: bytes, share: bool) -> None:
    job = half_done(local_cloud, name, data)
    with waiting_on_a_terminal(job) as (process, shown):
        next(text for text in shown if b"3 rows in 1 parts" in text)
        run(local_cloud, local_cloud.uploads.info(name))
        text = [*shown][-1]
        assert process.wait(DEADLINE_S) == 0
    assert "scoring" in text.decode(errors="replace")
    # How much an inflated file will be is not known before its end: a share of what is stored could be 5,000 %.
    assert (" %" in text.decode(errors="replace")) is share


def assert_interrupted(process: subprocess.Popen[bytes], said: str, job: str) -> None:
    assert process.wait(DEADLINE_S) == 130
    assert f"the job {job} goes on. Look again with: reviewmill results job {job} --wait" in " ".join(said.split())
    assert "Traceback" not in said


def test_an_interrupted_publish_says_that_the_job_goes_on(local_cloud: LocalCloud, tmp_path: Path) -> None:
    assert local_cloud.results.uri
    (tmp_path / "in.csv").write_bytes(SAMPLE)
    process = subprocess.Popen(
        [sys.executable, "-m", "reviewmill", "publish", "csv", str(tmp_path / "in.csv"), "--wait", "60"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"upload")
        job = process.stdout.readline().split()[1].decode()
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=DEADLINE_S)[1].decode()
        assert_interrupted(process, said, job)
    finally:
        process.kill()
        process.wait()


def test_an_interrupted_wait_says_that_the_job_goes_on(local_cloud: LocalCloud) -> None:
    job = half_done(local_cloud)
    with waiting_on_a_terminal(job) as (process, shown):
        next(text for text in shown if b"3 rows in 1 parts" in text)
        process.send_signal(signal.SIGINT)
        assert_interrupted(process, [*shown][-1].decode(), job)
