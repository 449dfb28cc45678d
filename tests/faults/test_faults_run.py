"""The whole pipeline under random SIGKILLs and every fault at once: nothing is lost, doubled, wrong or told too early.

`make test-faults` runs it, in less than ten minutes on two cores. REVIEWMILL_FAULT_SEED repeats a run.
"""

from __future__ import annotations

import csv
import io
import os
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cloud.connect import open_objects, open_topic
from cloud.objects import Objects, TransientError
from emulator.provision import provision
from emulator.pubsub.server import EmbeddedPubSub
from emulator.storage.server import EmbeddedStorage
from emulator.topology import plan
from publisher.compact_run import Compactor
from publisher.redrive import main as redrive
from publisher.sealed import Partition
from publisher.stored_reviews import KINDS
from publisher.verify_command import main as verify
from tests.faults import plan as faults
from tests.faults.fleet import Fleet
from tests.faults.ledger import Ledger, Verdict
from tests.faults.load import Load, make_load
from tests.faults.stored import read_all
from tests.faults.wire import Wire
from training.command import main as train
from worker.core.naming import job_id, job_object, partition
from worker.models import ModelStore
from worker.settings import Settings

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

MESSAGES = int(os.environ.get("REVIEWMILL_FAULT_MESSAGES", "20000"))
ROWS = int(os.environ.get("REVIEWMILL_FAULT_ROWS", "50000"))
KILLS = int(os.environ.get("REVIEWMILL_FAULT_KILLS", "20"))
SEED = int(os.environ.get("REVIEWMILL_FAULT_SEED", "20261122"))
LEAST_STRIKES = 20
PATIENCE_S = 240.0
_BATCH = 100
_PUBLISH_AT_ONCE = 500
_KILL_WITHIN_S = 1.5
_OUTAGES = {KILLS // 4, KILLS // 2, KILLS * 3 // 4}
"""Before which kills both services are out."""

ENVIRONMENT = {
    "REVIEWMILL_BATCH_MESSAGES": str(_BATCH),
    "REVIEWMILL_CHUNK_ROWS": "1000",
    "REVIEWMILL_BREAKER_SHARE": "1",
    "REVIEWMILL_LOG_LEVEL": "INFO",
}


@dataclass
class Totals:
    """What struck in all runs of the session together."""

    struck: Counter[str] = field(default_factory=Counter)
    lines: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def totals() -> Iterator[Totals]:
    every = Totals()
    yield every
    counts = "\n".join(f"  {name:<32}{count:>7,}" for name, count in sorted(every.struck.items()))
    sys.stdout.write("\n\n" + "\n".join(every.lines) + f"\nfaults that struck, all runs together:\n{counts}\n")


class FaultRun:
    """One cloud, one fleet, one load."""

    def __init__(self, workers: int, folder: Path, stack: ExitStack, patch: pytest.MonkeyPatch) -> None:
        self.random = random.Random(SEED + workers)
        self.settings = Settings()
        self.wire = Wire("reviewmill-results", self.settings.reviews_subscription, self.settings.uploads_subscription)
        self.pubsub = stack.enter_context(EmbeddedPubSub(on_acknowledge=self.wire.received_acknowledgement))
        self.storage = stack.enter_context(EmbeddedStorage(on_event=self._announce, on_commit=self.wire.committed))
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        patch.setenv("PUBSUB_EMULATOR_HOST", self.pubsub.address)
        patch.setenv("STORAGE_EMULATOR_HOST", self.storage.url)
        topology = plan(self.settings)
        # Shorter leases and more attempts than in production: killed workers' messages come back while the run lasts.
        subscriptions = tuple(
            replace(one, ack_deadline_s=10, max_backoff_s=2, max_attempts=100) for one in topology.subscriptions
        )
        provision(replace(topology, subscriptions=subscriptions), os.environ, wait_s=60)
        assert train([]) == 0
        self.load = self._make_load()
        self.ledger = Ledger()
        self.fleet = Fleet(workers, folder, os.environ, self.random)
        stack.callback(self.fleet.close)

    def go(self) -> None:
        """Send everything while workers are killed, then wait until all of it has an outcome."""
        self._job = self._upload()
        faults.plan_faults(self.storage, self.pubsub)
        publisher = threading.Thread(target=self._publish, name="publish")
        publisher.start()
        for number in range(KILLS):
            if number in _OUTAGES:
                faults.outage(self.storage, self.pubsub)
            self.fleet.kill_one(within_s=_KILL_WITHIN_S, patience_s=PATIENCE_S)
        publisher.join(PATIENCE_S)
        assert not publisher.is_alive()
        self.struck = faults.struck(self.storage, self.pubsub)
        self.storage.faults.clear()
        self.pubsub.faults.clear()
        self._wait_until_done()

    def check(self) -> Verdict:
        """Stop the workers, then hold what is stored against what was sent."""
        assert all(self.fleet.stop()), f"a worker did not drain in time\n{self.fleet.logs()}"
        assert redrive(["--wait", "1"]) == 0
        results = open_objects(self.settings.results)
        try:
            read_all(results, self.ledger)
            self._seal(results)
            predictions, _ = results.get(job_object(self._job, "predictions.csv"))
        finally:
            results.close()
        rows = list(csv.DictReader(io.StringIO(predictions.decode(), newline="")))
        assert [(row["id"], row["label"]) for row in rows] == [
            (f"r{number}", label) for number, label in enumerate(self.load.labels)
        ]
        assert verify([self._job]) == 0
        return self.ledger.verdict()

    def _seal(self, results: Objects) -> None:
        """Seal what is stored, and find the same verdict in it, with no more rows than before."""
        for kind in KINDS:
            report = Compactor(results).compact(Partition(kind, partition(self.load.stamp, "")))
            assert report.deleted > 0
        again = Ledger()
        for _, accepted in self.load.messages:
            again.accept(accepted)
        read_all(results, again)
        before, after = self.ledger.verdict(), again.verdict()
        assert after == replace(before, rows=after.rows, repeated=after.repeated)
        assert after.repeated <= before.repeated

    def _make_load(self) -> Load:
        objects = open_objects(self.settings.models)
        try:
            store = ModelStore(objects, check_every_s=60, now=time.monotonic)
            models = {
                name: store.resolve(name, None) for name in ("logistic_regression", "linear_svc", "decision_tree")
            }
            return make_load(MESSAGES, ROWS, models, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
        finally:
            objects.close()

    def _upload(self) -> str:
        uploads = open_objects(self.settings.uploads)
        try:
            info = uploads.put("reviews.csv", self.load.file, content_type="text/csv", if_generation=0)
        finally:
            uploads.close()
        return job_id("reviewmill-uploads", "reviews.csv", info.generation)

    def _announce(self, topic: str, data: bytes, attributes: dict[str, str]) -> None:
        self.pubsub.publish(topic, data, attributes)

    def _publish(self) -> None:
        """Write each request down, then send it, and again until it is accepted; spread over the time of the kills."""
        topic = open_topic(self.settings.project, self.settings.reviews_topic)
        attributes = {"enqueued_at": self.load.stamp}
        for start in range(0, MESSAGES, _PUBLISH_AT_ONCE):
            waiting = self.load.messages[start : start + _PUBLISH_AT_ONCE]
            for _, accepted in waiting:
                self.ledger.accept(accepted)
            while waiting:
                sent = [(item, topic.publish(item[0], attributes)) for item in waiting]
                waiting = [item for item, answer in sent if not _accepted(answer)]
            while self.fleet.kills < min(KILLS - 1, start * KILLS // MESSAGES):
                time.sleep(0.05)
        topic.close()

    def _wait_until_done(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        manifest = job_object(self._job, "manifest.json")
        while self.wire.durable() < MESSAGES or not self.wire.is_stored(manifest):
            self.fleet.ready()
            assert time.monotonic() < deadline, (
                f"{self.wire.durable():,} of {MESSAGES:,} rows are stored, manifest: {self.wire.is_stored(manifest)}\n"
                + self.fleet.logs()
            )
            time.sleep(0.2)


def _accepted(answer: Future[str]) -> bool:
    try:
        answer.result(timeout=PATIENCE_S)
    except TransientError:
        return False
    return True


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_nothing_is_lost_under_kills_and_faults(
    workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, totals: Totals
) -> None:
    began = time.monotonic()
    with ExitStack() as stack:
        run = FaultRun(workers, tmp_path, stack, monkeypatch)
        run.go()
        verdict = run.check()
    totals.struck += run.struck
    totals.lines.append(
        f"{workers} worker(s), seed {SEED + workers}: {run.fleet.kills} kills, {run.fleet.restarts} restarts, "
        f"{sum(run.struck.values()):,} faults, {run.wire.acknowledged.total():,} acknowledged deliveries, "
        f"{len(run.wire.too_early)} before a durable write, {time.monotonic() - began:.0f} s\n"
        f"  messages: {verdict}\n  CSV: {ROWS:,} rows, every one as by offline scoring, verified"
    )
    assert verdict.clean, (str(verdict), verdict.examples)
    assert (verdict.accepted, verdict.dead_letters) == (MESSAGES, 0)
    assert run.wire.too_early == []
    assert run.fleet.kills == KILLS


def test_every_fault_struck_often_enough(totals: Totals) -> None:
    if KILLS < 20 or MESSAGES < 20_000:
        pytest.skip("a shortened run")
    rare = {name: totals.struck[name] for name in sorted(faults.classes()) if totals.struck[name] < LEAST_STRIKES}
    assert not rare
