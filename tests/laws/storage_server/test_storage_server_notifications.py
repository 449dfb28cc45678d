from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from google.api_core import exceptions
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient
from google.cloud.storage import Bucket, Client
from google.cloud.storage.notification import BucketNotification

from emulator.pubsub.server import EmbeddedPubSub
from emulator.storage.publishing import PubSubPublisher
from emulator.storage.server import EmbeddedStorage

Received = list[tuple[str, bytes, dict[str, str]]]

TOPIC = "projects/project-local/topics/uploads"


def _notify(bucket: Bucket, **options: object) -> BucketNotification:
    made = bucket.notification(topic_name="uploads", topic_project="project-local", **options)
    made.create()
    return made


def test_configurations_are_made_listed_read_and_deleted(bucket: Bucket) -> None:
    first = _notify(bucket, event_types=["OBJECT_FINALIZE"], blob_name_prefix="in/", custom_attributes={"by": "us"})
    second = _notify(bucket, payload_format="JSON_API_V1")
    listed = {item.notification_id: item for item in bucket.list_notifications()}
    assert set(listed) == {first.notification_id, second.notification_id}
    read = bucket.get_notification(first.notification_id)
    # The client knows the topic of listed configurations only.
    found = listed[first.notification_id]
    assert (found.topic_name, found.topic_project) == ("uploads", "project-local")
    assert (read.event_types, read.blob_name_prefix) == (["OBJECT_FINALIZE"], "in/")
    assert (read.custom_attributes, read.payload_format) == ({"by": "us"}, "NONE")
    first.delete()
    with pytest.raises(exceptions.NotFound):
        bucket.get_notification(first.notification_id)
    # An id is never given twice.
    assert _notify(bucket).notification_id not in listed


@pytest.mark.parametrize(
    "resource",
    [
        {"topic": "uploads", "payload_format": "NONE"},
        {"topic": f"//pubsub.googleapis.com/{TOPIC}"},
        {"topic": f"//pubsub.googleapis.com/{TOPIC}", "payload_format": "XML"},
        {"topic": f"//pubsub.googleapis.com/{TOPIC}", "payload_format": "NONE", "event_types": ["OBJECT_EATEN"]},
    ],
)
def test_a_bad_configuration_is_a_400(
    server: EmbeddedStorage, bucket: Bucket, http: requests.Session, resource: dict[str, Any]
) -> None:
    response = http.post(f"{server.url}/storage/v1/b/{bucket.name}/notificationConfigs", json=resource)
    assert response.status_code == 400


def test_each_change_is_announced_in_order_with_its_attributes(
    server: EmbeddedStorage, bucket: Bucket, events: Received
) -> None:
    config = _notify(bucket, payload_format="JSON_API_V1", custom_attributes={"by": "us"})
    first = bucket.blob("späte.csv")
    first.metadata = {"model": "linear_svc"}
    first.upload_from_string(b"first")
    second = bucket.blob("späte.csv")
    second.upload_from_string(b"second")
    second.patch()
    second.delete()
    assert server.wait_for_events()

    assert {topic for topic, _, _ in events} == {TOPIC}
    attributes = [found for _, _, found in events]
    assert [(found["eventType"], found["objectGeneration"]) for found in attributes] == [
        ("OBJECT_FINALIZE", str(first.generation)),
        ("OBJECT_FINALIZE", str(second.generation)),
        ("OBJECT_DELETE", str(first.generation)),
        ("OBJECT_METADATA_UPDATE", str(second.generation)),
        ("OBJECT_DELETE", str(second.generation)),
    ]
    event_time = attributes[0].pop("eventTime")
    assert attributes[0] == {
        "by": "us",
        "notificationConfig": f"projects/_/buckets/{bucket.name}/notificationConfigs/{config.notification_id}",
        "eventType": "OBJECT_FINALIZE",
        "payloadFormat": "JSON_API_V1",
        "bucketId": bucket.name,
        "objectId": "späte.csv",
        "objectGeneration": str(first.generation),
    }
    assert attributes[1]["overwroteGeneration"] == str(first.generation)
    assert attributes[2]["overwrittenByGeneration"] == str(second.generation)
    payload = json.loads(events[0][1])
    assert (payload["kind"], payload["name"], payload["size"]) == ("storage#object", "späte.csv", "5")
    assert (payload["metadata"], payload["timeCreated"]) == ({"model": "linear_svc"}, event_time)


def test_only_wanted_events_are_announced(server: EmbeddedStorage, bucket: Bucket, events: Received) -> None:
    _notify(bucket, event_types=["OBJECT_FINALIZE"], blob_name_prefix="in/")
    for name in ("in/a.csv", "out/b.csv"):
        bucket.blob(name).upload_from_string(b"data")
        bucket.blob(name).delete()
    assert server.wait_for_events()
    assert [(data, found["objectId"]) for _, data, found in events] == [(b"", "in/a.csv")]


def test_compose_copy_and_rewrite_finalize_and_a_refused_write_is_silent(
    server: EmbeddedStorage, bucket: Bucket, events: Received
) -> None:
    blob = bucket.blob("a")
    blob.upload_from_string(b"data")
    _notify(bucket)
    bucket.copy_blob(blob, bucket, "b")
    bucket.blob("c").rewrite(blob)
    bucket.blob("d").compose([blob, blob])
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.blob("a").upload_from_string(b"new", if_generation_match=0)
    assert server.wait_for_events()
    found = [(attributes["eventType"], attributes["objectId"]) for _, _, attributes in events]
    assert found == [("OBJECT_FINALIZE", "b"), ("OBJECT_FINALIZE", "c"), ("OBJECT_FINALIZE", "d")]


def test_racing_writers_are_announced_in_the_order_of_their_generations(
    server: EmbeddedStorage, bucket: Bucket, events: Received
) -> None:
    _notify(bucket, event_types=["OBJECT_FINALIZE"])
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: bucket.blob(f"object-{number}").upload_from_string(b"data"), range(100)))
    assert server.wait_for_events()
    generations = [int(attributes["objectGeneration"]) for _, _, attributes in events]
    assert len(generations) == 100
    assert generations == sorted(generations)


def test_a_receiver_that_blocks_or_raises_does_not_hold_up_uploads(connect: Callable[[str], Client]) -> None:
    released = threading.Event()
    received: list[str] = []

    def receive(_: str, __: bytes, attributes: dict[str, str]) -> None:
        released.wait(60)
        received.append(attributes["objectId"])
        raise RuntimeError("the receiver failed")

    with EmbeddedStorage(on_event=receive) as server:
        bucket = connect(server.url).create_bucket("reviews-bucket")
        _notify(bucket)
        for number in range(5):
            bucket.blob(f"object-{number}").upload_from_string(b"data")
        assert received == []
        released.set()
    # Leaving the server delivered the rest.
    assert received == [f"object-{number}" for number in range(5)]


def test_pubsub_receives_the_notifications_also_when_it_starts_late(
    connect: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    with EmbeddedPubSub() as reserved:
        port = int(reserved.address.rpartition(":")[2])
    publisher = PubSubPublisher(f"127.0.0.1:{port}")
    with EmbeddedStorage(on_event=publisher) as server:
        bucket = connect(server.url).create_bucket("reviews-bucket")
        _notify(bucket, payload_format="JSON_API_V1")
        for number in range(20):
            bucket.blob(f"object-{number:02}").upload_from_string(b"data")
        with EmbeddedPubSub(port=port) as broker:
            monkeypatch.setenv("PUBSUB_EMULATOR_HOST", broker.address)
            assert _pull_all(20) == [f"object-{number:02}" for number in range(20)]
            assert server.wait_for_events()
    publisher.close()


def _pull_all(count: int) -> list[str]:
    """Make the topic and a subscription, then pull until `count` messages came."""
    subscription = "projects/project-local/subscriptions/uploads-sub"
    with SubscriberClient() as subscriber:
        topics = PublisherClient()
        topics.create_topic(name=TOPIC)
        subscriber.create_subscription(name=subscription, topic=TOPIC)
        names: list[str] = []
        while len(names) < count:
            pulled = subscriber.pull(subscription=subscription, max_messages=100, timeout=30)
            names += [found.message.attributes["objectId"] for found in pulled.received_messages]
        topics.transport.close()
    return names


def test_a_publisher_that_is_closed_gives_up(tmp_path: Path, connect: Callable[[str], Client]) -> None:
    publisher = PubSubPublisher("127.0.0.1:1")
    server = EmbeddedStorage(root=tmp_path, on_event=publisher)
    server.start()
    bucket = connect(server.url).create_bucket("reviews-bucket")
    _notify(bucket)
    bucket.blob("object").upload_from_string(b"data")
    server.stop_serving()
    assert not server.wait_for_events(0.1)
    publisher.close()
    server.stop()
    assert server.wait_for_events(0.0)
