"""`reviewmill redrive` on real dead letters: of the embedded server and of Google's emulator."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import pytest
from google.cloud.pubsub_v1 import SubscriberClient

from cloud.connect import open_subscription, open_topic
from cloud.queue import Received, Subscription
from emulator.official import OfficialPubSub, find_java, find_official
from emulator.provision import provision
from emulator.pubsub.server import EmbeddedPubSub
from emulator.storage.server import EmbeddedStorage
from emulator.topology import plan
from publisher.redrive import main
from worker.settings import load_settings

PROJECT = "reviewmill-local"
ATTEMPTS = 5


@pytest.fixture(scope="module", params=["embedded", pytest.param("official", marks=pytest.mark.official)])
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "official" and (find_java() is None or find_official() is None):
        if os.environ.get("REVIEWMILL_REQUIRE_OFFICIAL"):
            pytest.fail("Google's Pub/Sub emulator is not installed here")
        pytest.skip("Google's Pub/Sub emulator is not installed here")
    with OfficialPubSub() if request.param == "official" else EmbeddedPubSub() as server:
        yield server.address


@pytest.fixture(scope="module")
def storage() -> Iterator[str]:
    with EmbeddedStorage() as server:
        yield server.url


@pytest.fixture
def reviews(address: str, storage: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Subscription]:
    """A subscription that dead-letters, what the plan keeps its letters in, and settings that name them."""
    mark = uuid4().hex[:8]
    names = {
        "REVIEWMILL_REVIEWS_TOPIC": f"reviews-{mark}",
        "REVIEWMILL_REVIEWS_SUBSCRIPTION": f"worker-{mark}",
        "REVIEWMILL_DEAD_LETTER_TOPIC": f"dead-{mark}",
    }
    servers = {"PUBSUB_EMULATOR_HOST": address, "STORAGE_EMULATOR_HOST": storage, "GOOGLE_CLOUD_PROJECT": PROJECT}
    for name, value in {**names, **servers}.items():
        monkeypatch.setenv(name, value)
    topology = plan(load_settings(os.environ))
    keeping = tuple(one for one in topology.subscriptions if one.dead_letter_topic is None)
    provision(replace(topology, subscriptions=keeping), os.environ, wait_s=30)
    # By hand, to give up at once: with the plan's retry policy the attempts take a minute.
    topic, dead = (f"projects/{PROJECT}/topics/{kind}-{mark}" for kind in ("reviews", "dead"))
    with SubscriberClient() as subscriber:
        policy = {"dead_letter_topic": dead, "max_delivery_attempts": ATTEMPTS}
        name = f"projects/{PROJECT}/subscriptions/worker-{mark}"
        subscriber.create_subscription(request={"name": name, "topic": topic, "dead_letter_policy": policy})
    subscription = open_subscription(PROJECT, f"worker-{mark}")
    yield subscription
    subscription.close()


def publish(*ids: str, **attributes: str) -> None:
    topic = open_topic(PROJECT, os.environ["REVIEWMILL_REVIEWS_TOPIC"])
    for one in ids:
        topic.publish(json.dumps({"text": "fine", "id": one}).encode(), attributes).result(timeout=30)
    topic.close()


def give_up(reviews: Subscription, count: int) -> Received:
    """Give every message back as often as its subscription allows, and return the last delivery."""
    failed = 0
    while failed < count * ATTEMPTS:
        batch = reviews.pull(100, timeout_s=30)
        assert batch, f"{failed} of {count * ATTEMPTS} deliveries came"
        reviews.give_back([message.ack_id for message in batch])
        failed += len(batch)
        last = batch[-1]
    assert reviews.pull(100, timeout_s=2) == []  # Google's emulator forwards when it is asked again
    return last


def pull(reviews: Subscription, count: int) -> list[Received]:
    found: list[Received] = []
    while len(found) < count:
        batch = reviews.pull(100, timeout_s=30)
        assert batch, f"{len(found)} of {count} messages came"
        reviews.acknowledge([message.ack_id for message in batch])
        found += batch
    return found


def test_dead_letters_are_shown_then_published_again_once(
    reviews: Subscription, capsys: pytest.CaptureFixture[str]
) -> None:
    publish("a", "b", "c", enqueued_at="2026-01-02T03:04:05Z")
    give_up(reviews, 3)
    assert main(["--dry-run", "--wait", "3"]) == 0
    shown = capsys.readouterr().out
    assert "read 3 = would be redriven 3 + left 0" in shown
    assert reviews.name in shown
    assert "valid review" in shown
    assert main(["--wait", "3"]) == 0
    assert "read 3 = redriven 3 + left 0" in capsys.readouterr().out
    messages = pull(reviews, 3)
    assert sorted(json.loads(message.data)["id"] for message in messages) == ["a", "b", "c"]
    assert {message.attributes["enqueued_at"] for message in messages} == {"2026-01-02T03:04:05Z"}
    assert {message.attributes["redriven"] for message in messages} == {"1"}
    assert main(["--wait", "1"]) == 0
    assert "read 0 = redriven 0 + left 0" in capsys.readouterr().out


def test_a_message_that_always_fails_is_refused_in_the_end(
    reviews: Subscription, capsys: pytest.CaptureFixture[str]
) -> None:
    publish("poison")
    for _ in range(2):
        give_up(reviews, 1)
        assert main(["--max-redrives", "2", "--wait", "5"]) == 0
    give_up(reviews, 1)
    assert main(["--max-redrives", "2", "--wait", "5"]) == 1
    said = capsys.readouterr()
    assert "read 1 = redriven 0 + left 1" in said.out
    assert "raise --max-redrives" in said.err


def test_a_message_without_a_stamp_keeps_the_time_of_its_first_publishing(reviews: Subscription) -> None:
    publish("late")
    first = give_up(reviews, 1)
    assert main(["--wait", "5"]) == 0
    (message,) = pull(reviews, 1)
    assert message.attributes["enqueued_at"][:19] == first.publish_time[:19]


def test_looking_again_and_again_finds_the_same_letters(
    reviews: Subscription, capsys: pytest.CaptureFixture[str]
) -> None:
    publish("a", "b", "c")
    give_up(reviews, 3)
    for _ in range(3):
        assert main(["--dry-run", "--wait", "2"]) == 0
        assert "read 3 = would be redriven 3 + left 0" in capsys.readouterr().out
    assert main(["--wait", "2"]) == 0
    assert "read 3 = redriven 3 + left 0" in capsys.readouterr().out


def test_letters_that_are_refused_do_not_starve_the_others(
    reviews: Subscription, capsys: pytest.CaptureFixture[str]
) -> None:
    publish("bad1", "bad2", "bad3", "bad4", redriven="3")
    publish("a", "b", "c")
    give_up(reviews, 7)
    outcomes = []
    for _ in range(3):
        assert main(["--max", "2", "--wait", "3"]) in {0, 1}
        outcomes.append(re.findall(r" redriven (\d) \+", capsys.readouterr().out)[0])
    assert outcomes == ["2", "1", "0"]
    assert sorted(json.loads(message.data)["id"] for message in pull(reviews, 3)) == ["a", "b", "c"]
    assert main(["--max", "2", "--max-redrives", "4", "--wait", "3"]) == 0
    assert "read 2 = redriven 2 + left 0" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [(["--subscription", "nobody"], 2, "does not exist"), (["--subscription", "a/b"], 2, "--subscription")],
)
def test_wrong_use_is_told_in_a_sentence(
    reviews: Subscription, arguments: list[str], status: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reviews.name
    assert main(arguments) == status
    assert words in capsys.readouterr().err
