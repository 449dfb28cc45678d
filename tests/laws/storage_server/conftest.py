"""The embedded storage server over real sockets, in memory and in a folder, with the real client library."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests
from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Bucket, Client

from emulator.storage.server import EmbeddedStorage

# Without it the client asks for every bucket's metadata in the background, in a thread that outlives the test.
os.environ["DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA"] = "true"


Received = list[tuple[str, bytes, dict[str, str]]]


@pytest.fixture
def events() -> Received:
    """The notifications that the server sent: topic, data, attributes."""
    return []


@pytest.fixture(params=["memory", "folder"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path / "storage" if request.param == "folder" else None


@pytest.fixture
def server(root: Path | None, events: Received) -> Iterator[EmbeddedStorage]:
    before = set(threading.enumerate())
    with EmbeddedStorage(root=root, on_event=lambda *event: events.append(event)) as running:
        yield running
    left = [thread for thread in threading.enumerate() if thread not in before and thread.name.startswith("storage-")]
    assert left == []


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Client]]:
    """Make clients for a server's address; all are closed at the end."""
    with ExitStack() as clients:

        def make(url: str) -> Client:
            monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
            client = Client(project="project-local", credentials=AnonymousCredentials())
            clients.callback(client.close)
            return client

        yield make


@pytest.fixture
def client(server: EmbeddedStorage, connect: Callable[[str], Client]) -> Client:
    return connect(server.url)


@pytest.fixture
def bucket(client: Client) -> Bucket:
    return client.create_bucket("reviews-bucket")


@pytest.fixture
def http() -> Iterator[requests.Session]:
    """A plain HTTP client, for what the client library hides."""
    with requests.Session() as session:
        session.trust_env = False
        yield session
