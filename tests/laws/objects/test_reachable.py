"""The quick checks at the start of a command, against servers that are there, are not there, and never answer."""

import socket

import pytest

from cloud.connect import open_objects, require_reachable
from cloud.objects import CloudSetupError
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


def test_opening_connects_to_nothing(monkeypatch: pytest.MonkeyPatch, free_port: int) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{free_port}")
    objects = open_objects("gs://law-a")
    assert objects.uri == "gs://law-a"
    objects.close()
