"""Buckets, models and a run of CSV jobs in memory."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from cloud.memory import MemoryObjects
from cloud.objects import Objects, TransientError
from schemas.errors import InvalidInput
from schemas.events import Upload
from schemas.jobs import Completion, JobManifest
from tests.runs import without_run
from worker.core.naming import job_id
from worker.core.scorer import Scores
from worker.csv_job import JobPlaces, JobRules, run_job
from worker.model_load import LoadedModel

MAX = 10_000_000


class LengthScorer:
    """Labels texts by whether their length is odd; cannot score a text that holds `poison`."""

    labels = ("even", 'odd, "very"')

    def score(self, texts: Sequence[str], *, threads: int = 1) -> Scores:
        if threads < 1 or any("poison" in text for text in texts):
            raise ValueError("cannot score this")
        odd = np.array([len(text) % 2 for text in texts], dtype=np.intp)
        probabilities = np.column_stack([np.where(odd == 0, 0.75, 0.1), np.where(odd == 1, 0.9, 0.25)])
        return Scores(classes=self.labels, chosen=odd, probabilities=probabilities, decisions=None)


@dataclass(slots=True)
class Models:
    """Serves logistic regression; its current version and its manifests can be changed."""

    current: str = "v1"
    digest: str = "a" * 64
    versions: tuple[str, ...] = ("v1", "v2")

    def resolve(self, model: str | None, version: str | None) -> LoadedModel:
        if model != "logistic_regression":
            raise TransientError("the models bucket does not answer")
        if version not in {None, *self.versions}:
            raise InvalidInput("unknown_version", "There is no such version. Name another one.")
        scorer = LengthScorer()
        return LoadedModel(model, version or self.current, self.digest, scorer.labels, "compiled", scorer)


class Uploads(MemoryObjects):
    """A bucket that remembers from where it was read."""

    def __init__(self) -> None:
        super().__init__("gs://uploads")
        self.starts: list[int] = []

    def stream(self, name: str, *, generation: int, start: int = 0) -> Iterator[bytes]:
        self.starts.append(start)
        return super().stream(name, generation=generation, start=start)


@dataclass(slots=True)
class World:
    """Three buckets and the messages that were published."""

    uploads: Uploads = field(default_factory=Uploads)
    results: MemoryObjects = field(default_factory=lambda: MemoryObjects("gs://results"))
    models: Models = field(default_factory=Models)
    completions: list[Completion] = field(default_factory=list)

    def upload(self, data: bytes, name: str = "in/reviews.csv", **metadata: str) -> Upload:
        metadata = {key.replace("_", "-"): value for key, value in metadata.items()}
        there = [info.generation for info in self.uploads.listing(name)]
        generation = there[0] if there else 0
        info = self.uploads.put(name, data, content_type="text/csv", if_generation=generation, metadata=metadata)
        return Upload(bucket="uploads", name=name, generation=info.generation)

    def run(
        self,
        upload: Upload,
        *,
        chunk_rows: int = 3,
        max_rejections: float = 1000,
        results: Objects | None = None,
        stopping: Callable[[], bool] = lambda: False,
        announce: Callable[[Completion], object] | None = None,
    ) -> JobManifest:
        return run_job(
            upload,
            JobPlaces(self.uploads, results or self.results, self.models),
            JobRules(chunk_rows=chunk_rows, max_rejections=max_rejections),
            publish_completion=announce or self.completions.append,
            clock=lambda: 0.0,
            stopping=stopping,
        )

    def stored(self, upload: Upload) -> dict[str, bytes]:
        """Return the job's objects by name inside its folder, without attempts and what the run took."""
        return without_run({name: data for name, data in self.raw(upload).items() if not name.startswith("attempts/")})

    def raw(self, upload: Upload) -> dict[str, bytes]:
        """Return the job's objects by name inside its folder, as they are."""
        folder = f"jobs/{job_id(upload.bucket, upload.name, upload.generation)}/"
        return {info.name.removeprefix(folder): self.results.get(info.name)[0] for info in self.results.listing("")}


ROWS = (
    b'id,text\n1,one\n2\n3,three\n4,\n5,fi\xffve\n6,"si\nx"\n7,poison\n8,"eight, or so"\n\n9,nine\n10,"ten\n11,eleven\n'
)
"""Eleven rows, of which six can be scored; parts of three rows."""


def predictions(stored: dict[str, bytes]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(stored["predictions.csv"].decode(), newline="")))


def rejections(stored: dict[str, bytes]) -> list[dict[str, object]]:
    return [json.loads(line) for line in stored["rejections.jsonl"].split(b"\n")[:-1]]
