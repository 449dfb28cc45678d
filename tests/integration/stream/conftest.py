"""Real worker processes against the embedded servers, whose faults the tests plan; classifiers are trained once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import pytest

from cloud import connect
from emulator.provision import provision
from emulator.pubsub.server import EmbeddedPubSub
from emulator.storage.server import EmbeddedStorage
from emulator.topology import plan
from training.command import main as train
from worker.core.naming import job_id, job_object
from worker.settings import Settings, describe_settings, load_settings

PATIENCE_S = 200.0
"""How long a test waits for what must happen: far longer than it takes, backoff of given-back messages included."""

STOP_S = 10.0
"""Cloud Run and Kubernetes kill a worker that takes longer; this is a promise, not patience."""


OWN = {
    variable: default
    for variable, default, _ in describe_settings()
    if variable.endswith(("_UPLOADS", "_RESULTS", "_TOPIC", "_SUBSCRIPTION"))
}
"""Variables of what a test has for itself, with the names that get its mark."""


class WorkerProcess:
    """One `reviewmill worker`, its log in a file."""

    def __init__(self, log: Path, environment: dict[str, str]) -> None:
        self._log = log
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "reviewmill", "worker"], env=environment, stdout=file, stderr=file
            )

    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def wait_until_ready(self) -> None:
        wait_until(lambda: "ready: pulling" in self.log() or self.process.poll() is not None)
        assert self.process.poll() is None, self.log()

    def stop(self) -> int:
        """Ask it to stop and return its status; fails the test when it takes longer than it may."""
        self.process.terminate()
        try:
            return self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            pytest.fail(f"it did not stop within {STOP_S} s:\n{self.log()}")


@dataclass(frozen=True)
class Stream:
    """A running cloud with topics, subscriptions and buckets of one test's own."""

    settings: Settings
    pubsub: EmbeddedPubSub
    storage: EmbeddedStorage
    folder: Path
    environment: dict[str, str]
    started: list[WorkerProcess]

    def start_worker(self, **environment: str) -> WorkerProcess:
        log = self.folder / f"worker-{len(self.started)}.log"
        self.started.append(WorkerProcess(log, {**self.environment, **environment}))
        return self.started[-1]

    def publish(self, count: int) -> Path:
        """Publish so many reviews, and return the receipt."""
        mark = uuid4().hex[:8]
        reviews = self.folder / f"{mark}.jsonl"
        lines = (
            json.dumps({"text": f"review {number} is {'great' if number % 3 else 'bad'}"}) for number in range(count)
        )
        reviews.write_text("\n".join(lines) + "\n")
        receipt = self.folder / f"{mark}.receipt.jsonl"
        published = self.reviewmill("publish", "reviews", str(reviews), "--receipt", str(receipt))
        assert published.returncode == 0, published.stderr
        return receipt

    def upload_csv(self, rows: int) -> str:
        """Upload a CSV of so many rows, and return the folder that its job will have."""
        return job_object(self.drop_csv("reviews.csv", rows), "")

    def drop_csv(self, name: str, rows: int) -> str:
        """Upload a CSV, which the bucket announces, and return its job's id."""
        lines = (f"r{row},review {row} is {'great' if row % 3 else 'bad'}" for row in range(rows))
        data = "\n".join(["id,text", *lines, ""]).encode()
        with closing(connect.open_objects(self.settings.uploads)) as uploads:
            info = uploads.put(name, data, content_type="text/csv", if_generation=0)
        return job_id(self.settings.uploads.removeprefix("gs://"), info.name, info.generation)

    def deliver_uploads_again_at_once(self) -> None:
        """Let events of uploads come again at once and a hundred times: a test stops more workers than ever happens."""
        topology = plan(self.settings)
        uploads = tuple(
            replace(one, min_backoff_s=0, max_backoff_s=0, max_attempts=100)
            for one in topology.subscriptions
            if one.topic == self.settings.uploads_topic
        )
        provision(replace(topology, subscriptions=uploads), os.environ, wait_s=PATIENCE_S)

    def stored(self, prefix: str) -> dict[str, bytes]:
        """Return the results under a prefix, by name without it."""
        with closing(connect.open_objects(self.settings.results)) as results:
            return {info.name.removeprefix(prefix): results.get(info.name)[0] for info in list(results.listing(prefix))}

    def publish_raw(self, count: int, data: bytes) -> None:
        topic = connect.open_topic(self.settings.project, self.settings.reviews_topic)
        for future in [topic.publish(data, {}) for _ in range(count)]:
            future.result(timeout=PATIENCE_S)
        topic.close()

    def reviewmill(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "reviewmill", *arguments],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def lines(self, kind: str) -> int:
        """Return how many lines are stored, repeated ones included."""
        return sum(data.count(b"\n") for data in self.stored(f"{kind}/").values())

    def verify(self, sent: Path | str) -> None:
        verified = self.reviewmill("verify", str(sent))
        assert verified.returncode == 0, verified.stdout + verified.stderr

    def wait_until_verified(self, sent: Path | str) -> None:
        """Wait until `verify` accounts for what was sent: a receipt, or the id of a job."""
        wait_until(lambda: self.reviewmill("verify", str(sent)).returncode == 0, every_s=1.0)
        self.verify(sent)


def wait_until(done: Callable[[], bool], *, every_s: float = 0.05) -> None:
    gives_up = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < gives_up, "it did not happen in time"
        time.sleep(every_s)


@dataclass(frozen=True)
class Servers:
    pubsub: EmbeddedPubSub
    storage: EmbeddedStorage


@pytest.fixture(scope="package")
def servers() -> Iterator[Servers]:
    def announce(topic: str, data: bytes, attributes: dict[str, str]) -> None:
        pubsub.publish(topic, data, attributes)

    with (
        pytest.MonkeyPatch.context() as patch,
        EmbeddedPubSub() as pubsub,
        EmbeddedStorage(on_event=announce) as storage,
    ):
        patch.setenv("PUBSUB_EMULATOR_HOST", pubsub.address)
        patch.setenv("STORAGE_EMULATOR_HOST", storage.url)
        provision(plan(Settings()), os.environ, wait_s=PATIENCE_S)
        assert train([]) == 0
        yield Servers(pubsub, storage)


@pytest.fixture
def stream(servers: Servers, tmp_path: Path) -> Iterator[Stream]:
    with opened_stream(servers, tmp_path) as made:
        yield made


@pytest.fixture
def strict_stream(servers: Servers, tmp_path: Path) -> Iterator[Stream]:
    """A stream whose messages are dead letters after five deliveries, which follow each other at once."""
    with opened_stream(servers, tmp_path, min_backoff_s=0, max_backoff_s=0, max_attempts=5) as made:
        yield made


@contextmanager
def opened_stream(servers: Servers, folder: Path, **policy: int) -> Iterator[Stream]:
    mark = uuid4().hex[:8]
    names = {variable: f"{name}-{mark}" for variable, name in OWN.items()}
    settings = load_settings(names)
    topology = plan(settings)
    # What only keeps messages is read by the test: it may be as it is.
    subscriptions = tuple(
        replace(each, **policy) if each.dead_letter_topic else each  # type: ignore[arg-type]
        for each in topology.subscriptions
    )
    provision(replace(topology, subscriptions=subscriptions), os.environ, wait_s=PATIENCE_S)
    made = Stream(settings, servers.pubsub, servers.storage, folder, {**os.environ, **names}, [])
    yield made
    servers.storage.faults.clear()
    for worker in made.started:
        if worker.process.poll() is None:
            worker.process.kill()
            worker.process.wait()
