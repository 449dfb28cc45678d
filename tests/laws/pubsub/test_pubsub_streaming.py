"""Streaming pull, through the client library's high-level subscriber and through the bare call."""

import queue
import threading
from collections.abc import Iterator
from typing import Any

import grpc  # type: ignore[import-untyped,unused-ignore]  # grpcio ships no type information
import pytest
from google.api_core import exceptions
from google.cloud import pubsub_v1  # type: ignore[import-untyped,unused-ignore]  # ships no type information
from google.cloud.pubsub_v1.subscriber.exceptions import AcknowledgeError, AcknowledgeStatus
from google.cloud.pubsub_v1.subscriber.message import Message
from google.pubsub_v1 import types
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from tests.laws.pubsub.conftest import PATIENCE_S, Cloud


@pytest.fixture
def subscriber(cloud: Cloud) -> Iterator[pubsub_v1.SubscriberClient]:
    channel = grpc.insecure_channel(cloud.address, options=[("grpc.max_receive_message_length", -1)])
    with pubsub_v1.SubscriberClient(transport=SubscriberGrpcTransport(channel=channel)) as client:
        yield client


def test_a_stream_delivers_and_its_acknowledgements_count(cloud: Cloud, subscriber: pubsub_v1.SubscriberClient) -> None:
    topic = cloud.topic()
    subscription = cloud.subscription(topic)
    arrived: queue.Queue[bytes] = queue.Queue()

    def keep(message: Message) -> None:
        arrived.put(message.data)
        message.ack()

    future = subscriber.subscribe(subscription, keep)
    expected = {str(number).encode() for number in range(200)}
    cloud.publish(topic, *expected)
    assert {arrived.get(timeout=PATIENCE_S) for _ in expected} == expected
    future.cancel()
    future.result(timeout=PATIENCE_S)
    assert cloud.pull_ready(subscription) == []


def test_a_message_given_back_on_a_stream_comes_again(cloud: Cloud, subscriber: pubsub_v1.SubscriberClient) -> None:
    topic = cloud.topic()
    subscription = cloud.subscription(topic)
    again = threading.Event()
    seen: list[str] = []

    def give_back_once(message: Message) -> None:
        seen.append(message.message_id)
        if len(seen) == 1:
            message.nack()
        else:
            message.ack()
            again.set()

    future = subscriber.subscribe(subscription, give_back_once)
    (published,) = cloud.publish(topic, b"again")
    assert again.wait(PATIENCE_S)
    future.cancel()
    future.result(timeout=PATIENCE_S)
    assert seen == [published, published]


@pytest.mark.official_differs("the limits of a stream are not read")
def test_a_stream_holds_no_more_than_its_flow_control_allows(cloud: Cloud) -> None:
    topic = cloud.topic()
    subscription = cloud.subscription(topic)
    cloud.publish(topic, *[b"x"] * 10)
    stream = _stream(cloud, _open(subscription, max_outstanding_messages=3))
    held = [one.ack_id for one in next(stream).received_messages]
    assert len(held) == 3
    others = cloud.pull(subscription, 7)
    cloud.publish(topic, b"next")
    cloud.acknowledge(subscription, others)
    cloud.subscriber.acknowledge(subscription=subscription, ack_ids=held)
    assert [one.message.data for one in next(stream).received_messages] == [b"next"]
    stream.cancel()


@pytest.mark.official_differs("it never notices that a stream was cancelled, and goes on feeding it", always=False)
def test_a_cancelled_stream_takes_nothing_any_more(cloud: Cloud, subscriber: pubsub_v1.SubscriberClient) -> None:
    topic = cloud.topic()
    subscription = cloud.subscription(topic)
    arrived = threading.Event()

    def keep(message: Message) -> None:
        message.ack_with_response().result(timeout=PATIENCE_S)
        arrived.set()

    future = subscriber.subscribe(subscription, keep)
    cloud.publish(topic, b"first")
    assert arrived.wait(PATIENCE_S)
    future.cancel()
    future.result(timeout=PATIENCE_S)
    for number in range(20):
        cloud.publish(topic, str(number).encode())
    assert len(cloud.pull_ready(subscription)) == 20


def test_a_stream_ends_when_its_subscription_is_deleted(cloud: Cloud) -> None:
    topic = cloud.topic()
    subscription = cloud.subscription(topic)
    stream = _stream(cloud, _open(subscription))
    cloud.publish(topic, b"first")
    next(stream)
    cloud.subscriber.delete_subscription(subscription=subscription)
    with pytest.raises(exceptions.NotFound):
        next(stream)


def test_a_stream_of_a_missing_subscription_is_refused(cloud: Cloud) -> None:
    with pytest.raises(exceptions.NotFound):
        next(_stream(cloud, _open(cloud.name("subscriptions"))))


def test_a_stale_acknowledgement_is_told_under_exactly_once(
    cloud: Cloud, subscriber: pubsub_v1.SubscriberClient
) -> None:
    topic = cloud.topic()
    subscription = cloud.subscription(topic, enable_exactly_once_delivery=True)
    held: queue.Queue[Message] = queue.Queue()
    future = subscriber.subscribe(subscription, held.put)
    cloud.publish(topic, b"x")
    message = held.get(timeout=PATIENCE_S)
    cloud.subscriber.acknowledge(subscription=subscription, ack_ids=[message.ack_id])
    with pytest.raises(AcknowledgeError) as refused:
        message.ack_with_response().result(timeout=PATIENCE_S)
    assert refused.value.error_code == AcknowledgeStatus.INVALID_ACK_ID
    future.cancel()
    future.result(timeout=PATIENCE_S)


def _stream(cloud: Cloud, requests: Iterator[types.StreamingPullRequest]) -> Any:  # noqa: ANN401 - a gRPC call
    """Open the bare call; the generated client's annotation leaves out that it can be read and cancelled."""
    return cloud.subscriber.streaming_pull(requests=requests)


def _open(subscription: str, max_outstanding_messages: int = 0) -> Iterator[types.StreamingPullRequest]:
    """Open a stream and keep the caller's side open until the call ends."""
    yield types.StreamingPullRequest(
        subscription=subscription, stream_ack_deadline_seconds=60, max_outstanding_messages=max_outstanding_messages
    )
    threading.Event().wait(PATIENCE_S)
