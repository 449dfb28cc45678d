"""The implementations of the queue port that every law runs against."""

import os
import time
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient

from cloud.connect import open_subscription, open_topic
from cloud.faults import Faults
from cloud.faulty_queue import FaultySubscription, FaultyTopic
from cloud.memory_queue import MemorySubscription, MemoryTopic
from cloud.queue import Received, Subscription, Topic
from emulator.official import OfficialPubSub, find_java, find_official
from emulator.pubsub.server import EmbeddedPubSub

PROJECT = "reviewmill-laws"
PATIENCE_S = 30.0
"""How long a test waits for what must happen: far longer than it takes."""


@pytest.fixture(scope="session")
def embedded() -> Iterator[str]:
    """The address of an embedded server."""
    with EmbeddedPubSub() as server:
        yield server.address


@pytest.fixture(scope="session")
def official() -> Iterator[str]:
    """The address of Google's emulator."""
    if find_java() is None or find_official() is None:
        message = "Google's Pub/Sub emulator is not installed here"
        if os.environ.get("REVIEWMILL_REQUIRE_OFFICIAL"):
            pytest.fail(message)
        pytest.skip(message)
    with OfficialPubSub() as server:
        yield server.address


Pair = tuple[Topic, Subscription]


@pytest.fixture(params=["memory", "faulty", "embedded", pytest.param("official", marks=pytest.mark.official)])
def queue(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    """A new topic and its one subscription, of each implementation."""
    if request.param in {"memory", "faulty"}:
        topic, subscription = memory_queue()
    else:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", request.getfixturevalue(request.param))
        topic, subscription = served_queue()
    if request.param == "faulty":  # a wrapper with no faults planned must change nothing
        topic, subscription = FaultyTopic(topic, Faults()), FaultySubscription(subscription, Faults())
    yield topic, subscription
    subscription.close()
    topic.close()


@pytest.fixture
def topic(queue: Pair) -> Topic:
    """The topic of the test's queue."""
    return queue[0]


@pytest.fixture
def subscription(queue: Pair) -> Subscription:
    """The subscription of the test's queue."""
    return queue[1]


@pytest.fixture
def pull_all() -> Callable[[Subscription, int], list[Received]]:
    """Pull until as many messages have come."""

    def pull(subscription: Subscription, count: int) -> list[Received]:
        received: list[Received] = []
        deadline = time.monotonic() + PATIENCE_S
        while len(received) < count and time.monotonic() < deadline:
            received += subscription.pull(count - len(received), timeout_s=2.0)
        assert len(received) == count, f"{len(received)} of {count} messages came"
        return received

    return pull


def memory_queue() -> Pair:
    """Return a topic and its subscription in memory."""
    topic = MemoryTopic()
    return topic, MemorySubscription("subscription", topic)


def served_queue() -> Pair:
    """Create a topic and a subscription on the server that the environment names, and open both."""
    name = f"law-{uuid4().hex}"
    path = f"projects/{PROJECT}/topics/{name}"
    with PublisherClient() as publisher:
        publisher.create_topic(name=path)
    with SubscriberClient() as subscriber:
        subscriber.create_subscription(name=f"projects/{PROJECT}/subscriptions/{name}", topic=path)
    return open_topic(PROJECT, name), open_subscription(PROJECT, name)
