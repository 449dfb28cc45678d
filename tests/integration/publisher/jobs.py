"""Runs CSV jobs as a worker does, with a model whose labels are known without training."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from cloud.objects import ObjectInfo
from schemas.events import Upload
from schemas.jobs import JobManifest
from tests.integration.publisher.conftest import LocalCloud
from worker.core.named_job import bucket_name
from worker.core.scorer import Scores
from worker.csv_job import JobPlaces, JobRules, run_job
from worker.model_load import LoadedModel


class ByFirstLetter:
    """Says `good` of texts that begin with g, `bad` of the others; each with probability 0.75."""

    @property
    def labels(self) -> tuple[str, ...]:
        return ("bad", "good")

    def score(self, texts: Sequence[str], *, threads: int = 1) -> Scores:
        assert threads > 0
        chosen = np.array([text.startswith("g") for text in texts], dtype=np.intp)
        probabilities = np.where(np.arange(2) == chosen[:, None], 0.75, 0.25)
        return Scores(("bad", "good"), chosen, probabilities, None)


class OneModel:
    """A model store with one model."""

    def resolve(self, model: str | None, version: str | None) -> LoadedModel:
        return LoadedModel(
            name=model or "logistic_regression",
            version=version or "v1",
            manifest_sha256="a" * 64,
            labels=("bad", "good"),
            path="compiled",
            scorer=ByFirstLetter(),
        )


def run(
    cloud: LocalCloud, info: ObjectInfo, *, chunk_rows: int = 3, stopping: Callable[[], bool] = lambda: False
) -> JobManifest:
    """Run the job of an upload to its end."""
    return run_job(
        Upload(bucket_name(cloud.uploads.uri), info.name, info.generation),
        JobPlaces(uploads=cloud.uploads, results=cloud.results, models=OneModel()),
        JobRules(chunk_rows=chunk_rows, max_rejections=0.9),
        publish_completion=lambda _: None,
        clock=time.monotonic,
        stopping=stopping,
    )


def upload(cloud: LocalCloud, name: str, data: bytes, **said: str) -> ObjectInfo:
    """Put a file into the uploads bucket as it is."""
    metadata = {"id-column": "id"} | {key.replace("_", "-"): value for key, value in said.items()}
    return cloud.uploads.put(name, data, content_type="text/csv", if_generation=0, metadata=metadata)


SAMPLE = b'id,text\na,good film\nb,bad film\nc,"grand, and\nlong"\nd\ne,awful\n,\ng,great\nh,"say ""no"""\n'
"""Eight rows over three parts; rows 4 (ragged) and 6 (no text) are rejected."""
