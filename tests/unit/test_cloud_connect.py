"""Opening by name: what is understood, and what is told about the rest. Nothing here connects."""

from pathlib import Path

import pytest

from cloud.connect import emulators, open_objects, open_subscription, open_topic, require_reachable
from cloud.folder import FolderObjects
from cloud.objects import CloudSetupError


@pytest.mark.parametrize("path", ["models", "./models", "/tmp/models", "with space", "a:b", "C:models", "gs"])
def test_a_path_is_a_folder(path: str) -> None:
    objects = open_objects(path)
    assert isinstance(objects, FolderObjects)
    assert objects.uri == str(Path(path).resolve())


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("", "neither"),
        ("  ", "neither"),
        ("a\0b", "neither"),
        ("gs://", "no bucket's name"),
        ("gs:///models", "give the bucket alone"),
        ("gs://Upper", "no bucket's name"),
        ("gs://ab", "no bucket's name"),
        ("gs://-models-", "no bucket's name"),
        ("gs://models/folder", "give the bucket alone: gs://models"),
        ("gs:/models", "cannot be opened"),
        ("gs:models", "cannot be opened"),
        ("s3://models", "cannot be opened"),
        ("http://127.0.0.1/models", "cannot be opened"),
        ("GS://models", "cannot be opened"),
    ],
)
def test_what_is_neither_is_told(uri: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        open_objects(uri)


@pytest.mark.parametrize(
    ("project", "name", "words"),
    [
        ("", "reviews", "project id"),
        ("My Project", "reviews", "project id"),
        ("project-a", "", "name"),
        ("project-a", "ab", "3 to 255"),
        ("project-a", "1reviews", "a letter first"),
        ("project-a", "google", "name"),
        ("project-a", "re views", "name"),
        ("project-a", "projects/project-a/topics/reviews", "own name"),
    ],
)
def test_bad_queue_names_are_told(project: str, name: str, words: str) -> None:
    for opens in (open_topic, open_subscription):
        with pytest.raises(ValueError, match=words):
            opens(project, name)


def test_the_emulators_of_an_environment_are_told() -> None:
    assert emulators({}) == {}
    assert emulators({"STORAGE_EMULATOR_HOST": "", "PUBSUB_EMULATOR_HOST": "127.0.0.1:8085"}) == {
        "pubsub": "127.0.0.1:8085"
    }


def test_without_emulators_nothing_is_asked() -> None:
    require_reachable({}, "storage", "pubsub")
    require_reachable({"STORAGE_EMULATOR_HOST": "nonsense"}, "pubsub")


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"STORAGE_EMULATOR_HOST": "127.0.0.1:9023"}, "'http://127.0.0.1:9023'"),
        ({"STORAGE_EMULATOR_HOST": "http://"}, "host and a port"),
        ({"STORAGE_EMULATOR_HOST": "http://127.0.0.1:99999"}, "host and a port"),
        ({"PUBSUB_EMULATOR_HOST": "http://127.0.0.1:8085/"}, "'127.0.0.1:8085'"),
        ({"PUBSUB_EMULATOR_HOST": "127.0.0.1"}, "host and a port"),
        ({"PUBSUB_EMULATOR_HOST": "127.0.0.1:port"}, "host and a port"),
    ],
)
def test_an_address_in_the_wrong_form_is_told_with_the_right_one(environ: dict[str, str], words: str) -> None:
    with pytest.raises(CloudSetupError, match=words):
        require_reachable(environ, "storage", "pubsub")
