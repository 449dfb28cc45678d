from datetime import UTC, datetime, timedelta

import pytest
from google.api_core import exceptions

from tests.laws.pubsub.conftest import Cloud


def test_a_snapshot_brings_back_what_was_not_acknowledged_then(cloud: Cloud) -> None:
    topic = cloud.topic()
    subscription = cloud.subscription(topic)
    cloud.publish(topic, b"done")
    cloud.drain(subscription, 1)
    cloud.publish(topic, b"open")
    snapshot = cloud.subscriber.create_snapshot(name=cloud.name("snapshots"), subscription=subscription).name
    cloud.publish(topic, b"later")
    assert set(cloud.drain(subscription, 2)) == {b"open", b"later"}
    cloud.subscriber.seek(request={"subscription": subscription, "snapshot": snapshot})
    assert set(cloud.drain(subscription, 2)) == {b"open", b"later"}
    assert cloud.pull_ready(subscription) == []


def test_a_snapshot_can_be_sought_by_a_sibling_and_again(cloud: Cloud) -> None:
    topic = cloud.topic()
    first, sibling = cloud.subscription(topic), cloud.subscription(topic)
    cloud.publish(topic, b"open")
    snapshot = cloud.subscriber.create_snapshot(name=cloud.name("snapshots"), subscription=first).name
    assert cloud.drain(sibling, 1) == [b"open"]
    for _ in range(2):
        cloud.subscriber.seek(request={"subscription": sibling, "snapshot": snapshot})
        assert cloud.drain(sibling, 1) == [b"open"]


def test_a_snapshot_is_found_listed_and_deleted(cloud: Cloud) -> None:
    topic = cloud.topic()
    name = cloud.name("snapshots")
    made = cloud.subscriber.create_snapshot(name=name, subscription=cloud.subscription(topic))
    assert (made.name, made.topic) == (name, topic)
    assert made.expire_time > datetime.now(tz=UTC)
    with pytest.raises(exceptions.AlreadyExists):
        cloud.subscriber.create_snapshot(name=name, subscription=cloud.subscription(topic))
    assert cloud.subscriber.get_snapshot(snapshot=name).topic == topic
    project = "/".join(name.split("/")[:2])
    assert name in [one.name for one in cloud.subscriber.list_snapshots(project=project)]
    cloud.subscriber.delete_snapshot(snapshot=name)
    with pytest.raises(exceptions.NotFound):
        cloud.subscriber.get_snapshot(snapshot=name)


def test_seeking_back_in_time_brings_retained_messages_again(cloud: Cloud) -> None:
    topic = cloud.topic()
    subscription = cloud.subscription(topic, retain_acked_messages=True)
    cloud.publish(topic, b"again")
    assert cloud.drain(subscription, 1) == [b"again"]
    past = datetime.now(tz=UTC) - timedelta(minutes=1)
    cloud.subscriber.seek(request={"subscription": subscription, "time": past})
    assert cloud.drain(subscription, 1) == [b"again"]


def test_seeking_forward_in_time_drops_everything(cloud: Cloud) -> None:
    topic = cloud.topic()
    subscription = cloud.subscription(topic)
    cloud.publish(topic, b"dropped", b"dropped too")
    cloud.pull_one(subscription)
    future = datetime.now(tz=UTC) + timedelta(minutes=1)
    cloud.subscriber.seek(request={"subscription": subscription, "time": future})
    assert cloud.pull_ready(subscription) == []


def test_a_seek_to_nowhere_is_refused(cloud: Cloud) -> None:
    subscription = cloud.subscription(cloud.topic())
    with pytest.raises(exceptions.InvalidArgument):
        cloud.subscriber.seek(request={"subscription": subscription})
