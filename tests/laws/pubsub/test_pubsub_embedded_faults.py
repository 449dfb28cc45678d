"""Fault injection in the embedded server: each fault does what it says, as often as planned, and is counted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from google.api_core import exceptions
from google.pubsub_v1 import types

from emulator.pubsub.faults import Faults
from emulator.pubsub.server import EmbeddedPubSub
from tests.laws.pubsub.conftest import Cloud, eventually


@pytest.fixture
def cloud(embedded: EmbeddedPubSub) -> Iterator[Cloud]:
    clients = Cloud(embedded.address)
    yield clients
    clients.close()


def unrepeated_pull(cloud: Cloud, subscription: str) -> types.PullResponse:
    return cloud.subscriber.pull(subscription=subscription, max_messages=100, timeout=5, retry=None)


def test_a_call_is_unavailable_for_a_time(embedded: EmbeddedPubSub, cloud: Cloud) -> None:
    subscription = cloud.subscription(cloud.topic())
    fault = embedded.faults.plan("status", "Pull", times=None, seconds=3600)
    for _ in range(3):
        with pytest.raises(exceptions.ServiceUnavailable):
            unrepeated_pull(cloud, subscription)
    fault.ends = 0.0  # its time is over
    assert cloud.pull_ready(subscription) == []
    assert embedded.faults.counts() == {"status Pull": 3}


def test_a_publish_call_that_is_cut_is_published_all_the_same(embedded: EmbeddedPubSub, cloud: Cloud) -> None:
    topic = cloud.topic()
    subscription = cloud.subscription(topic)
    embedded.faults.plan("call_cut", "Publish")
    with pytest.raises(exceptions.ServiceUnavailable):
        cloud.publisher.publish(topic=topic, messages=[types.PubsubMessage(data=b"a")], retry=None)
    assert cloud.pull_one(subscription).message.data == b"a"


def test_messages_of_a_pull_that_is_cut_stay_leased(embedded: EmbeddedPubSub, cloud: Cloud) -> None:
    topic = cloud.topic()
    subscription = cloud.subscription(topic, ack_deadline_seconds=600)
    cloud.publish(topic, b"a")
    embedded.faults.plan("call_cut", "Pull")
    with pytest.raises(exceptions.ServiceUnavailable):
        unrepeated_pull(cloud, subscription)
    assert cloud.pull_ready(subscription) == []


def test_a_lost_acknowledgement_brings_the_message_again(embedded: EmbeddedPubSub, cloud: Cloud) -> None:
    topic = cloud.topic()
    subscription = cloud.subscription(topic)
    cloud.publish(topic, b"a")
    received = cloud.pull(subscription, 1)
    embedded.faults.plan("lost_ack")
    cloud.acknowledge(subscription, received)
    cloud.give_back(subscription, received)  # its lease is still there
    assert cloud.pull_one(subscription).message.message_id == received[0].message.message_id
    assert embedded.faults.counts() == {"lost_ack Acknowledge": 1}


def test_duplicates_come_beside_others_even_when_the_first_was_acknowledged(
    embedded: EmbeddedPubSub, cloud: Cloud
) -> None:
    topic = cloud.topic()
    subscription = cloud.subscription(topic)
    first = cloud.publish(topic, *(b"%d" % number for number in range(20)))
    embedded.faults.plan("duplicate")
    cloud.acknowledge(subscription, cloud.pull(subscription, 20))
    second = cloud.publish(topic, b"other")
    again = [one.message.message_id for one in cloud.pull_ready(subscription)]
    assert set(again) & set(first)
    assert set(again) >= set(second)


def test_a_lease_that_expires_early_brings_the_message_while_it_is_worked_on(
    embedded: EmbeddedPubSub, cloud: Cloud
) -> None:
    topic = cloud.topic()
    subscription = cloud.subscription(topic, ack_deadline_seconds=600)
    cloud.publish(topic, b"a")
    embedded.faults.plan("early_expiry")
    first, second = cloud.pull_one(subscription), cloud.pull_one(subscription)
    assert first.message.message_id == second.message.message_id
    cloud.acknowledge(subscription, [first])  # too late: the second delivery counts
    cloud.give_back(subscription, [second])
    assert cloud.pull_one(subscription).message.data == b"a"


def test_messages_come_in_another_order(embedded: EmbeddedPubSub, cloud: Cloud) -> None:
    topic = cloud.topic()
    subscription = cloud.subscription(topic)
    data = [b"%02d" % number for number in range(30)]
    cloud.publish(topic, *data)
    embedded.faults.plan("reorder")
    received = [one.message.data for one in cloud.pull(subscription, 30)]
    assert received != data
    assert sorted(received) == data


def test_a_stream_is_cut_after_a_response(embedded: EmbeddedPubSub, cloud: Cloud) -> None:
    topic = cloud.topic()
    subscription = cloud.subscription(topic)
    cloud.publish(topic, b"a")
    embedded.faults.plan("stream_cut")
    opening = types.StreamingPullRequest(subscription=subscription, stream_ack_deadline_seconds=10)
    stream = cloud.subscriber.streaming_pull(requests=iter([opening, *[types.StreamingPullRequest()] * 3]), timeout=30)
    with pytest.raises(exceptions.ServiceUnavailable):
        for _ in stream:
            pass
    assert embedded.faults.counts() == {"stream_cut StreamingPull": 1}


def test_faults_can_strike_now_and_then_and_be_removed(embedded: EmbeddedPubSub, cloud: Cloud) -> None:
    subscription = cloud.subscription(cloud.topic())
    request = {"subscription": subscription}
    fault = embedded.faults.plan("status", "GetSubscription", times=None, every=2)
    for _ in range(2):
        cloud.subscriber.get_subscription(request=request, retry=None)
        with pytest.raises(exceptions.ServiceUnavailable):
            cloud.subscriber.get_subscription(request=request, retry=None)
    embedded.faults.clear()
    for _ in range(3):
        cloud.subscriber.get_subscription(request=request, retry=None)
    assert fault.fired == embedded.faults.fired("GetSubscription") == 2


@pytest.mark.parametrize(("kind", "call"), [("status", None), ("call_cut", None), ("lost_ack", "Pull")])
def test_a_plan_that_makes_no_sense_is_refused(kind: str, call: str | None) -> None:
    with pytest.raises(ValueError, match="cannot happen"):
        Faults().plan(kind, call)  # type: ignore[arg-type]  # one of the kinds


def test_acknowledgements_are_told_before_they_count_lost_ones_too() -> None:
    told: list[tuple[str, list[bytes]]] = []
    with EmbeddedPubSub(
        on_acknowledge=lambda name, messages: told.append((name, [message.data for message in messages]))
    ) as server:
        cloud = Cloud(server.address)
        topic = cloud.topic()
        subscription = cloud.subscription(topic)
        cloud.publish(topic, b"a", b"b")
        received = cloud.pull(subscription, 2)
        server.faults.plan("lost_ack")
        cloud.acknowledge(subscription, received)
        cloud.acknowledge(subscription, received)
        cloud.acknowledge(subscription, received)  # stale by now
        assert eventually(lambda: len(told) == 3)
        assert told == [(subscription, [b"a", b"b"]), (subscription, [b"a", b"b"]), (subscription, [])]
        cloud.close()
