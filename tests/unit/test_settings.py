from __future__ import annotations

from pathlib import Path

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


def faults_of(environment: dict[str, str]) -> list[str]:
    with pytest.raises(InvalidSettings) as caught:
        load_settings(environment)
    return caught.value.faults


@pytest.mark.parametrize(
    ("uploads", "results", "how"),
    [
        ("gs://reviewmill-results/", "gs://reviewmill-results", "is the same place as"),
        ("gs://reviewmill-results/csv", "gs://reviewmill-results", "is the same place as"),
        ("work", "./work", "is the same place as"),
        ("work/", "work/../work", "is the same place as"),
        ("link", "work", "is the same place as"),
        ("work/uploads", "work", "is a folder inside of"),
        ("link/uploads", "./work", "is a folder inside of"),
        ("work/a/b", "work/a", "is a folder inside of"),
        ("work", "/", "is a folder inside of"),
    ],
)
def test_places_that_overlap_are_refused(
    uploads: str, results: str, how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "work").mkdir()
    (tmp_path / "link").symlink_to("work")
    found = faults_of({"REVIEWMILL_UPLOADS": uploads, "REVIEWMILL_RESULTS": results})[-1]
    assert found.startswith(f"REVIEWMILL_UPLOADS={uploads!r} {how} REVIEWMILL_RESULTS={results!r}: ")
    assert found.endswith("Give each a place of its own, outside of the others.")


def test_the_inner_of_two_folders_is_the_one_that_is_told_to_be_inside() -> None:
    [fault] = faults_of({"REVIEWMILL_MODELS": "work", "REVIEWMILL_UPLOADS": "work/models"})
    assert fault.startswith("REVIEWMILL_UPLOADS='work/models' is a folder inside of REVIEWMILL_MODELS='work': ")


def test_places_that_are_apart_are_taken() -> None:
    names = {"REVIEWMILL_MODELS": "work", "REVIEWMILL_UPLOADS": "work-uploads", "REVIEWMILL_RESULTS": "work2/work"}
    assert load_settings(names).uploads == "work-uploads"
    assert load_settings({"REVIEWMILL_UPLOADS": "reviewmill-results"}).uploads == "reviewmill-results"


def test_a_part_of_a_bucket_is_refused() -> None:
    assert faults_of({"REVIEWMILL_UPLOADS": "gs://drop/here/"}) == [
        "REVIEWMILL_UPLOADS='gs://drop/here/' names something inside a bucket. Give the bucket alone: gs://drop."
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("DEAD_LETTER_TOPIC", "REVIEWS_TOPIC"),
        ("DEAD_LETTER_TOPIC", "UPLOADS_TOPIC"),
        ("COMPLETIONS_TOPIC", "REVIEWS_TOPIC"),
        ("COMPLETIONS_TOPIC", "UPLOADS_TOPIC"),
        ("COMPLETIONS_TOPIC", "DEAD_LETTER_TOPIC"),
        ("REVIEWS_SUBSCRIPTION", "UPLOADS_SUBSCRIPTION"),
    ],
)
def test_names_that_would_feed_messages_back_are_refused(one: str, other: str) -> None:
    [fault] = faults_of({f"REVIEWMILL_{one}": "same", f"REVIEWMILL_{other}": " same "})
    assert fault.startswith(f"REVIEWMILL_{one} and REVIEWMILL_{other} are both 'same': ")
    assert fault.endswith("Give one of them another name.")


def test_a_setting_that_meets_the_default_of_another_is_refused() -> None:
    assert "REVIEWMILL_REVIEWS_TOPIC are both 'reviews'" in faults_of({"REVIEWMILL_DEAD_LETTER_TOPIC": "reviews"})[0]


def test_everything_that_overlaps_is_reported_together() -> None:
    topics = ("REVIEWS_TOPIC", "UPLOADS_TOPIC", "DEAD_LETTER_TOPIC", "COMPLETIONS_TOPIC")
    places = ("MODELS", "UPLOADS", "RESULTS")
    found = faults_of({f"REVIEWMILL_{name}": "same" for name in (*topics, *places)})
    assert len(found) == 5 + 3
    assert len(set(found)) == 8


def test_production_refuses_an_emulator() -> None:
    with pytest.raises(InvalidSettings, match="PUBSUB_EMULATOR_HOST is set"):
        load_settings({"REVIEWMILL_PRODUCTION": "true", "PUBSUB_EMULATOR_HOST": "127.0.0.1:8085"})


def test_an_empty_value_is_a_fault() -> None:
    with pytest.raises(InvalidSettings, match="GOOGLE_CLOUD_PROJECT='' is empty"):
        load_settings({"GOOGLE_CLOUD_PROJECT": ""})
