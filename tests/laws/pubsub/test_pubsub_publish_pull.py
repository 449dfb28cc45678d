import threading
import time

import pytest
from google.api_core import exceptions
from google.cloud import pubsub_v1  # type: ignore[import-untyped,unused-ignore]  # ships no type information
from google.pubsub_v1 import types

from emulator.official import OfficialPubSub
from emulator.pubsub.server import EmbeddedPubSub
from tests.laws.pubsub.conftest import PATIENCE_S, Cloud

DATA_LIMIT = 10_000_000


def test_the_unchanged_client_finds_the_server_by_the_variable(
    pubsub_server: EmbeddedPubSub | OfficialPubSub, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", pubsub_server.address)
    topic = cloud.topic()
    subscription = cloud.subscription(topic)
    with pubsub_v1.PublisherClient() as publisher, pubsub_v1.SubscriberClient() as subscriber:
        message_id = publisher.publish(topic, b"caf\xc3\xa9", origin="test").result(timeout=PATIENCE_S)
        response = subscriber.pull(subscription=subscription, max_messages=1, timeout=PATIENCE_S)
        publisher.stop()
    message = response.received_messages[0].message
    assert message.data == b"caf\xc3\xa9"
    assert message.attributes == {"origin": "test"}
    assert message.message_id == message_id
    assert message.publish_time.timestamp() > 0


def test_the_server_publishes_by_itself_too(pubsub_server: EmbeddedPubSub | OfficialPubSub, cloud: Cloud) -> None:
    topic = cloud.topic()
    subscription = cloud.subscription(topic)
    message_id = pubsub_server.publish(topic, b"event", {"kind": "notification"})
    message = cloud.pull_one(subscription).message
    assert (message.message_id, message.data, message.attributes) == (message_id, b"event", {"kind": "notification"})


def test_every_subscription_gets_every_message_once(cloud: Cloud) -> None:
    topic = cloud.topic()
    subscriptions = [cloud.subscription(topic) for _ in range(3)]
    ids = cloud.publish(topic, *(str(number).encode() for number in range(50)))
    assert len(set(ids)) == 50
    for subscription in subscriptions:
        assert {one.message.message_id for one in cloud.pull(subscription, 50)} == set(ids)


def test_a_subscription_gets_only_what_is_published_after_it_was_made(cloud: Cloud) -> None:
    topic = cloud.topic()
    cloud.publish(topic, b"before")
    subscription = cloud.subscription(topic)
    cloud.publish(topic, b"after")
    assert cloud.drain(subscription, 1) == [b"after"]
    assert cloud.pull_ready(subscription) == []


def test_an_acknowledged_message_does_not_come_again(cloud: Cloud) -> None:
    topic = cloud.topic()
    subscription = cloud.subscription(topic)
    cloud.publish(topic, b"a", b"b")
    received = cloud.pull(subscription, 2)
    cloud.acknowledge(subscription, received[:1])
    cloud.give_back(subscription, received)  # the acknowledged one cannot be given back
    assert cloud.drain(subscription, 1) == [received[1].message.data]
    assert cloud.pull_ready(subscription) == []


def test_a_pull_gives_no_more_than_asked_for(cloud: Cloud) -> None:
    topic = cloud.topic()
    subscription = cloud.subscription(topic)
    cloud.publish(topic, *[b"x"] * 10)
    assert len(cloud.pull_ready(subscription, limit=4)) == 4
    assert len(cloud.pull_ready(subscription, limit=100)) == 6


def test_a_waiting_pull_gets_the_message_that_is_published_meanwhile(cloud: Cloud) -> None:
    topic = cloud.topic()
    subscription = cloud.subscription(topic)
    publish = threading.Timer(0.2, lambda: cloud.publish(topic, b"late"))
    publish.start()
    response = cloud.subscriber.pull(subscription=subscription, max_messages=1, timeout=PATIENCE_S)
    publish.join()
    assert [one.message.data for one in response.received_messages] == [b"late"]


def test_an_empty_pull_ends_before_the_callers_deadline(cloud: Cloud) -> None:
    subscription = cloud.subscription(cloud.topic())
    response = cloud.subscriber.pull(subscription=subscription, max_messages=1, timeout=5, retry=None)
    assert list(response.received_messages) == []


NEGATIVE = pytest.mark.official_differs("a pull of minus one message waits like any other")


@pytest.mark.parametrize("limit", [0, pytest.param(-1, marks=NEGATIVE)])
def test_a_pull_of_nothing_is_refused(cloud: Cloud, limit: int) -> None:
    subscription = cloud.subscription(cloud.topic())
    with pytest.raises(exceptions.InvalidArgument):
        cloud.subscriber.pull(subscription=subscription, max_messages=limit, timeout=3, retry=None)


def test_bad_acknowledgements_are_refused(cloud: Cloud) -> None:
    subscription = cloud.subscription(cloud.topic())
    for ack_ids in ([], ["never given out"]):
        with pytest.raises(exceptions.InvalidArgument):
            cloud.subscriber.acknowledge(subscription=subscription, ack_ids=ack_ids)


def test_too_many_and_empty_messages_are_refused(cloud: Cloud) -> None:
    topic = cloud.topic()
    full = types.PubsubMessage(data=b"x")
    for messages in ([], [types.PubsubMessage()], [full] * 1001, [full, types.PubsubMessage()]):
        with pytest.raises(exceptions.InvalidArgument):
            cloud.publisher.publish(topic=topic, messages=messages)


def test_a_refused_request_publishes_nothing(cloud: Cloud) -> None:
    topic = cloud.topic()
    subscription = cloud.subscription(topic)
    with pytest.raises(exceptions.InvalidArgument):
        cloud.publisher.publish(topic=topic, messages=[types.PubsubMessage(data=b"x"), types.PubsubMessage()])
    assert cloud.pull_ready(subscription) == []


@pytest.mark.parametrize(
    ("attributes", "ordering_key"),
    [
        ({f"key{number}": "" for number in range(101)}, ""),
        ({"k" * 257: "v"}, ""),
        ({"k": "v" * 1025}, ""),
        ({"": "v"}, ""),
        ({"google-owns-this": "v"}, ""),
        ({}, "k" * 1025),
    ],
    ids=["count", "key", "value", "empty key", "reserved key", "ordering key"],
)
@pytest.mark.official_differs("limits of attributes and ordering keys are not enforced")
def test_attributes_over_a_limit_are_refused(cloud: Cloud, attributes: dict[str, str], ordering_key: str) -> None:
    message = types.PubsubMessage(data=b"x", attributes=attributes, ordering_key=ordering_key)
    with pytest.raises(exceptions.InvalidArgument):
        cloud.publisher.publish(topic=cloud.topic(), messages=[message])


def test_a_message_of_nearly_ten_megabytes_passes_whole(cloud: Cloud) -> None:
    topic = cloud.topic()
    subscription = cloud.subscription(topic)
    data = bytes(range(256)) * ((DATA_LIMIT - 1000) // 256)
    cloud.publish(topic, data)
    assert cloud.pull_one(subscription).message.data == data


@pytest.mark.official_differs("the publish hangs until the caller's deadline")
@pytest.mark.parametrize("sizes", [[DATA_LIMIT + 1], [6_000_000, 6_000_000]], ids=["message", "request"])
def test_a_request_over_ten_megabytes_is_refused(cloud: Cloud, sizes: list[int]) -> None:
    messages = [types.PubsubMessage(data=b"x" * size) for size in sizes]
    with pytest.raises(exceptions.InvalidArgument):
        cloud.publisher.publish(topic=cloud.topic(), messages=messages, timeout=3, retry=None)


def test_publishers_and_pullers_at_once_lose_and_double_nothing(cloud: Cloud) -> None:
    topic = cloud.topic()
    subscription = cloud.subscription(topic, ack_deadline_seconds=600)
    published: list[str] = []
    received: list[str] = []

    def publish(part: int) -> None:
        for batch in range(10):
            published.extend(cloud.publish(topic, *(f"{part}-{batch}-{row}".encode() for row in range(50))))

    def pull() -> None:
        deadline = time.monotonic() + PATIENCE_S
        while len(received) < 2000 and time.monotonic() < deadline:
            # Long enough to be answered: what is lost with an answer is leased for minutes.
            batch = cloud.pull_ready(subscription, limit=200, timeout_s=5)
            if batch:
                cloud.acknowledge(subscription, batch)
                received.extend(one.message.message_id for one in batch)

    threads = [threading.Thread(target=publish, args=(part,)) for part in range(4)]
    threads += [threading.Thread(target=pull) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(received) == len(set(received)) == 2000
    assert set(received) == set(published)
