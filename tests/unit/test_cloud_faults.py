"""The wrappers that fail on purpose: when they do, what was done then, and that they count it."""

import pytest

from cloud.faults import Fault, Faults
from cloud.faulty import FaultyObjects
from cloud.faulty_queue import FaultySubscription, FaultyTopic
from cloud.memory import MemoryObjects
from cloud.memory_queue import MemorySubscription, MemoryTopic
from cloud.objects import ObjectNotFound, PreconditionFailed, TransientError


def put(objects: FaultyObjects) -> None:
    objects.put("a", b"x", content_type="text/plain", if_generation=0)


def queue(*plan: Fault) -> tuple[FaultyTopic, FaultySubscription, Faults]:
    faults, topic = Faults(*plan), MemoryTopic()
    return FaultyTopic(topic, faults), FaultySubscription(MemorySubscription("s", topic), faults), faults


@pytest.mark.parametrize(
    ("fault", "calls"),
    [
        (Fault("put", "before"), [1]),
        (Fault("put", "before", first=3), [3]),
        (Fault("put", "before", first=2, every=3), [2, 5, 8]),
        (Fault("get", "before"), []),
    ],
)
def test_a_fault_strikes_as_planned(fault: Fault, calls: list[int]) -> None:
    faults = Faults(fault)
    assert [call for call in range(1, 10) if faults.next("put")] == calls
    assert faults.fired[fault] == len(calls)
    assert faults.unfired() == ([] if calls else [fault])


def test_before_does_nothing() -> None:
    inner = MemoryObjects()
    with pytest.raises(TransientError):
        put(FaultyObjects(inner, Faults(Fault("put", "before"))))
    with pytest.raises(ObjectNotFound):
        inner.info("a")


def test_a_lost_answer_comes_after_the_deed() -> None:
    inner = MemoryObjects()
    with pytest.raises(TransientError):
        put(FaultyObjects(inner, Faults(Fault("put", "lost_answer"))))
    assert inner.get("a")[0] == b"x"


def test_a_repeated_create_only_write_fails_although_it_was_done() -> None:
    inner = MemoryObjects()
    with pytest.raises(PreconditionFailed):
        put(FaultyObjects(inner, Faults(Fault("put", "repeated"))))
    assert inner.get("a")[0] == b"x"


def test_what_cannot_happen_to_an_object_is_a_mistake_of_the_test() -> None:
    with pytest.raises(ValueError, match="lost"):
        put(FaultyObjects(MemoryObjects(), Faults(Fault("put", "lost"))))


def test_a_duplicate_comes_with_the_next_pull() -> None:
    topic, subscription, _ = queue(Fault("pull", "duplicate"))
    topic.publish(b"1", {})
    first = subscription.pull(10, timeout_s=0)
    assert subscription.pull(10, timeout_s=0) == first
    assert subscription.pull(10, timeout_s=0) == []


@pytest.mark.parametrize("kind", ["before", "lost_answer"])
def test_a_pull_fails(kind: str) -> None:
    topic, subscription, _ = queue(Fault("pull", "before" if kind == "before" else "lost_answer"))
    topic.publish(b"1", {})
    with pytest.raises(TransientError):
        subscription.pull(10, timeout_s=0)
    assert len(subscription.pull(10, timeout_s=0)) == (1 if kind == "before" else 0)  # leased by the lost answer


def test_a_lost_acknowledgement_leaves_the_message() -> None:
    topic, subscription, faults = queue(Fault("acknowledge", "lost"))
    topic.publish(b"1", {})
    (message,) = subscription.pull(1, timeout_s=0)
    subscription.acknowledge([message.ack_id])
    subscription.give_back([message.ack_id])
    assert len(subscription.pull(1, timeout_s=0)) == 1
    assert faults.unfired() == []


def test_a_publish_can_fail_before_and_after() -> None:
    topic, subscription, _ = queue(Fault("publish", "before"), Fault("publish", "lost_answer", first=2))
    for _ in range(2):
        with pytest.raises(TransientError):
            topic.publish(b"1", {}).result()
    assert topic.publish(b"1", {}).result()
    assert len(subscription.pull(10, timeout_s=0)) == 2


def test_a_repeated_publish_makes_two_messages() -> None:
    topic, subscription, _ = queue(Fault("publish", "repeated"))
    topic.publish(b"1", {}).result()
    assert len({message.message_id for message in subscription.pull(10, timeout_s=0)}) == 2
