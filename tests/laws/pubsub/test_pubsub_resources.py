from collections.abc import Callable

import pytest
from google.api_core import exceptions

from tests.laws.pubsub.conftest import PROJECT, Cloud

MISSING_TOPIC = f"{PROJECT}/topics/missing"
MISSING_SUBSCRIPTION = f"{PROJECT}/subscriptions/missing"


def test_a_topic_is_created_found_listed_and_deleted(cloud: Cloud) -> None:
    name = cloud.topic(labels={"team": "reviews"})
    assert cloud.publisher.get_topic(topic=name).labels == {"team": "reviews"}
    assert name in [topic.name for topic in cloud.publisher.list_topics(project=PROJECT)]
    cloud.publisher.delete_topic(topic=name)
    with pytest.raises(exceptions.NotFound):
        cloud.publisher.get_topic(topic=name)


def test_a_name_is_created_once(cloud: Cloud) -> None:
    topic = cloud.topic()
    subscription = cloud.subscription(topic)
    with pytest.raises(exceptions.AlreadyExists):
        cloud.publisher.create_topic(name=topic)
    with pytest.raises(exceptions.AlreadyExists):
        cloud.subscriber.create_subscription(name=subscription, topic=topic)


@pytest.mark.parametrize("short", ["t", "ab", "1abc", "goog-topic", "with space", "a/b", "x" * 256, ""])
def test_bad_names_are_refused(cloud: Cloud, short: str) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        cloud.publisher.create_topic(name=f"{PROJECT}/topics/{short}")


@pytest.mark.parametrize("short", ["abc", "A-._~%+", "x" * 255])
def test_good_names_are_accepted(cloud: Cloud, short: str) -> None:
    name = f"{PROJECT}/topics/{short}"
    assert cloud.publisher.create_topic(name=name).name == name
    cloud.publisher.delete_topic(topic=name)


def test_a_list_comes_in_pages(cloud: Cloud) -> None:
    names = {cloud.topic() for _ in range(5)}
    first = next(cloud.publisher.list_topics(request={"project": PROJECT, "page_size": 2}).pages)
    assert len(first.topics) == 2
    assert first.next_page_token
    every = [topic.name for topic in cloud.publisher.list_topics(request={"project": PROJECT, "page_size": 2})]
    assert len(every) == len(set(every))
    assert names <= set(every)


@pytest.mark.official_differs("a page token that it never gave is taken for an empty page")
def test_a_made_up_page_token_is_refused(cloud: Cloud) -> None:
    cloud.topic()
    with pytest.raises(exceptions.InvalidArgument):
        list(cloud.publisher.list_topics(request={"project": PROJECT, "page_token": "made up"}))


def test_a_topic_lists_its_subscriptions_and_snapshots(cloud: Cloud) -> None:
    topic = cloud.topic()
    subscriptions = {cloud.subscription(topic) for _ in range(2)}
    snapshot = cloud.subscriber.create_snapshot(name=cloud.name("snapshots"), subscription=min(subscriptions)).name
    assert set(cloud.publisher.list_topic_subscriptions(topic=topic)) == subscriptions
    assert list(cloud.publisher.list_topic_snapshots(topic=topic)) == [snapshot]


@pytest.mark.official_differs("labels of a topic cannot be changed")
def test_labels_of_a_topic_can_be_changed(cloud: Cloud) -> None:
    topic = cloud.topic(labels={"old": "1", "kept": "1"})
    update = {"topic": {"name": topic, "labels": {"new": "2"}}, "update_mask": {"paths": ["labels"]}}
    assert cloud.publisher.update_topic(request=update).labels == {"new": "2"}
    assert cloud.publisher.get_topic(topic=topic).labels == {"new": "2"}


def test_a_subscription_gets_the_defaults(cloud: Cloud) -> None:
    topic = cloud.topic()
    found = cloud.subscriber.get_subscription(subscription=cloud.subscription(topic))
    assert found.topic == topic
    assert found.ack_deadline_seconds == 10
    assert found.message_retention_duration.total_seconds() == 7 * 24 * 3600


def test_a_subscription_can_be_changed_where_it_may(cloud: Cloud) -> None:
    name = cloud.subscription(cloud.topic())
    update = {"subscription": {"name": name, "ack_deadline_seconds": 42}}
    cloud.subscriber.update_subscription(request={**update, "update_mask": {"paths": ["ack_deadline_seconds"]}})
    assert cloud.subscriber.get_subscription(subscription=name).ack_deadline_seconds == 42
    for paths in ([], ["no_such_field"], ["enable_message_ordering"], ["filter"]):
        with pytest.raises(exceptions.InvalidArgument):
            cloud.subscriber.update_subscription(request={**update, "update_mask": {"paths": paths}})


@pytest.mark.official_differs("a deadline below 10 seconds is accepted")
def test_an_ack_deadline_below_ten_seconds_is_refused(cloud: Cloud) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        cloud.subscription(cloud.topic(), ack_deadline_seconds=5)


def test_settings_out_of_bounds_are_refused(cloud: Cloud) -> None:
    topic = cloud.topic()
    for settings in (
        {"ack_deadline_seconds": 601},
        {"message_retention_duration": {"seconds": 5}},
        {"retry_policy": {"minimum_backoff": {"seconds": 20}, "maximum_backoff": {"seconds": 10}}},
        {"retry_policy": {"maximum_backoff": {"seconds": 601}}},
    ):
        with pytest.raises(exceptions.InvalidArgument):
            cloud.subscription(topic, **settings)
    for attempts in (4, 101):
        with pytest.raises(exceptions.OutOfRange):
            cloud.subscription(
                topic, dead_letter_policy={"dead_letter_topic": topic, "max_delivery_attempts": attempts}
            )


def test_a_subscription_needs_its_topics(cloud: Cloud) -> None:
    with pytest.raises(exceptions.NotFound):
        cloud.subscription(MISSING_TOPIC)
    with pytest.raises(exceptions.NotFound):
        cloud.subscription(cloud.topic(), dead_letter_policy={"dead_letter_topic": MISSING_TOPIC})


@pytest.mark.parametrize(
    "call",
    [
        lambda cloud: cloud.publisher.get_topic(topic=MISSING_TOPIC),
        lambda cloud: cloud.publisher.delete_topic(topic=MISSING_TOPIC),
        lambda cloud: cloud.publish(MISSING_TOPIC, b"x"),
        lambda cloud: cloud.subscriber.get_subscription(subscription=MISSING_SUBSCRIPTION),
        lambda cloud: cloud.subscriber.delete_subscription(subscription=MISSING_SUBSCRIPTION),
        lambda cloud: cloud.subscriber.pull(subscription=MISSING_SUBSCRIPTION, max_messages=1),
        lambda cloud: cloud.subscriber.acknowledge(subscription=MISSING_SUBSCRIPTION, ack_ids=["x"]),
        lambda cloud: cloud.subscriber.get_snapshot(snapshot=f"{PROJECT}/snapshots/missing"),
        lambda cloud: cloud.schemas.get_schema(name=f"{PROJECT}/schemas/missing"),
    ],
)
def test_what_does_not_exist_is_not_found(cloud: Cloud, call: Callable[[Cloud], object]) -> None:
    with pytest.raises(exceptions.NotFound):
        call(cloud)


def test_deleting_a_topic_leaves_its_subscriptions_with_what_they_hold(cloud: Cloud) -> None:
    topic = cloud.topic()
    subscription = cloud.subscription(topic)
    cloud.publish(topic, b"kept")
    cloud.publisher.delete_topic(topic=topic)
    assert cloud.subscriber.get_subscription(subscription=subscription).topic == "_deleted-topic_"
    assert cloud.drain(subscription, 1) == [b"kept"]


@pytest.mark.official_differs("detaching is not implemented")
def test_a_detached_subscription_gets_nothing_any_more(cloud: Cloud) -> None:
    topic = cloud.topic()
    subscription = cloud.subscription(topic)
    cloud.publish(topic, b"dropped")
    cloud.publisher.detach_subscription(request={"subscription": subscription})
    assert cloud.subscriber.get_subscription(subscription=subscription).detached
    assert subscription not in cloud.publisher.list_topic_subscriptions(topic=topic)
    with pytest.raises(exceptions.FailedPrecondition):
        cloud.subscriber.pull(subscription=subscription, max_messages=1)
