"""Laws of topics and subscriptions."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from cloud.queue import MAX_DATA_BYTES, Received, Subscription, Topic
from worker.core.naming import parse_time

PATIENCE_S = 30.0
"""How long a test waits for what must happen: far longer than it takes."""

QUIET_S = 0.5
"""How long a test listens for what must not happen."""

PullAll = Callable[[Subscription, int], list[Received]]


def publish(topic: Topic, *data: bytes, **attributes: str) -> list[str]:
    answers = [topic.publish(one, attributes) for one in data]
    return [answer.result(timeout=PATIENCE_S) for answer in answers]


def ack_ids(received: list[Received]) -> list[str]:
    return [one.ack_id for one in received]


def test_what_is_published_arrives_as_it_was(topic: Topic, subscription: Subscription, pull_all: PullAll) -> None:
    data = os.urandom(1000)
    (message_id,) = publish(topic, data, model="linear_svc", enqueued_at="2026-11-22T18:00:00Z")
    (received,) = pull_all(subscription, 1)
    assert received.data == data
    assert dict(received.attributes) == {"model": "linear_svc", "enqueued_at": "2026-11-22T18:00:00Z"}
    assert received.message_id == message_id != ""
    assert received.ack_id
    assert received.delivery_attempt == 0  # there is no dead-letter policy


def test_the_publish_time_is_rfc_3339_in_utc(topic: Topic, subscription: Subscription, pull_all: PullAll) -> None:
    publish(topic, b"x")
    (received,) = pull_all(subscription, 1)
    assert received.publish_time.endswith("Z")
    assert parse_time(received.publish_time) is not None


def test_many_messages_all_arrive_under_ids_of_their_own(
    topic: Topic, subscription: Subscription, pull_all: PullAll
) -> None:
    sent = [str(number).encode() for number in range(3_000)]
    ids = publish(topic, *sent)
    received = pull_all(subscription, 3_000)
    assert sorted(one.data for one in received) == sorted(sent)
    assert {one.message_id for one in received} == set(ids)
    assert len(set(ids)) == 3_000
    subscription.acknowledge(ack_ids(received))


def test_a_pull_gives_no_more_than_it_was_asked_for(topic: Topic, subscription: Subscription) -> None:
    publish(topic, *[b"x"] * 20)
    assert 1 <= len(subscription.pull(7, timeout_s=PATIENCE_S)) <= 7


def test_an_empty_pull_is_an_empty_list(subscription: Subscription) -> None:
    assert subscription.pull(10, timeout_s=QUIET_S) == []


def test_a_pull_waits_for_what_comes_later(topic: Topic, subscription: Subscription) -> None:
    later = threading.Timer(0.3, lambda: topic.publish(b"later", {}))
    later.start()
    received = subscription.pull(10, timeout_s=PATIENCE_S)
    later.join()
    assert [one.data for one in received] == [b"later"]


def test_what_is_leased_is_not_delivered_again(topic: Topic, subscription: Subscription, pull_all: PullAll) -> None:
    publish(topic, b"x")
    pull_all(subscription, 1)
    assert subscription.pull(10, timeout_s=QUIET_S) == []


def test_what_is_acknowledged_does_not_come_back(topic: Topic, subscription: Subscription, pull_all: PullAll) -> None:
    publish(topic, b"1", b"2", b"3")
    received = pull_all(subscription, 3)
    subscription.acknowledge(ack_ids([one for one in received if one.data != b"2"]))
    subscription.give_back(ack_ids(received))  # brings back what is not acknowledged
    assert [one.data for one in pull_all(subscription, 1)] == [b"2"]
    assert subscription.pull(10, timeout_s=QUIET_S) == []


def test_what_is_given_back_comes_again_under_another_ack_id(
    topic: Topic, subscription: Subscription, pull_all: PullAll
) -> None:
    publish(topic, b"x")
    (first,) = pull_all(subscription, 1)
    subscription.give_back([first.ack_id])
    (second,) = pull_all(subscription, 1)
    assert (second.message_id, second.data) == (first.message_id, first.data)
    assert second.ack_id != first.ack_id


def test_a_lease_that_ends_gives_the_message_again(topic: Topic, subscription: Subscription, pull_all: PullAll) -> None:
    publish(topic, b"x")
    (first,) = pull_all(subscription, 1)
    subscription.extend([first.ack_id], seconds=1)
    (second,) = pull_all(subscription, 1)
    assert second.message_id == first.message_id


def test_an_extended_lease_outlives_its_first_end(topic: Topic, subscription: Subscription, pull_all: PullAll) -> None:
    publish(topic, b"x")
    (first,) = pull_all(subscription, 1)
    subscription.extend([first.ack_id], seconds=2)
    subscription.extend([first.ack_id], seconds=600)
    assert subscription.pull(10, timeout_s=3.0) == []


def test_a_stale_ack_id_is_no_error(topic: Topic, subscription: Subscription, pull_all: PullAll) -> None:
    publish(topic, b"x")
    (first,) = pull_all(subscription, 1)
    subscription.acknowledge([first.ack_id])
    subscription.acknowledge([first.ack_id])
    subscription.extend([first.ack_id], seconds=10)
    subscription.give_back([first.ack_id])
    assert subscription.pull(10, timeout_s=QUIET_S) == []


def test_no_ids_are_no_request(subscription: Subscription) -> None:
    subscription.acknowledge([])
    subscription.extend([], seconds=10)
    subscription.give_back([])


def test_more_ids_than_a_request_holds_are_acknowledged(
    topic: Topic, subscription: Subscription, pull_all: PullAll
) -> None:
    publish(topic, *[b"x"] * 6_000)
    received = pull_all(subscription, 6_000)
    subscription.acknowledge(ack_ids(received))
    subscription.give_back(ack_ids(received))  # would bring back what is not acknowledged
    assert subscription.pull(10, timeout_s=QUIET_S) == []


def test_several_consumers_share_the_messages(topic: Topic, subscription: Subscription) -> None:
    sent = {str(number).encode() for number in range(400)}
    publish(topic, *sent)
    lock, seen = threading.Lock(), list[bytes]()

    def consume(_: int) -> None:
        while received := subscription.pull(25, timeout_s=2.0):
            subscription.acknowledge(ack_ids(received))
            with lock:
                seen.extend(one.data for one in received)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(consume, range(4)))
    assert sorted(seen) == sorted(sent)


def test_a_message_of_the_largest_size_arrives(topic: Topic, subscription: Subscription, pull_all: PullAll) -> None:
    data = os.urandom(MAX_DATA_BYTES)
    publish(topic, data, model="linear_svc")
    assert pull_all(subscription, 1)[0].data == data


REFUSED: dict[str, tuple[bytes, dict[str, str], str]] = {
    "large": (bytes(MAX_DATA_BYTES + 1), {}, "9,000,000"),
    "empty": (b"", {}, "needs data"),
    "no key": (b"x", {"": "v"}, "attribute's name"),
    "goog": (b"x", {"googclient_x": "v"}, "attribute's name"),
    "long key": (b"x", {"k" * 257: "v"}, "attribute's name"),
    "reserved": (b"x", {"topic": "v"}, "attribute's name"),
    "long value": (b"x", {"k": "v" * 1025}, "1,024"),
    "many": (b"x", {str(number): "v" for number in range(101)}, "100 attributes"),
}


def test_what_no_topic_takes_is_refused_and_leaves_its_neighbours_alone(
    topic: Topic, subscription: Subscription, pull_all: PullAll
) -> None:
    answers = [topic.publish(b"good", {})]
    for data, attributes, words in REFUSED.values():
        with pytest.raises(ValueError, match=words):
            topic.publish(data, attributes)
        answers.append(topic.publish(b"good", {}))
    assert all(answer.result(timeout=PATIENCE_S) for answer in answers)
    assert [one.data for one in pull_all(subscription, len(answers))] == [b"good"] * len(answers)


def test_attributes_alone_are_a_message(topic: Topic, subscription: Subscription, pull_all: PullAll) -> None:
    publish(topic, b"", k="v")
    (received,) = pull_all(subscription, 1)
    assert (received.data, dict(received.attributes)) == (b"", {"k": "v"})


def test_a_flush_waits_for_every_answer(topic: Topic) -> None:
    answers = [topic.publish(b"x", {}) for _ in range(500)]
    topic.flush(timeout_s=PATIENCE_S)
    assert all(answer.done() for answer in answers)


def test_closing_sends_what_is_queued_and_can_be_repeated(
    topic: Topic, subscription: Subscription, pull_all: PullAll
) -> None:
    answers = [topic.publish(b"x", {}) for _ in range(200)]
    topic.close()
    topic.close()
    assert all(answer.result(timeout=PATIENCE_S) for answer in answers)
    assert len(pull_all(subscription, 200)) == 200
    subscription.close()
    subscription.close()
