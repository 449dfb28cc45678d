"""The quick checks at the start of a command, against servers that are there, are not there, and never answer."""

import socket

import pytest

from cloud.connect import check_storage, open_objects, require_reachable
from cloud.objects import CloudSetupError, TransientError
from emulator.storage.faults import Status
from emulator.storage.server import EmbeddedStorage


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_a_server_that_answers_is_reachable(storage: EmbeddedStorage) -> None:
    require_reachable({"STORAGE_EMULATOR_HOST": storage.url}, "storage")


def test_a_refused_connection_is_told_with_the_way_out(free_port: int) -> None:
    environ = {
        "STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{free_port}",
        "PUBSUB_EMULATOR_HOST": f"127.0.0.1:{free_port}",
    }
    with pytest.raises(
        CloudSetupError, match=r"No storage emulator answers at http://127.* refused.* `reviewmill local`"
    ):
        require_reachable(environ, "storage")
    with pytest.raises(CloudSetupError, match=r"No Pub/Sub emulator answers at 127.*unset PUBSUB_EMULATOR_HOST"):
        require_reachable(environ, "pubsub")


def test_a_bucket_that_exists_passes_the_check(bucket: str, storage: EmbeddedStorage) -> None:
    check_storage(f"gs://{bucket}")
    denied = storage.faults.inject(Status(403), method="GET")
    check_storage(f"gs://{bucket}")  # a worker may lack the right to look
    assert denied.fired == 1


@pytest.mark.usefixtures("bucket")
def test_a_missing_bucket_is_told() -> None:
    with pytest.raises(CloudSetupError, match="the bucket does not exist"):
        check_storage("gs://law-missing")


def test_storage_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch, free_port: int) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{free_port}")
    with pytest.raises(TransientError, match="gs://law-a"):
        check_storage("gs://law-a", timeout_s=0.5)


def test_opening_connects_to_nothing(monkeypatch: pytest.MonkeyPatch, free_port: int) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{free_port}")
    objects = open_objects("gs://law-a")
    assert objects.uri == "gs://law-a"
    objects.close()
