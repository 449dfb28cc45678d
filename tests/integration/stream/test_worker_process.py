"""What a worker promises as a process: how it stops, shares, gives up. Every row is accounted for by `verify`."""

from __future__ import annotations

import os
import random
import signal
import sys
import time

import pytest
from google.cloud.pubsub_v1 import SubscriberClient

from cloud import connect
from cloud.queue import Received
from emulator.storage.faults import Delay

from .conftest import Stream, wait_until

STOPS = int(os.environ.get("REVIEWMILL_TEST_STOPS", "20"))
"""At how many random moments the worker is stopped; `make test-stops` sets 200."""

STOPS_A_FILE = 10
FILE_ROWS, PART_ROWS = 3_000, "20"
"""A file of 150 parts: at a tenth of a second for each object, ten workers that live half a second do not end it."""


@pytest.mark.slow
@pytest.mark.timeout(240 + 20 * STOPS)
def test_a_stop_at_any_moment_takes_seconds_and_loses_nothing(stream: Stream) -> None:
    seed = random.randrange(1_000_000)
    moments = random.Random(seed)
    count = max(20_000, 300 * STOPS)
    receipt = stream.publish(count)
    # A tenth of a second for each object, and small batches: there is work in hand at every stop, to the last.
    stream.storage.faults.inject(Delay(0.1), method="POST", path="results-", count=None)
    stream.deliver_uploads_again_at_once()
    small = {"REVIEWMILL_BATCH_MESSAGES": "25", "REVIEWMILL_BUFFER_MESSAGES": "200"}
    jobs: list[str] = []
    longest_s = 0.0
    for number in range(STOPS):
        if number % STOPS_A_FILE == 0:
            jobs.append(stream.drop_csv(f"{number}.csv", FILE_ROWS))
        worker = stream.start_worker(**small, REVIEWMILL_CHUNK_ROWS=PART_ROWS)
        if number % 4:  # else also while it starts
            worker.wait_until_ready()
        time.sleep(moments.uniform(0.0, 0.6 if number % 4 else 3.0))
        asked = time.monotonic()
        # Killed by the signal itself only before its handler is there: nothing was pulled then.
        assert worker.stop() in ({0} if number % 4 else {0, -15}), f"seed {seed}, stop {number}:\n{worker.log()}"
        longest_s = max(longest_s, time.monotonic() - asked)
    assert stream.lines("reviews") < count, "nothing was left to do at the last stops"
    # Where a stop interrupts a job, the worker writes down that this attempt was not in vain.
    inside = sum(name.endswith(".end.json") for job in jobs for name in stream.stored(f"jobs/{job}/attempts/"))
    told = f"{STOPS} stops, {inside} of them inside a CSV job, seed {seed}: the longest took {longest_s:.1f} s"
    sys.stdout.write(f"\n{told}\n")
    assert inside >= STOPS // 4, told
    stream.storage.faults.clear()
    stream.start_worker()
    stream.wait_until_verified(receipt)
    for job in jobs:
        stream.wait_until_verified(job)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_three_workers_share_a_subscription(stream: Stream) -> None:
    workers = [stream.start_worker() for _ in range(3)]
    for worker in workers:
        worker.wait_until_ready()
    receipt = stream.publish(20_000)
    stream.wait_until_verified(receipt)
    assert [worker.stop() for worker in workers] == [0, 0, 0]
    # Nobody was killed, so nothing came twice.
    assert stream.lines("reviews") == 20_000


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_stop_is_in_time_and_loses_nothing_while_storage_hangs(stream: Stream) -> None:
    worker = stream.start_worker()
    worker.wait_until_ready()
    fault = stream.storage.faults.inject(Delay(40), method="POST", path="results-", count=None)
    receipt = stream.publish(3_000)
    wait_until(lambda: fault.fired > 0)
    assert worker.stop() == 0, worker.log()
    assert stream.lines("reviews") == 0
    assert "were not done within" in worker.log()
    stream.storage.faults.clear()
    # All of it comes again: nothing was acknowledged before it was durable.
    second = stream.start_worker()
    stream.wait_until_verified(receipt)
    assert second.stop() == 0


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_batches_that_wait_and_work_longer_than_the_ack_deadline_are_delivered_once(stream: Stream) -> None:
    path = f"projects/{stream.settings.project}/subscriptions/{stream.settings.reviews_subscription}"
    with SubscriberClient() as subscriber:
        subscriber.update_subscription(
            request={
                "subscription": {"name": path, "ack_deadline_seconds": 10},
                "update_mask": {"paths": ["ack_deadline_seconds"]},
            }
        )
    fault = stream.storage.faults.inject(Delay(6), method="POST", path="results-", count=None)
    receipt = stream.publish(3_000)
    # One batch after the other on two threads: the last one waits for 6 s and is worked on for 6 s.
    worker = stream.start_worker(REVIEWMILL_THREADS="1", REVIEWMILL_STORAGE_TIMEOUT_S="40")
    stream.wait_until_verified(receipt)
    assert worker.stop() == 0
    assert stream.lines("reviews") == 3_000
    assert fault.fired >= 3


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_slow_storage_slows_the_pulls(stream: Stream) -> None:
    stream.storage.faults.inject(Delay(2), method="POST", path="results-", count=None)
    receipt = stream.publish(10_000)
    worker = stream.start_worker(REVIEWMILL_BUFFER_MESSAGES="2000", REVIEWMILL_THREADS="1")
    wait_until(lambda: stream.lines("reviews") > 0)
    # At most the buffer and one more batch are leased; the rest is free for another worker.
    other = connect.open_subscription(stream.settings.project, stream.settings.reviews_subscription)
    free: list[Received] = []
    while len(free) < 3_000 and (batch := other.pull(1_000, timeout_s=5)):
        free += batch
    other.give_back([item.ack_id for item in free])
    other.close()
    assert len(free) >= 3_000
    stream.storage.faults.clear()
    stream.wait_until_verified(receipt)
    assert worker.stop() == 0


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_many_rejections_open_the_breaker(stream: Stream) -> None:
    stream.publish_raw(20_000, b'{"txt": "a field of another name"}')
    worker = stream.start_worker()
    wait_until(lambda: worker.process.poll() is not None)
    assert worker.process.returncode == 1, worker.log()
    assert "messages were rejected, more than REVIEWMILL_BREAKER_SHARE=0.5 allows" in worker.log()
    assert 1_000 <= stream.lines("rejections") < 20_000


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_watchdog_ends_a_worker_whose_work_hangs(stream: Stream) -> None:
    fault = stream.storage.faults.inject(Delay(60), method="POST", path="results-", count=None)
    receipt = stream.publish(100)
    worker = stream.start_worker(REVIEWMILL_WATCHDOG_S="2", REVIEWMILL_STORAGE_TIMEOUT_S="100")
    wait_until(lambda: worker.process.poll() is not None)
    assert worker.process.returncode == 1, worker.log()
    assert "REVIEWMILL_WATCHDOG_S=2" in worker.log()
    assert fault.fired > 0
    stream.storage.faults.clear()
    second = stream.start_worker()
    stream.wait_until_verified(receipt)
    assert second.stop() == 0


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_paused_process_is_not_taken_for_one_that_hangs(stream: Stream) -> None:
    worker = stream.start_worker(REVIEWMILL_WATCHDOG_S="2")
    worker.wait_until_ready()
    for _ in range(2):
        worker.process.send_signal(signal.SIGSTOP)
        time.sleep(4)
        worker.process.send_signal(signal.SIGCONT)
        time.sleep(3)
    assert worker.process.poll() is None, worker.log()
    stream.wait_until_verified(stream.publish(100))
    assert worker.stop() == 0


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_job_that_moves_hides_no_batch_that_hangs(stream: Stream) -> None:
    hung = stream.storage.faults.inject(Delay(120), method="POST", path="results-", count=1)
    receipt = stream.publish(100)
    worker = stream.start_worker(
        REVIEWMILL_WATCHDOG_S="3", REVIEWMILL_STORAGE_TIMEOUT_S="100", REVIEWMILL_CHUNK_ROWS="10"
    )
    wait_until(lambda: hung.fired > 0 or worker.process.poll() is not None)
    # A job of hundreds of writes, each of which shows that it moves.
    stream.storage.faults.inject(Delay(0.2), method="POST", path="results-", count=None)
    job = stream.upload_csv(1_000)
    wait_until(lambda: worker.process.poll() is not None)
    assert worker.process.returncode == 1, worker.log()
    assert f"work from {stream.settings.reviews_subscription} has not moved" in worker.log()
    assert "spec.json" in stream.stored(job), "the job had begun"
    assert "manifest.json" not in stream.stored(job), "it ended with the job, and not before"
    stream.storage.faults.clear()
    second = stream.start_worker()
    stream.wait_until_verified(receipt)
    assert second.stop() == 0
