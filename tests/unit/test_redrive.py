"""Redriving in memory: nothing is lost or acknowledged too early, and no message goes round for ever."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from concurrent.futures import Future

import pytest

from cloud.faults import Fault, Faults
from cloud.faulty_queue import FaultySubscription, FaultyTopic
from cloud.memory_queue import MemorySubscription, MemoryTopic
from cloud.objects import CloudSetupError
from cloud.queue import Received, Subscription, Topic
from publisher.redrive_letters import read_letter
from publisher.redrive_run import Redrive, Rules, Tally, Verdict
from schemas.codec import encode
from schemas.ranges import RangeTask

DIED = "2026-01-02T03:04:05.678Z"
SOURCE = {
    "CloudPubSubDeadLetterSourceSubscription": "reviews-worker",
    "CloudPubSubDeadLetterSourceSubscriptionProject": "project",
    "CloudPubSubDeadLetterSourceDeliveryCount": "10",
    "CloudPubSubDeadLetterSourceTopicPublishTime": DIED,
}

TASK = RangeTask("uploads", "a.csv", 1, 3)


class World:
    """A dead-letter topic with its keeping subscription, and the topic that letters go back to."""

    def __init__(self, *plan: Fault) -> None:
        self.faults = Faults(*plan)
        self.dead = MemoryTopic("dead-letters")
        self.kept = MemorySubscription("dead-letters-kept", self.dead, ack_deadline_s=600)
        self.reviews = MemoryTopic("reviews")
        self.back = MemorySubscription("reviews-worker", self.reviews)

    def die(self, *ids: str, **attributes: str) -> None:
        for one in ids:
            self.dead.publish(json.dumps({"text": "fine", "id": one}).encode(), SOURCE | attributes)

    def redrive(self, *, dry_run: bool = False, max_letters: int | None = None, max_redrives: int = 3) -> Tally:
        rules = Rules("project", dry_run, max_letters, max_redrives, wait_s=0.05, accept_s=5)
        return self.run(FaultySubscription(self.kept, self.faults), rules).run()

    def run(self, letters: Subscription, rules: Rules) -> Redrive:
        return Redrive(letters, {"reviews-worker": lambda: FaultyTopic(self.reviews, self.faults)}, rules)

    def returned(self) -> list[Received]:
        return self.back.pull(1_000, timeout_s=0.01)

    def ids(self) -> list[str]:
        return sorted(json.loads(message.data)["id"] for message in self.returned())


def counts(tally: Tally) -> dict[Verdict, int]:
    return {reason.verdict: tally.count(reason.verdict) for reason in tally.reasons}


def test_a_letter_goes_back_as_it_was_with_its_time_and_a_count() -> None:
    world = World()
    world.die("a1", origin="web")
    assert counts(world.redrive()) == {"redriven": 1}
    (message,) = world.returned()
    assert json.loads(message.data) == {"text": "fine", "id": "a1"}
    assert message.attributes == {"origin": "web", "enqueued_at": DIED, "redriven": "1"}
    assert world.kept.unacknowledged() == 0


def test_the_publishers_own_time_is_kept() -> None:
    world = World()
    world.die("a1", enqueued_at="2025-12-31T23:59:59Z", redriven="1")
    world.redrive()
    (message,) = world.returned()
    assert (message.attributes["enqueued_at"], message.attributes["redriven"]) == ("2025-12-31T23:59:59Z", "2")


def test_a_dry_run_shows_all_and_changes_nothing() -> None:
    world = World()
    world.die(*(f"k{number}" for number in range(7)))
    tally = world.redrive(dry_run=True)
    assert counts(tally) == {"would be redriven": 7}
    assert [(reason.cause, tally.attempts[reason], tally.oldest[reason]) for reason in tally.reasons] == [
        ("valid review", 10, DIED)
    ]
    assert world.ids() == []
    assert counts(world.redrive()) == {"redriven": 7}


def test_at_most_as_many_are_handled_as_allowed() -> None:
    world = World()
    world.die(*(f"k{number}" for number in range(7)))
    assert counts(world.redrive(max_letters=3)) == {"redriven": 3}
    assert world.kept.unacknowledged() == 4


@pytest.mark.parametrize("dry_run", [False, True])
def test_letters_that_stay_do_not_take_the_place_of_those_that_can_go(dry_run: bool) -> None:
    world = World()
    world.die(*(f"bad{number}" for number in range(4)), redriven="3")
    world.die("a", "b", "c")
    verdict: Verdict = "would be redriven" if dry_run else "redriven"
    assert counts(world.redrive(dry_run=dry_run, max_letters=2)) == {"refused": 4, verdict: 2}
    assert world.kept.unacknowledged() == (7 if dry_run else 5)
    assert counts(world.redrive(max_letters=9)) == {"refused": 4, "redriven": 3 if dry_run else 1}
    assert world.ids() == ["a", "b", "c"]


def test_a_letter_that_failed_makes_room_for_the_next() -> None:
    world = World(Fault("publish", "before", first=1))
    world.die("a", "b", "c")
    assert counts(world.redrive(max_letters=2)) == {"failed": 1, "redriven": 2}
    assert world.ids() == ["b", "c"]


def test_letters_that_come_again_while_the_run_goes_on_are_counted_once() -> None:
    world = World(Fault("pull", "duplicate", first=1, every=1))
    world.die("poison", redriven="3")
    world.die("a", "b")
    assert counts(world.redrive()) == {"refused": 1, "redriven": 2}
    assert (world.ids(), world.kept.unacknowledged()) == (["a", "b"], 1)


def test_a_letter_whose_acknowledgement_failed_is_acknowledged_when_it_comes_again() -> None:
    world = World(Fault("acknowledge", "before"), Fault("extend", "lost"))
    world.kept = MemorySubscription("short", world.dead, ack_deadline_s=0.02)
    world.die("a")
    rules = Rules("project", dry_run=False, max_letters=None, max_redrives=3, wait_s=0.2)
    redrive = world.run(FaultySubscription(world.kept, world.faults), rules)
    assert counts(redrive.run()) == {"redriven": 1}
    assert (world.ids(), world.kept.unacknowledged(), redrive.unacknowledged) == (["a"], 0, 0)


class Refilled(MemorySubscription):
    """Dead letters that never end."""

    def pull(self, max_messages: int, *, timeout_s: float) -> list[Received]:
        self.offer(f"more-{time.monotonic_ns()}", b'{"text": "fine"}', SOURCE | {"redriven": "3"}, DIED)
        return super().pull(max_messages, timeout_s=timeout_s)


def test_a_run_ends_after_its_time_and_says_so() -> None:
    world = World()
    rules = Rules("project", dry_run=False, max_letters=None, max_redrives=3, wait_s=5, pass_s=0.2)
    redrive = world.run(Refilled("endless", world.dead), rules)
    assert redrive.run().count("refused") > 1
    assert redrive.out_of_time


def test_what_was_redriven_often_is_refused_and_stays() -> None:
    world = World()
    world.die("poison", redriven="3")
    world.die("other", redriven="2")
    assert counts(world.redrive()) == {"refused": 1, "redriven": 1}
    assert (world.ids(), world.kept.unacknowledged()) == (["other"], 1)
    assert counts(world.redrive(max_redrives=4)) == {"redriven": 1}


@pytest.mark.parametrize(
    "foreign",
    [
        {"CloudPubSubDeadLetterSourceSubscription": "somebody-elses"},
        {"CloudPubSubDeadLetterSourceSubscription": ""},
        {"CloudPubSubDeadLetterSourceSubscriptionProject": "other-project"},
    ],
)
def test_letters_of_others_are_left_alone(foreign: dict[str, str]) -> None:
    world = World()
    world.die("a1", **foreign)
    assert counts(world.redrive()) == {"unknown source": 1}
    assert (world.ids(), world.kept.unacknowledged()) == ([], 1)


def test_a_letter_that_the_topic_does_not_accept_stays() -> None:
    world = World(Fault("publish", "before", first=2))
    world.die("a", "b", "c")
    assert counts(world.redrive()) == {"redriven": 2, "failed": 1}
    assert world.kept.unacknowledged() == 1
    assert counts(world.redrive()) == {"redriven": 1}
    assert (world.ids(), world.faults.unfired()) == (["a", "b", "c"], [])


@pytest.mark.parametrize("kind", ["before", "lost", "lost_answer"])
def test_a_failed_acknowledgement_repeats_a_letter_and_loses_none(kind: str) -> None:
    world = World(Fault("acknowledge", kind))  # type: ignore[arg-type]  # one of the kinds
    world.die("a", "b")
    assert counts(world.redrive()) == {"redriven": 2}
    assert (world.ids(), world.faults.unfired()) == (["a", "b"], [])


def test_nothing_is_held_back_when_the_topic_is_gone() -> None:
    world = World()
    world.die("a", "b")

    def gone() -> Topic:
        raise CloudSetupError("the topic does not exist")

    rules = Rules("project", dry_run=False, max_letters=None, max_redrives=3, wait_s=0.05)
    with pytest.raises(CloudSetupError):
        Redrive(world.kept, {"reviews-worker": gone}, rules).run()
    assert len(world.kept.pull(10, timeout_s=0.01)) == 2


class SilentTopic(MemoryTopic):
    """A topic that takes messages and never says so."""

    def publish(self, data: bytes, attributes: Mapping[str, str]) -> Future[str]:  # noqa: ARG002 - the port's
        return Future()


def test_a_topic_that_hangs_is_waited_for_once() -> None:
    world = World()
    world.die(
        *(f"a{number}" for number in range(100))
    )  # with a wait for each the test would take minutes, and be ended
    rules = Rules("project", dry_run=False, max_letters=None, max_redrives=3, wait_s=0.05, accept_s=2)
    tally = Redrive(world.kept, {"reviews-worker": lambda: SilentTopic("reviews")}, rules).run()
    assert counts(tally) == {"failed": 100}
    assert world.kept.unacknowledged() == 100


@pytest.mark.parametrize(
    ("data", "attributes", "cause"),
    [
        (b"\xff", {}, "invalid: invalid_utf8"),
        (b"", {"eventType": "OBJECT_FINALIZE", "bucketId": "b"}, "invalid: invalid_event"),
        (
            b"",
            {"eventType": "OBJECT_FINALIZE", "bucketId": "b", "objectId": "a.csv", "objectGeneration": "1"},
            "valid upload event",
        ),
        (encode(TASK), TASK.attributes(), "valid range of an upload"),
        (b'{"range": 1}', TASK.attributes(), "invalid: missing_field"),
    ],
)
def test_the_cause_is_told_without_the_text(data: bytes, attributes: dict[str, str], cause: str) -> None:
    letter = read_letter(Received("ack", "1", data, DIED, attributes))
    assert (letter.cause, letter.redriven, letter.attempts) == (cause, 0, 0)


@pytest.mark.parametrize(
    ("told", "stamped"), [("2026-01-02T03:04:05.678", DIED), (DIED, DIED), ("yesterday", None), ("", None)]
)
def test_a_time_without_a_zone_is_utc(told: str, stamped: str | None) -> None:
    attributes = SOURCE | {"CloudPubSubDeadLetterSourceTopicPublishTime": told}
    assert read_letter(Received("ack", "1", b"{}", DIED, attributes)).again().get("enqueued_at") == stamped


@pytest.mark.parametrize("count", ["", "-1", "x", "\u0663", "9" * 30])
def test_a_hostile_count_is_none(count: str) -> None:
    assert read_letter(Received("ack", "1", b"{}", DIED, SOURCE | {"redriven": count})).redriven == 0


def test_names_that_the_service_reserves_are_left_out() -> None:
    letter = read_letter(Received("ack", "1", b"{}", DIED, SOURCE | {"googclient_traceparent": "00-1"}))
    assert set(letter.again()) == {"enqueued_at", "redriven"}
