"""A local cloud of the embedded servers, with topics and buckets of its own for each test, and a stand-in worker."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient

from cloud.connect import open_objects, open_subscription
from cloud.objects import Objects
from cloud.once import put_once
from cloud.queue import Received, Subscription
from emulator.pubsub.server import EmbeddedPubSub
from emulator.storage.server import EmbeddedStorage
from schemas.codec import encode
from schemas.models import Alias
from schemas.names import MODEL_NAMES
from schemas.outcomes import Prediction, Rejection, text_digest
from schemas.requests import decode_review
from worker.core.naming import model_alias, partition, reviews_object

PROJECT = "reviewmill-local"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def storage() -> Iterator[EmbeddedStorage]:
    with EmbeddedStorage() as server:
        yield server


@pytest.fixture(scope="session")
def pubsub() -> Iterator[EmbeddedPubSub]:
    with EmbeddedPubSub() as server:
        yield server


@dataclass(frozen=True)
class LocalCloud:
    """What one test has of the cloud."""

    uploads: Objects
    results: Objects
    reviews: Subscription


def name_current_models(uri: str) -> None:
    """Name a current version of each model: all that commands look at before an upload."""
    with closing(open_objects(uri)) as models:
        for name in MODEL_NAMES:
            alias = encode(Alias(version="v1", manifest_sha256="a" * 64))
            models.put(model_alias(name), alias, content_type="application/json", if_generation=0)


@pytest.fixture
def local_cloud(
    storage: EmbeddedStorage, pubsub: EmbeddedPubSub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[LocalCloud]:
    number = next(_numbers)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", PROJECT)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", storage.url)
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", pubsub.address)
    for bucket in ("uploads", "results", "models"):
        storage.store.create_bucket({"name": f"{bucket}-{number}"})
        monkeypatch.setenv(f"REVIEWMILL_{bucket.upper()}", f"gs://{bucket}-{number}")
    topic, subscription = f"projects/{PROJECT}/topics/t-{number}", f"projects/{PROJECT}/subscriptions/s-{number}"
    monkeypatch.setenv("REVIEWMILL_REVIEWS_TOPIC", f"t-{number}")
    with PublisherClient() as publisher, SubscriberClient() as subscriber:
        publisher.create_topic(request={"name": topic})
        subscriber.create_subscription(request={"name": subscription, "topic": topic})
    name_current_models(f"gs://models-{number}")
    uploads, results = open_objects(f"gs://uploads-{number}"), open_objects(f"gs://results-{number}")
    reviews = open_subscription(PROJECT, f"s-{number}")
    yield LocalCloud(uploads, results, reviews)
    for resource in (uploads, results, reviews):
        resource.close()


def predict(message: Received, label: str = "good") -> Prediction:
    """Return a prediction as a worker would store it."""
    request = decode_review(message.data)
    assert request.id is not None
    return Prediction(
        key=request.id,
        label=label,
        probability=0.75,
        model=request.model or "logistic_regression",
        version=request.version or "v1",
        text_sha256=text_digest(request.text),
        message_id=message.message_id,
        publish_time=message.publish_time,
    )


def reject(message: Received) -> Rejection:
    """Return a rejection as a worker would store it."""
    row = predict(message)
    return Rejection(
        key=row.key,
        code="unknown_version",
        stage="model",
        reason="There is no such version. Name another.",
        text_sha256=row.text_sha256,
        message_id=row.message_id,
        publish_time=row.publish_time,
    )


def store(results: Objects, message: Received, row: Prediction | Rejection) -> None:
    """Write one row into the partition of its message."""
    kind = "reviews" if isinstance(row, Prediction) else "rejections"
    data = encode(row) + b"\n"
    where = partition(message.attributes.get("enqueued_at"), message.publish_time)
    put_once(results, reviews_object(kind, where, data), data, content_type="application/x-ndjson")


def pull_all(reviews: Subscription, count: int) -> list[Received]:
    """Return exactly `count` messages, acknowledged."""
    found: list[Received] = []
    while len(found) < count:
        batch = reviews.pull(1_000, timeout_s=20)
        assert batch, f"only {len(found)} of {count} messages came"
        reviews.acknowledge([message.ack_id for message in batch])
        found += batch
    return found


class StandInWorker:
    """Answers every message in a thread: a rejection for version `none`, else a prediction."""

    def __init__(self, cloud: LocalCloud) -> None:
        self._cloud = cloud
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            for message in self._cloud.reviews.pull(100, timeout_s=0.2):
                bad = decode_review(message.data).version == "none"
                store(self._cloud.results, message, reject(message) if bad else predict(message))
                self._cloud.reviews.acknowledge([message.ack_id])
