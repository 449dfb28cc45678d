"""Buckets that a partition is sealed in, rows to seal, and deaths at every step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import pytest

from cloud.connect import open_objects
from cloud.faults import Faults
from cloud.faulty import FaultyObjects
from cloud.folder import FolderObjects
from cloud.memory import MemoryObjects
from cloud.objects import ObjectInfo, Objects
from cloud.once import put_once
from emulator.storage.server import EmbeddedStorage
from publisher.compact_run import Bounds, Compactor, Report
from publisher.sealed import Partition
from publisher.stored_reviews import StoredReviews
from schemas.outcomes import Prediction, text_digest
from worker.core.pack import Kind, Line, pack
from worker.core.reading import Reading, deduplicate

T = TypeVar("T")

WHERE = "dt=2026-03-01/hr=10"
HOUR: Partition = Partition("reviews", WHERE)
ONE_BY_ONE = Bounds(threads=1)


class Killed(BaseException):
    """The process died here."""


class MortalObjects(FaultyObjects):
    """Objects whose user dies in write or deletion number `dies_in` (from 1): before it took effect, or after."""

    def __init__(self, inner: Objects, dies_in: int, *, after: bool) -> None:
        super().__init__(inner, Faults())
        self._dies_in = dies_in
        self._after = after
        self.calls = 0

    def put(
        self,
        name: str,
        data: bytes,
        *,
        content_type: str,
        if_generation: int,
        metadata: Mapping[str, str] | None = None,
    ) -> ObjectInfo:
        write = super().put
        return self._run(
            lambda: write(name, data, content_type=content_type, if_generation=if_generation, metadata=metadata)
        )

    def delete(self, name: str, *, if_generation: int | None = None) -> bool:
        remove = super().delete
        return self._run(lambda: remove(name, if_generation=if_generation))

    def _run(self, call: Callable[[], T]) -> T:
        self.calls += 1
        if self.calls == self._dies_in and not self._after:
            raise Killed
        answer = call()
        if self.calls == self._dies_in:
            raise Killed
        return answer


def row(key: str, *, text: str = "t", message: str = "1", second: int = 0, label: str = "good") -> Prediction:
    return Prediction(
        key=key,
        label=label,
        probability=0.75,
        model="linear_svc",
        version="v1",
        text_sha256=text_digest(text),
        message_id=message,
        publish_time=f"2026-03-01T10:00:{second:02d}.500000Z",
    )


def commit(objects: Objects, *rows: Prediction, kind: Kind = "reviews", where: str = WHERE) -> None:
    """Store rows as a worker does."""
    for item in pack(Line(kind, where, one, (0,)) for one in rows):
        put_once(objects, item.name, item.data, content_type="application/x-ndjson")


def compact(objects: Objects, *, keep: bool = False, bounds: Bounds = ONE_BY_ONE, hour: Partition = HOUR) -> Report:
    return Compactor(objects, keep=keep, bounds=bounds).compact(hour)


def read(objects: Objects) -> Reading:
    """Return what a reader sees of the hour."""
    return deduplicate(outcome for _, outcome in StoredReviews(objects).fresh([WHERE], ["reviews"]))


def seen(objects: Objects) -> tuple[object, object]:
    """Return the rows and conflicts that a reader sees; how often rows are stored is not of them."""
    reading = read(objects)
    return reading.rows, reading.conflicts


def stored(objects: Objects) -> dict[str, bytes]:
    """Return everything that is in the bucket."""
    return {info.name: objects.get(info.name)[0] for info in objects.listing("")}


@pytest.fixture(scope="session")
def storage() -> Iterator[EmbeddedStorage]:
    with EmbeddedStorage() as server:
        yield server


@pytest.fixture(params=["memory", "folder", "gcs"])
def new_bucket(
    request: pytest.FixtureRequest, storage: EmbeddedStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], Objects]]:
    """Makes empty buckets of one implementation."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", storage.url)
    made: list[Objects] = []

    def new() -> Objects:
        name = f"sealing-{uuid4().hex}"
        if request.param == "memory":
            made.append(MemoryObjects())
        elif request.param == "folder":
            made.append(FolderObjects(tmp_path / name))
        else:
            storage.store.create_bucket({"name": name})
            made.append(open_objects(f"gs://{name}", timeout_s=30))
        return made[-1]

    yield new
    for objects in made:
        objects.close()


@pytest.fixture
def objects(new_bucket: Callable[[], Objects]) -> Objects:
    return new_bucket()
