"""A request that ends or breaks the worker costs its attempts and becomes a dead letter; everything else is scored."""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cloud.connect import open_objects, open_subscription, open_topic
from emulator.processes import Child
from emulator.provision import provision
from emulator.pubsub.server import EmbeddedPubSub
from emulator.storage.server import EmbeddedStorage
from emulator.topology import kept, plan
from publisher.stored_reviews import StoredReviews
from tests.faults.poison_worker import KILLS, MARKS, RAISES
from training.command import main as train
from worker.core.naming import partition
from worker.core.reading import deduplicate
from worker.isolate import SUSPECT_FROM
from worker.settings import Settings

pytestmark = pytest.mark.timeout(600)

ATTEMPTS = 5
"""The fewest that Pub/Sub allows."""
PATIENCE_S = 400.0


@pytest.mark.faults
def test_poison_costs_its_attempts_and_nobody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    starts = _starts_until_dead(tmp_path, monkeypatch, neighbours=20, earlier=0)
    assert 1 < starts <= SUSPECT_FROM, "the worker itself dies of the first deliveries only"


def test_poison_that_was_given_back_before_costs_the_rest_and_no_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The short form: as after three workers' deaths, but without the time until their leases ended."""
    assert _starts_until_dead(tmp_path, monkeypatch, neighbours=2, earlier=SUSPECT_FROM - 1) == 1


def _starts_until_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, neighbours: int, earlier: int) -> int:
    """Handle the poison and its neighbours, each given back so often before; return how many workers that took."""
    settings = Settings()
    marks = tmp_path / "deaths"
    marks.touch()
    with ExitStack() as stack:
        pubsub, storage = stack.enter_context(EmbeddedPubSub()), stack.enter_context(EmbeddedStorage())
        for name, value in {
            "PUBSUB_EMULATOR_HOST": pubsub.address,
            "STORAGE_EMULATOR_HOST": storage.url,
            MARKS: str(marks),
        }.items():
            monkeypatch.setenv(name, value)
        topology = plan(settings)
        shortest = 0 if earlier else 1
        subscriptions = tuple(
            replace(one, ack_deadline_s=10, min_backoff_s=shortest, max_backoff_s=2 * shortest, max_attempts=ATTEMPTS)
            for one in topology.subscriptions
        )
        provision(replace(topology, subscriptions=subscriptions), os.environ, wait_s=60)
        assert train(["--classifier", "logistic_regression"]) == 0
        keys = {KILLS, RAISES, *(f"k{number}" for number in range(neighbours))}
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        with closing(open_topic(settings.project, settings.reviews_topic)) as topic:
            for key in sorted(keys):
                data = json.dumps({"id": key, "text": f"a review called {key}"}).encode()
                topic.publish(data, {"enqueued_at": stamp}).result(timeout=60)
        _give_back(settings, earlier * len(keys))
        letters = stack.enter_context(closing(open_subscription(settings.project, kept(settings.dead_letter_topic))))
        dead: dict[str, dict[str, str]] = {}
        deadline = time.monotonic() + PATIENCE_S
        worker, starts = _start(tmp_path), 1
        stack.callback(lambda: worker.kill())  # noqa: PLW0108 - of whichever worker is the last
        while len(dead) < 2:
            assert time.monotonic() < deadline, worker.failure("was running")
            if worker.ended() is not None:
                worker, starts = _start(tmp_path), starts + 1
            for letter in letters.pull(10, timeout_s=1):
                dead[json.loads(letter.data)["id"]] = dict(letter.attributes)
        results = stack.enter_context(closing(open_objects(settings.results)))
        reading = deduplicate(row for _, row in StoredReviews(results).fresh([partition(stamp, "")]))
        assert {row.key for row in reading.rows} == keys - {KILLS, RAISES}
        assert set(dead) == {KILLS, RAISES}
        for attributes in dead.values():
            assert int(attributes["CloudPubSubDeadLetterSourceDeliveryCount"]) == ATTEMPTS
        assert worker.ended() is None
        assert worker.stop(timeout_s=15)
        return starts


def _give_back(settings: Settings, deliveries: int) -> None:
    """Take so many deliveries and give them back: each message as often, for those that waited longest come first."""
    with closing(open_subscription(settings.project, settings.reviews_subscription)) as reviews:
        while deliveries:
            batch = reviews.pull(deliveries, timeout_s=60)
            reviews.give_back([received.ack_id for received in batch])
            deliveries -= len(batch)


def _start(folder: Path) -> Child:
    command = [sys.executable, "-m", "tests.faults.poison_worker"]
    return Child("poisoned worker", command, log=folder / "worker.log", environment=os.environ)
