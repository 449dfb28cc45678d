"""Progress of a job counts the parts of all ranges, whoever works on which of them."""

from __future__ import annotations

import pytest

from cloud.objects import TransientError
from publisher.job_list import find_jobs, job_states
from publisher.stored_jobs import StoredJob
from publisher.stored_parts import StoredParts
from schemas.events import Upload
from tests.unit.csv_job.conftest import World
from tests.unit.csv_job.ranged import RangedWorld
from worker.core.naming import job_id

FILE = b"text\n" + b"good\n" * 99 + b",\n"
RANGE_ROWS = 12
"""Rows of five bytes in ranges of 60."""


def so_far(world: World, upload: Upload) -> StoredParts:
    return StoredParts(StoredJob(world.results, job_id(upload.bucket, upload.name, upload.generation)))


def test_parts_of_ranges_in_any_order_add_up() -> None:
    world = RangedWorld()
    upload = world.upload(FILE)
    progress = so_far(world, upload)
    assert not progress.look()
    tasks = world.share(upload)
    assert not progress.look()
    assert progress.total_bytes == len(FILE)
    assert progress.done_bytes() == 0
    for number, rows, parts in ((8, 4, 2), (2, 16, 6), (3, 28, 10)):
        world.work(tasks[number])
        assert progress.look()
        assert (progress.rows, progress.parts) == (rows, parts)
    assert progress.rejections == 1
    assert progress.done_bytes() == len(FILE) - (5 + 8 * 60) + 2 * 60
    assert not progress.look()
    for task in tasks:
        world.work(task)
    assert progress.look()
    assert (progress.rows, progress.done_bytes()) == (100, len(FILE))


def test_progress_never_goes_back() -> None:
    world = RangedWorld()
    upload = world.upload(FILE)
    progress = so_far(world, upload)
    tasks = world.share(upload)
    done = [0]
    for number in (5, 0, 8, 1, 4, 2, 3, 6, 7):
        world.work(tasks[number])
        assert progress.look()
        done.append(progress.done_bytes())
        assert done[-1] > done[-2]
    # The range that was finished first is no more than itself, whatever lies before it.
    assert done[1] == 60
    assert done[-1] == len(FILE)


def test_parts_of_a_worker_alone_add_up_without_a_plan() -> None:
    world = RangedWorld()
    upload = world.upload(FILE)
    stops = iter([False] * 6 + [True])
    with pytest.raises(TransientError):
        world.alone(upload, stopping=lambda: next(stops))
    progress = so_far(world, upload)
    assert progress.look()
    assert (progress.rows, progress.done_bytes()) == (18, 5 + 18 * 5)


def test_a_shared_job_is_listed_as_it_stands() -> None:
    world = RangedWorld()
    upload = world.upload(FILE)
    for task in world.share(upload)[1:3]:
        world.work(task)
    (state,) = job_states(world.results, find_jobs(world.results), now=0)
    assert (state.state, state.rows, state.parts) == ("running", 2 * RANGE_ROWS, 8)
    for task in world.tasks:
        world.work(task)
    (state,) = job_states(world.results, find_jobs(world.results), now=0)
    assert (state.state, state.rows, state.rejections) == ("done", 100, 1)
    assert state.parts == 8 * 4 + 2
