"""The implementations of the object port that every law runs against."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from google.cloud.storage import Client

from cloud.faults import Faults
from cloud.faulty import FaultyObjects
from cloud.folder import FolderObjects
from cloud.gcs import GcsObjects
from cloud.memory import MemoryObjects
from cloud.objects import Objects
from emulator.storage.server import EmbeddedStorage

PATIENCE_S = 30.0
"""Deadline of a call: far longer than it takes."""


@pytest.fixture(scope="session")
def storage() -> Iterator[EmbeddedStorage]:
    """A storage server for all laws; each test makes a bucket of its own."""
    with EmbeddedStorage() as server:
        yield server


@pytest.fixture
def bucket(storage: EmbeddedStorage, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new bucket on the server that the environment points at."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", storage.url)
    name = f"law-{uuid4().hex}"
    client = Client(project="reviewmill-laws")
    client.create_bucket(name)
    client.close()
    return name


@pytest.fixture
def gcs(bucket: str) -> Iterator[GcsObjects]:
    """An empty bucket of the storage server."""
    objects = GcsObjects(bucket, timeout_s=PATIENCE_S)
    yield objects
    objects.close()


@pytest.fixture(params=["memory", "folder", "gcs", "faulty"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    """An empty bucket of each implementation; a wrapper with no faults planned must change nothing."""
    if request.param == "memory":
        return MemoryObjects()
    if request.param == "folder":
        return FolderObjects(tmp_path / "bucket")
    if request.param == "gcs":
        found: GcsObjects = request.getfixturevalue("gcs")
        return found
    return FaultyObjects(MemoryObjects(), Faults())
