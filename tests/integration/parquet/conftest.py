"""The embedded storage server with the buckets of a job, Parquet files made in code, and a model without training."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Client

from cloud.connect import open_objects
from cloud.objects import Objects
from emulator.storage.server import EmbeddedStorage
from schemas.events import Upload
from schemas.jobs import JobManifest
from schemas.names import canonical_model
from tests.runs import without_run
from worker.core.scorer import Scores
from worker.csv_job import JobPlaces, JobRules, run_job
from worker.model_load import LoadedModel

MIB = 1 << 20


class ByLength:
    """Labels texts by whether their length is odd."""

    labels = ("even", "odd")

    def score(self, texts: Sequence[str], *, threads: int = 1) -> Scores:
        assert threads > 0
        odd = np.array([len(text) % 2 for text in texts], dtype=np.intp)
        return Scores(self.labels, odd, np.where(np.arange(2) == odd[:, None], 0.75, 0.25), None)


class Models:
    """Every model, in one version."""

    def resolve(self, model: str | None, version: str | None) -> LoadedModel:
        return LoadedModel(canonical_model(model), version or "v1", "a" * 64, ByLength.labels, "compiled", ByLength())


@dataclass(frozen=True, slots=True)
class Cloud:
    """Where jobs read and write, through the real client library."""

    uploads: Objects
    results: Objects

    def upload(self, data: bytes, name: str = "reviews.parquet", **said: str) -> Upload:
        metadata = {key.replace("_", "-"): value for key, value in said.items()}
        info = self.uploads.put(name, data, content_type="application/octet-stream", if_generation=0, metadata=metadata)
        return Upload("reviewmill-uploads", name, info.generation)

    def run(
        self,
        upload: Upload,
        *,
        chunk_rows: int = 5,
        range_bytes: int = 0,
        stopping: Callable[[], bool] = lambda: False,
        uploads: Objects | None = None,
        results: Objects | None = None,
    ) -> JobManifest:
        return run_job(
            upload,
            JobPlaces(uploads or self.uploads, results or self.results, Models()),
            JobRules(chunk_rows=chunk_rows, max_rejections=1000, range_bytes=range_bytes),
            publish_completion=lambda _: None,
            clock=time.monotonic,
            stopping=stopping,
        )

    def stored(self, manifest: JobManifest) -> dict[str, bytes]:
        """Return the job's objects by name inside its folder, without attempts and what the run took."""
        folder = f"jobs/{manifest.job}/"
        names = [info.name.removeprefix(folder) for info in self.results.listing(folder)]
        found = {name: self.results.get(folder + name)[0] for name in names if not name.startswith("attempts/")}
        return without_run(found)

    def rejections(self, manifest: JobManifest) -> list[dict[str, Any]]:
        lines = self.results.get(f"jobs/{manifest.job}/rejections.jsonl")[0].splitlines()
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def cloud_buckets() -> Iterator[tuple[str, Cloud]]:
    with pytest.MonkeyPatch.context() as patch, EmbeddedStorage() as storage:
        patch.setenv("STORAGE_EMULATOR_HOST", storage.url)
        client = Client(project="reviewmill-local", credentials=AnonymousCredentials())
        for name in ("reviewmill-uploads", "reviewmill-results"):
            client.create_bucket(name)
        client.close()
        uploads, results = open_objects("gs://reviewmill-uploads"), open_objects("gs://reviewmill-results")
        try:
            yield storage.url, Cloud(uploads, results)
        finally:
            uploads.close()
            results.close()


@pytest.fixture
def cloud(cloud_buckets: tuple[str, Cloud], monkeypatch: pytest.MonkeyPatch) -> Cloud:
    url, cloud = cloud_buckets
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
    for bucket in (cloud.uploads, cloud.results):
        for info in list(bucket.listing("")):
            bucket.delete(info.name)
    return cloud


def parquet(table: pa.Table | dict[str, Any], **options: Any) -> bytes:  # noqa: ANN401 - what pyarrow takes
    """Return a table as a Parquet file."""
    out = io.BytesIO()
    pq.write_table(table if isinstance(table, pa.Table) else pa.table(table), out, **options)
    return out.getvalue()
