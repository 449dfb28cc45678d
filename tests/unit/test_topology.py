"""What the set-up plans from the settings."""

from __future__ import annotations

from emulator.setup import refusal
from emulator.topology import plan
from worker.settings import Settings, load_settings


def test_every_topic_has_a_subscription_that_keeps_its_messages() -> None:
    topology = plan(Settings())
    assert {each.topic for each in topology.subscriptions} == set(topology.topics)


def test_what_the_worker_pulls_is_dead_lettered_and_what_only_keeps_is_not() -> None:
    settings = Settings()
    by_name = {each.name: each.dead_letter_topic for each in plan(settings).subscriptions}
    assert by_name == {
        "reviews-worker": "dead-letters",
        "uploads-worker": "dead-letters",
        "dead-letters-kept": None,
        "completions-kept": None,
    }


def test_what_is_given_back_waits_only_where_that_means_failure() -> None:
    by_name = {each.name: each.backs_off for each in plan(Settings()).subscriptions}
    assert by_name == {
        "reviews-worker": True,
        "uploads-worker": True,
        "dead-letters-kept": False,
        "completions-kept": False,
    }


def test_dead_letter_topic_comes_before_the_subscriptions_that_name_it() -> None:
    topology = plan(Settings())
    named = {each.dead_letter_topic for each in topology.subscriptions if each.dead_letter_topic}
    assert named <= set(topology.topics)


def test_limits_are_those_that_pubsub_accepts() -> None:
    for each in plan(Settings()).subscriptions:
        assert 10 <= each.ack_deadline_s <= 600
        assert 0 <= each.min_backoff_s <= each.max_backoff_s <= 600
        assert 5 <= each.max_attempts <= 100


def test_names_come_from_the_settings() -> None:
    topology = plan(
        load_settings(
            {
                "REVIEWMILL_REVIEWS_TOPIC": "mine",
                "REVIEWMILL_COMPLETIONS_TOPIC": "finished",
                "REVIEWMILL_UPLOADS": "gs://drop/",
            }
        )
    )
    assert "mine" in topology.topics
    assert "finished-kept" in {each.name for each in topology.subscriptions}
    assert [(each.bucket, each.topic) for each in topology.notifications] == [("drop", "uploads")]


def test_folders_need_no_bucket_and_announce_nothing() -> None:
    settings = load_settings({"REVIEWMILL_MODELS": "models", "REVIEWMILL_UPLOADS": "/tmp/uploads"})
    topology = plan(settings)
    assert topology.buckets == ("reviewmill-results",)
    assert topology.notifications == ()


def test_setup_refuses_without_emulators_and_names_the_way_to_a_real_project() -> None:
    message = refusal({"PUBSUB_EMULATOR_HOST": "127.0.0.1:8085"})
    assert message is not None
    assert "STORAGE_EMULATOR_HOST is not set" in message
    assert "deploy/" in message
    both = {"PUBSUB_EMULATOR_HOST": "127.0.0.1:8085", "STORAGE_EMULATOR_HOST": "http://127.0.0.1:9023"}
    assert refusal(both) is None
