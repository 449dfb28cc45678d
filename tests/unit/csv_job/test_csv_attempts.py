"""A job that makes no progress in three attempts ends as failed and says why; all others go on."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from cloud.faults import Faults
from cloud.faulty import FaultyObjects
from cloud.memory import MemoryObjects
from cloud.objects import ObjectInfo, Objects, PermissionMissing, TransientError
from schemas.codec import decode
from schemas.events import Upload
from schemas.jobs import AttemptEnd, JobAttempt
from tests.unit.csv_job.conftest import MAX, ROWS, World, predictions
from worker.core.vain_attempts import SILENT_S


class Killed(BaseException):
    """The end of a worker."""


class Refusing(FaultyObjects):
    """Does not store one part: raises the error instead."""

    def __init__(self, inner: Objects, part: int, error: BaseException) -> None:
        super().__init__(inner, Faults())
        self._part = part
        self._error = error

    def put(
        self,
        name: str,
        data: bytes,
        *,
        content_type: str,
        if_generation: int,
        metadata: Mapping[str, str] | None = None,
    ) -> ObjectInfo:
        if name.endswith(f"/parts/{self._part:06d}.csv"):
            raise self._error
        return super().put(name, data, content_type=content_type, if_generation=if_generation, metadata=metadata)


def attempt(world: World, upload: Upload, part: int, error: BaseException) -> None:
    with pytest.raises(type(error)):
        world.run(upload, results=Refusing(world.results, part, error))


def attempts(world: World) -> list[str]:
    return [info.name.rpartition("/")[2] for info in world.results.listing("") if "/attempts/" in info.name]


def test_three_attempts_without_progress_end_the_job_and_keep_what_was_done() -> None:
    world = World()
    upload = world.upload(ROWS)
    attempt(world, upload, 1, TransientError("the first cause"))
    for cause in ("another cause.", "a third cause", "the last cause."):
        attempt(world, upload, 1, TransientError(cause))
    manifest = world.run(upload)
    assert manifest.state == "failed"
    assert manifest.reason == (
        "no_progress: 3 attempts in a row stored no new part after the 1 that there are. How the last one ended: "
        "the last cause. See to the cause and upload the file again."
    )
    assert manifest.counts.rows == 3
    assert [row["row"] for row in predictions(world.stored(upload))] == ["1", "3"]
    assert [completion.state for completion in world.completions] == ["failed"]
    assert world.run(upload) == manifest


def test_progress_starts_the_count_anew() -> None:
    world = World()
    upload = world.upload(ROWS)
    for part in (1, 1, 1, 2, 2, 2):
        attempt(world, upload, part, TransientError("no"))
    assert world.run(upload).state == "done"


def test_attempts_and_their_ends_are_stored() -> None:
    world = World()
    upload = world.upload(ROWS)
    attempt(world, upload, 1, TransientError("the network is down"))
    job = world.run(upload).job
    world.run(upload)
    assert attempts(world) == ["000001.end.json", "000001.json", "000002.json"]
    end = decode(world.results.get(f"jobs/{job}/attempts/000001.end.json")[0], AttemptEnd, max_bytes=MAX)
    assert end == AttemptEnd(attempt=1, reason="the network is down", vain=True)
    second = decode(world.results.get(f"jobs/{job}/attempts/000002.json")[0], JobAttempt, max_bytes=MAX)
    assert (second.attempt, second.parts) == (2, 1)


@pytest.mark.parametrize(("pause_s", "state"), [(SILENT_S, "failed"), (SILENT_S / 4, "done")])
def test_a_killed_attempt_counts_once_it_was_silent_for_long(pause_s: float, state: str) -> None:
    """Shortly after its begin, an attempt that says nothing may be another worker's that still goes on."""
    now = 1_000.0
    world = World(results=MemoryObjects("gs://results", now=lambda: now))
    upload = world.upload(ROWS)
    for _ in range(3):
        attempt(world, upload, 0, Killed())
        now += pause_s
    manifest = world.run(upload)
    assert manifest.state == state
    assert ("its worker was killed" in str(manifest.reason)) == (state == "failed")


@pytest.mark.parametrize("error", [PermissionMissing("may not write"), None], ids=["setup", "stopped"])
def test_what_a_person_or_a_release_interrupts_does_not_count(error: BaseException | None) -> None:
    world = World()
    upload = world.upload(ROWS)
    for _ in range(4):
        if error is not None:
            attempt(world, upload, 0, error)
        else:
            with pytest.raises(TransientError, match="is stopping"):
                world.run(upload, stopping=lambda: True)
    assert world.run(upload).state == "done"


def test_a_fault_of_ours_is_named_by_its_type_only() -> None:
    world = World()
    upload = world.upload(ROWS)
    for _ in range(3):
        attempt(world, upload, 0, RuntimeError("a row says: secret"))
    manifest = world.run(upload)
    assert "RuntimeError" in str(manifest.reason)
    assert not any(b"secret" in world.results.get(info.name)[0] for info in world.results.listing(""))


def test_a_job_that_never_had_a_model_ends_too() -> None:
    world = World()
    upload = world.upload(ROWS, model="linear_svc")
    for _ in range(3):
        with pytest.raises(TransientError):
            world.run(upload)
    manifest = world.run(upload)
    assert (manifest.state, manifest.model, manifest.objects) == ("failed", None, [])
    assert "the models bucket does not answer" in str(manifest.reason)


def test_two_workers_that_begin_at_once_have_an_attempt_each() -> None:
    world = World()
    upload = world.upload(ROWS)

    class Late(FaultyObjects):
        """While this worker lists the attempts, another one begins."""

        def put(
            self,
            name: str,
            data: bytes,
            *,
            content_type: str,
            if_generation: int,
            metadata: Mapping[str, str] | None = None,
        ) -> ObjectInfo:
            if name.endswith("/attempts/000001.json"):
                attempt(world, upload, 0, TransientError("no"))
            return super().put(name, data, content_type=content_type, if_generation=if_generation, metadata=metadata)

    assert world.run(upload, results=Late(world.results, Faults())).state == "done"
    assert attempts(world) == ["000001.end.json", "000001.json", "000002.json"]
