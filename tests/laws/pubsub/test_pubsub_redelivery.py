import pytest

from tests.laws.pubsub.conftest import Cloud, eventually

NEVER = {"minimum_backoff": {"seconds": 600}, "maximum_backoff": {"seconds": 600}}
SOON = {"minimum_backoff": {"seconds": 1}, "maximum_backoff": {"seconds": 1}}


def test_a_message_given_back_comes_again_at_once(cloud: Cloud) -> None:
    topic = cloud.topic()
    subscription = cloud.subscription(topic, ack_deadline_seconds=600)
    cloud.publish(topic, b"again")
    first = cloud.pull_one(subscription)
    cloud.give_back(subscription, [first])
    second = cloud.pull_one(subscription)
    assert second.message.message_id == first.message.message_id
    assert second.ack_id != first.ack_id


def test_a_leased_message_does_not_come_again(cloud: Cloud) -> None:
    topic = cloud.topic()
    subscription = cloud.subscription(topic)
    cloud.publish(topic, b"held")
    cloud.pull_one(subscription)
    assert cloud.pull_ready(subscription) == []


def test_a_lease_that_runs_out_brings_the_message_again(cloud: Cloud) -> None:
    topic = cloud.topic()
    subscription = cloud.subscription(topic, ack_deadline_seconds=600)
    cloud.publish(topic, b"again")
    first = cloud.pull_one(subscription)
    cloud.give_back(subscription, [first], seconds=1)
    assert cloud.pull_one(subscription).message.message_id == first.message.message_id


def test_an_extended_lease_holds(cloud: Cloud) -> None:
    topic = cloud.topic()
    subscription = cloud.subscription(topic)
    cloud.publish(topic, b"short", b"long")
    received = cloud.pull(subscription, 2)
    short = [one for one in received if one.message.data == b"short"]
    long = [one for one in received if one.message.data == b"long"]
    cloud.give_back(subscription, received, seconds=1)
    cloud.give_back(subscription, long, seconds=600)
    assert cloud.pull_one(subscription).message.data == short[0].message.data
    assert cloud.pull_ready(subscription) == []


@pytest.mark.official_differs("the first redelivery ignores the retry policy")
def test_a_failed_message_waits_for_its_backoff(cloud: Cloud) -> None:
    topic = cloud.topic()
    subscription = cloud.subscription(topic, retry_policy=NEVER)
    cloud.publish(topic, b"patience")
    cloud.give_back(subscription, cloud.pull(subscription, 1))
    assert cloud.pull_ready(subscription) == []


def test_a_failed_message_comes_again_after_its_backoff(cloud: Cloud) -> None:
    topic = cloud.topic()
    subscription = cloud.subscription(topic, retry_policy=SOON)
    (published,) = cloud.publish(topic, b"patience")
    cloud.give_back(subscription, cloud.pull(subscription, 1))
    cloud.give_back(subscription, cloud.pull(subscription, 1))
    assert cloud.pull_one(subscription).message.message_id == published


def test_a_message_that_failed_too_often_goes_to_the_dead_letter_topic(cloud: Cloud) -> None:
    topic, dead_topic = cloud.topic(), cloud.topic()
    dead = cloud.subscription(dead_topic)
    subscription = cloud.subscription(
        topic, dead_letter_policy={"dead_letter_topic": dead_topic, "max_delivery_attempts": 5}
    )
    (published,) = cloud.publish(topic, b"poison", origin="test")
    attempts = []
    for _ in range(5):
        received = cloud.pull_one(subscription)
        attempts.append(received.delivery_attempt)
        cloud.give_back(subscription, [received])
    assert attempts == [1, 2, 3, 4, 5]
    assert cloud.pull_ready(subscription) == []  # Google's emulator forwards when it is asked again
    letter = cloud.pull_one(dead).message
    assert letter.data == b"poison"
    assert letter.message_id != published
    assert letter.attributes["origin"] == "test"
    source = "CloudPubSubDeadLetterSource"
    assert letter.attributes[f"{source}DeliveryCount"] == "5"
    assert letter.attributes[f"{source}Subscription"] == subscription.rsplit("/", 1)[1]
    assert letter.attributes[f"{source}SubscriptionProject"] == subscription.split("/")[1]
    assert letter.attributes[f"{source}TopicPublishTime"].startswith("20")


def test_expired_leases_count_as_attempts_too(cloud: Cloud) -> None:
    topic, dead_topic = cloud.topic(), cloud.topic()
    dead = cloud.subscription(dead_topic)
    policy = {"dead_letter_topic": dead_topic, "max_delivery_attempts": 5}
    subscription = cloud.subscription(topic, dead_letter_policy=policy)
    cloud.publish(topic, b"poison")
    for _ in range(4):
        cloud.give_back(subscription, [cloud.pull_one(subscription)])
    cloud.give_back(subscription, [cloud.pull_one(subscription)], seconds=1)
    letters: list[bytes] = []

    def forwarded() -> bool:
        assert cloud.pull_ready(subscription) == []  # Google's emulator forwards when it is asked again
        letters.extend(one.message.data for one in cloud.pull_ready(dead))
        return bool(letters)

    assert eventually(forwarded)
    assert letters == [b"poison"]


def test_attempts_are_not_counted_without_a_dead_letter_policy(cloud: Cloud) -> None:
    topic = cloud.topic()
    subscription = cloud.subscription(topic)
    cloud.publish(topic, b"x")
    cloud.give_back(subscription, cloud.pull(subscription, 1))
    assert cloud.pull_one(subscription).delivery_attempt == 0


def test_messages_of_one_key_come_in_order(cloud: Cloud) -> None:
    topic = cloud.topic()
    subscription = cloud.subscription(topic, enable_message_ordering=True)
    expected = [str(number).encode() for number in range(20)]
    for data in expected:
        cloud.publish(topic, data, ordering_key="reviews")
    assert cloud.drain(subscription, 20) == expected


@pytest.mark.official_differs("order is not kept when a message is given back")
def test_messages_of_one_key_come_in_order_after_one_was_given_back(cloud: Cloud) -> None:
    topic = cloud.topic()
    subscription = cloud.subscription(topic, enable_message_ordering=True)
    cloud.publish(topic, b"1", b"2", b"3", ordering_key="reviews")
    first = cloud.pull_one(subscription)
    assert first.message.data == b"1"
    second = cloud.pull_ready(subscription, limit=1)
    cloud.give_back(subscription, [first, *second])
    assert cloud.drain(subscription, 3) == [b"1", b"2", b"3"]


def test_keys_do_not_wait_for_each_other(cloud: Cloud) -> None:
    topic = cloud.topic()
    subscription = cloud.subscription(topic, enable_message_ordering=True)
    cloud.publish(topic, b"a1", b"a2", ordering_key="a")
    held = cloud.pull_one(subscription)
    assert held.message.data == b"a1"
    cloud.publish(topic, b"b1", ordering_key="b")
    cloud.publish(topic, b"free")
    others: set[bytes] = set()

    def arrived() -> bool:
        others.update(one.message.data for one in cloud.pull_ready(subscription))
        return {b"b1", b"free"} <= others

    assert eventually(arrived)
