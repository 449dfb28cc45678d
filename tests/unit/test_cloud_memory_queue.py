"""What only the queue in memory has: a clock that a test moves, and dead letters."""

from cloud.memory_queue import MemorySubscription, MemoryTopic


class Clock:
    def __init__(self) -> None:
        self.moment = 1_700_000_000.0

    def __call__(self) -> float:
        return self.moment


def test_leases_end_by_the_given_clock() -> None:
    clock, topic = Clock(), MemoryTopic()
    subscription = MemorySubscription("s", topic, ack_deadline_s=10, now=clock)
    topic.publish(b"x", {})
    (first,) = subscription.pull(1, timeout_s=0)
    clock.moment += 9.9
    assert subscription.pull(1, timeout_s=0) == []
    subscription.extend([first.ack_id], seconds=10)
    clock.moment += 9.9
    assert subscription.pull(1, timeout_s=0) == []
    clock.moment += 0.2
    (second,) = subscription.pull(1, timeout_s=0)
    subscription.extend([first.ack_id], seconds=600)  # of a lease that has ended
    clock.moment += 10
    assert [one.message_id for one in subscription.pull(1, timeout_s=0)] == [second.message_id]


def test_publish_times_come_from_the_given_clock() -> None:
    topic = MemoryTopic(now=Clock())
    subscription = MemorySubscription("s", topic)
    topic.publish(b"x", {})
    assert subscription.pull(1, timeout_s=0)[0].publish_time == "2023-11-14T22:13:20Z"


def test_a_message_given_back_too_often_is_a_dead_letter() -> None:
    topic, dead = MemoryTopic("topic"), MemoryTopic("dead")
    buried = MemorySubscription("buried", dead)
    subscription = MemorySubscription("s", topic, dead_letters=dead, max_attempts=3)
    topic.publish(b"x", {"k": "v"})
    attempts = []
    while messages := subscription.pull(1, timeout_s=0):
        attempts.append(messages[0].delivery_attempt)
        subscription.give_back([messages[0].ack_id])
    assert attempts == [1, 2, 3]
    assert subscription.unacknowledged() == 0
    (letter,) = buried.pull(1, timeout_s=0)
    assert (letter.data, dict(letter.attributes)) == (b"x", {"k": "v"})


def test_every_subscription_of_a_topic_gets_every_message() -> None:
    topic = MemoryTopic()
    first, second = MemorySubscription("a", topic), MemorySubscription("b", topic)
    topic.publish(b"x", {})
    assert (
        [one.data for one in first.pull(9, timeout_s=0)] == [one.data for one in second.pull(9, timeout_s=0)] == [b"x"]
    )
