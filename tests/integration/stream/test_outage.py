"""Storage answers nothing for far longer than all attempts of a message take: the worker keeps its work, and waits."""

from __future__ import annotations

import csv
import io
import json
import time
from contextlib import closing

import pytest

from cloud import connect
from emulator.storage.faults import Status
from emulator.topology import kept

from .conftest import Stream, WorkerProcess, wait_until

MESSAGES, ROWS = 500, 200
OUTAGE_S = 10.0
_KEPT = "storage does not answer; the work is kept"


def dead_letters(stream: Stream) -> int:
    name = kept(stream.settings.dead_letter_topic)
    with closing(connect.open_subscription(stream.settings.project, name)) as letters:
        return len(letters.pull(1_000, timeout_s=2))


def start_in_outage(stream: Stream) -> tuple[WorkerProcess, str, str]:
    """Give a worker reviews and a file while storage fails, and wait until it has met that with both."""
    # An attempt takes half a second and the next one follows at once: five of them are over in three.
    worker = stream.start_worker(REVIEWMILL_STORAGE_TIMEOUT_S="0.5", REVIEWMILL_WATCHDOG_S="3")
    worker.wait_until_ready()
    stream.storage.faults.inject(Status(503), path="results-", count=None)
    receipt = stream.publish(MESSAGES)
    job = stream.upload_csv(ROWS)
    stream.storage.faults.inject(Status(503), count=None)
    wait_until(lambda: worker.log().count(_KEPT) >= 3)
    return worker, str(receipt), job


def require_all(stream: Stream, receipt: str, job: str) -> None:
    """Hold what is stored against what was sent: each row once, and no dead letter."""
    wait_until(lambda: "manifest.json" in stream.stored(job))
    wait_until(lambda: stream.lines("reviews") >= MESSAGES)
    verified = stream.reviewmill("verify", receipt)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert stream.lines("reviews") == MESSAGES
    stored = stream.stored(job)
    assert json.loads(stored["manifest.json"])["state"] == "done"
    rows = csv.DictReader(io.StringIO(stored["predictions.csv"].decode(), newline=""))
    assert [row["id"] for row in rows] == [f"r{number}" for number in range(ROWS)]
    assert dead_letters(stream) == 0


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_an_outage_that_outlasts_all_attempts_costs_nothing(strict_stream: Stream) -> None:
    worker, receipt, job = start_in_outage(strict_stream)
    time.sleep(OUTAGE_S)
    assert worker.process.poll() is None, "waiting for storage is not hanging"
    strict_stream.storage.faults.clear()
    require_all(strict_stream, receipt, job)
    assert worker.stop() == 0
    assert [name for name in strict_stream.stored(job) if name.startswith("attempts/")] == ["attempts/000001.json"]


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_stop_during_an_outage_is_in_time_and_loses_nothing(strict_stream: Stream) -> None:
    worker, receipt, job = start_in_outage(strict_stream)
    assert worker.stop() == 0, worker.log()
    strict_stream.storage.faults.clear()
    second = strict_stream.start_worker()
    require_all(strict_stream, receipt, job)
    assert second.stop() == 0
