"""A job that goes on with the kernel after a worker without it, or the other way round, ends in the same objects."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from cloud.objects import TransientError
from schemas.events import Upload
from tests.unit.csv_job.conftest import ROWS, World
from worker.core.kernel import Kernel
from worker.csv_job import JobPlaces, JobRules, run_job

FILE = ROWS + b"".join(b'%d,"text %d, quoted"\n%d,=text\n' % (n, n, n + 1) for n in range(12, 60, 2))


@dataclass(slots=True)
class Ready:
    """A supply that has the kernel, or has none."""

    kernel: Kernel | None

    def now(self) -> Kernel | None:
        return self.kernel

    def reason(self) -> str:
        return "this worker has none"


@dataclass(slots=True)
class Stop:
    """Stops a job before its part of a number."""

    parts: int
    asked: int = field(default=0)

    def __call__(self) -> bool:
        self.asked += 1
        return self.asked > self.parts


def run(world: World, upload: Upload, kernel: Kernel | None, *, parts: int = 1_000) -> None:
    run_job(
        upload,
        JobPlaces(world.uploads, world.results, world.models),
        JobRules(chunk_rows=3, max_rejections=1000, kernel=Ready(kernel)),
        publish_completion=world.completions.append,
        clock=lambda: 0.0,
        stopping=Stop(parts),
    )


def undisturbed() -> dict[str, bytes]:
    world = World()
    upload = world.upload(FILE)
    run(world, upload, None)
    return world.stored(upload)


def test_all_with_the_kernel(kernel: Kernel) -> None:
    world = World()
    upload = world.upload(FILE)
    run(world, upload, kernel)
    assert world.stored(upload) == undisturbed()


@pytest.mark.parametrize("parts", [1, 2, 3, 5, 8, 13])
@pytest.mark.parametrize("first_with", [True, False])
def test_one_goes_on_where_the_other_stopped(kernel: Kernel, parts: int, first_with: bool) -> None:
    world = World()
    upload = world.upload(FILE)
    with pytest.raises(TransientError):
        run(world, upload, kernel if first_with else None, parts=parts)
    assert "manifest.json" not in world.stored(upload)
    run(world, upload, None if first_with else kernel)
    assert world.stored(upload) == undisturbed()
