"""Pub/Sub over a bad network: what is repeated, what is told, and that nothing waits for ever."""

import socket
from collections.abc import Iterator
from concurrent.futures import Future

import grpc  # type: ignore[import-untyped,unused-ignore]  # ships no types
import pytest
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient

from cloud.connect import open_subscription, open_topic
from cloud.objects import CloudSetupError, PermissionMissing, TransientError
from cloud.queue import Received, Subscription, Topic
from emulator.pubsub.server import EmbeddedPubSub

PROJECT = "reviewmill-laws"
PATIENCE_S = 60.0
QUIET_S = 0.5
"""How long a test listens for what must not happen."""

ALWAYS = 10_000
TRANSIENT = [
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.UNKNOWN,
]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedPubSub]:
    """A server of the test's own, with the topic `reviews` and its subscription `worker`."""
    with EmbeddedPubSub() as server:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", server.address)
        topic = f"projects/{PROJECT}/topics/reviews"
        with PublisherClient() as publisher:
            publisher.create_topic(name=topic)
        with SubscriberClient() as subscriber:
            subscriber.create_subscription(name=f"projects/{PROJECT}/subscriptions/worker", topic=topic)
        yield server


@pytest.fixture
def topic(server: EmbeddedPubSub) -> Iterator[Topic]:  # noqa: ARG001 - it sets the environment
    opened = open_topic(PROJECT, "reviews")
    yield opened
    opened.close()


@pytest.fixture
def subscription(server: EmbeddedPubSub) -> Iterator[Subscription]:  # noqa: ARG001 - as above
    opened = open_subscription(PROJECT, "worker")
    yield opened
    opened.close()


def wait(answer: Future[str]) -> str:
    return answer.result(timeout=PATIENCE_S)


@pytest.mark.parametrize("code", TRANSIENT, ids=str)
def test_a_transient_status_is_repeated(
    server: EmbeddedPubSub, topic: Topic, subscription: Subscription, code: grpc.StatusCode
) -> None:
    for method in ("Publish", "Pull", "ModifyAckDeadline", "Acknowledge"):
        server.faults.inject(method, code, times=2)
    wait(topic.publish(b"x", {}))
    (received,) = subscription.pull(1, timeout_s=PATIENCE_S)
    subscription.extend([received.ack_id], seconds=600)
    subscription.acknowledge([received.ack_id])
    assert [server.faults.fired(method) for method in ("Publish", "Pull", "ModifyAckDeadline", "Acknowledge")] == [
        2
    ] * 4
    subscription.give_back([received.ack_id])  # would bring it back if the acknowledgement had not arrived
    assert subscription.pull(1, timeout_s=QUIET_S) == []


def test_a_pull_that_does_not_get_through_is_a_transient_error(
    server: EmbeddedPubSub, subscription: Subscription
) -> None:
    server.faults.inject("Pull", grpc.StatusCode.UNAVAILABLE, times=ALWAYS)
    with pytest.raises(TransientError, match="the subscription 'worker'"):
        subscription.pull(1, timeout_s=1.0)
    assert server.faults.fired("Pull") > 1


def test_a_pull_that_runs_into_its_deadline_is_empty(server: EmbeddedPubSub, subscription: Subscription) -> None:
    server.faults.inject("Pull", grpc.StatusCode.DEADLINE_EXCEEDED)
    assert subscription.pull(1, timeout_s=PATIENCE_S) == []
    assert server.faults.fired("Pull") == 1


def test_one_failed_request_does_not_keep_the_others_from_being_made(
    server: EmbeddedPubSub, topic: Topic, subscription: Subscription
) -> None:
    answers = [topic.publish(b"x", {}) for _ in range(3_000)]
    assert all(wait(answer) for answer in answers)
    received: list[Received] = []
    while len(received) < 3_000:
        received += subscription.pull(1_000, timeout_s=PATIENCE_S)
    server.faults.inject("Acknowledge", grpc.StatusCode.PERMISSION_DENIED)
    with pytest.raises(PermissionMissing):
        subscription.acknowledge([one.ack_id for one in received])
    subscription.give_back([one.ack_id for one in received])
    again: list[Received] = []
    while more := subscription.pull(1_000, timeout_s=QUIET_S):
        again += more
    assert len(again) == 2_500  # the first request of two


def test_ended_leases_of_exactly_once_delivery_are_no_error(server: EmbeddedPubSub, subscription: Subscription) -> None:
    server.faults.inject("Acknowledge", grpc.StatusCode.FAILED_PRECONDITION)
    subscription.acknowledge(["ended"])
    assert server.faults.fired("Acknowledge") == 1


def test_what_a_publish_is_refused_for_is_told_by_its_future(server: EmbeddedPubSub, topic: Topic) -> None:
    server.faults.inject("Publish", grpc.StatusCode.PERMISSION_DENIED)
    with pytest.raises(PermissionMissing, match="the topic 'reviews'"):
        wait(topic.publish(b"x", {}))
    assert wait(topic.publish(b"x", {}))


@pytest.mark.usefixtures("server")
def test_a_missing_topic_or_subscription_is_told() -> None:
    topic, subscription = open_topic(PROJECT, "missing"), open_subscription(PROJECT, "missing")
    with pytest.raises(CloudSetupError, match="the topic 'missing' of project 'reviewmill-laws' does not exist"):
        wait(topic.publish(b"x", {}))
    for call in (
        lambda: subscription.pull(1, timeout_s=5.0),
        lambda: subscription.acknowledge(["x"]),
    ):
        with pytest.raises(CloudSetupError, match="the subscription 'missing' of project 'reviewmill-laws' does not"):
            call()
    topic.close()
    subscription.close()


def test_a_refused_connection_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", f"127.0.0.1:{port}")
    subscription = open_subscription(PROJECT, "worker")
    with pytest.raises(TransientError, match="refused"):
        subscription.pull(1, timeout_s=1.0)
    subscription.close()
