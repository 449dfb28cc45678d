from __future__ import annotations

import pytest

from worker.settings import InvalidSettings, Settings, describe_settings, load_settings


def test_an_empty_environment_gives_the_defaults() -> None:
    assert load_settings({}) == Settings()


def test_every_setting_can_be_set() -> None:
    examples = {"True": "false", "False": "true", "0.5": "0.25"}
    together = {"REVIEWMILL_PUSH_AUDIENCE", "REVIEWMILL_PUSH_EMAIL"}
    for variable, default, _ in describe_settings():
        value = examples.get(default) or ("7" if default.replace(".", "").isdigit() else "gs://other")
        if variable == "REVIEWMILL_LOG_LEVEL":
            value = "debug"
        if variable == "REVIEWMILL_PUSH_KEYS":
            value = "https://keys.example"
        environment = dict.fromkeys(together if variable in together else {variable}, value)
        assert load_settings(environment) != Settings(), variable


def test_all_faults_are_reported_together() -> None:
    with pytest.raises(InvalidSettings) as caught:
        load_settings(
            {
                "REVIEWMILL_BATCH_MESSAGES": "none",
                "REVIEWMILL_BATCH_AGE_S": "nan",
                "REVIEWMILL_PRODUCTION": "perhaps",
                "REVIEWMILL_LOG_LEVEL": "LOUD",
                "STORAGE_EMULATOR_HOST": "127.0.0.1:9199",
            }
        )
    assert len(caught.value.faults) == 5
    for name in ("BATCH_MESSAGES", "BATCH_AGE_S", "PRODUCTION", "LOG_LEVEL", "STORAGE_EMULATOR_HOST"):
        assert name in str(caught.value)


def test_buckets_that_overlap_are_refused() -> None:
    with pytest.raises(InvalidSettings, match="three different places"):
        load_settings({"REVIEWMILL_UPLOADS": "gs://reviewmill-results/"})


def test_production_refuses_an_emulator() -> None:
    with pytest.raises(InvalidSettings, match="PUBSUB_EMULATOR_HOST is set"):
        load_settings({"REVIEWMILL_PRODUCTION": "true", "PUBSUB_EMULATOR_HOST": "127.0.0.1:8085"})


def test_an_empty_value_is_a_fault() -> None:
    with pytest.raises(InvalidSettings, match="GOOGLE_CLOUD_PROJECT='' is empty"):
        load_settings({"GOOGLE_CLOUD_PROJECT": ""})
