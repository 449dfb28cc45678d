"""Trained models in a folder, and a storage server with two buckets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cloud.connect import open_objects
from cloud.objects import Objects
from emulator.storage.server import EmbeddedStorage
from schemas.events import Upload
from training.command import main as train

SAMPLE = Path(__file__).parents[3] / "training" / "data" / "sentiment_sentences.csv"


@dataclass(frozen=True, slots=True)
class Buckets:
    """Where jobs read and write, through the real client library."""

    uploads: Objects
    results: Objects

    def upload(self, data: bytes, name: str = "reviews.csv", **metadata: str) -> Upload:
        there = [info.generation for info in self.uploads.listing(name)]
        info = self.uploads.put(
            name, data, content_type="text/csv", if_generation=there[0] if there else 0, metadata=metadata
        )
        return Upload(bucket="reviewmill-uploads", name=name, generation=info.generation)

    def stored(self, prefix: str = "") -> dict[str, bytes]:
        return {info.name: self.results.get(info.name)[0] for info in self.results.listing(prefix)}


@pytest.fixture(scope="package")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the three classifiers, trained on the sample."""
    folder = tmp_path_factory.mktemp("models")
    assert train([str(SAMPLE), "--models", str(folder)]) == 0
    return folder


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedStorage]:
    """A storage server that the environment points at."""
    with EmbeddedStorage() as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        yield server


@pytest.fixture
def buckets(storage: EmbeddedStorage) -> Iterator[Buckets]:
    for name in ("reviewmill-uploads", "reviewmill-results"):
        storage.store.create_bucket({"name": name})
    uploads, results = open_objects("gs://reviewmill-uploads"), open_objects("gs://reviewmill-results")
    try:
        yield Buckets(uploads, results)
    finally:
        uploads.close()
        results.close()
