"""A shared job whose worker is killed before or after any of its writes: others go on to the bytes of one worker."""

from __future__ import annotations

from collections import deque
from contextlib import suppress

import pytest

from schemas.events import Upload
from schemas.ranges import RangeTask
from tests.integration.csv_job.killing import CountingObjects, DyingObjects, Killed
from tests.unit.csv_job.ranged import LINES, RangedWorld, result

FILE = b"id,text\n" + b"".join(LINES[:11])
RANGES = 4


def counting_world() -> RangedWorld:
    return RangedWorld(results=CountingObjects())


def written(world: RangedWorld) -> set[int]:
    assert isinstance(world.results, CountingObjects)
    return set(world.results.written.values())


def work_through(world: RangedWorld, upload: Upload, view: DyingObjects, *, newest_first: bool) -> None:
    """Deliver the notification and the tasks until none is left; a message whose worker was killed comes again."""
    messages: deque[Upload | RangeTask] = deque([upload])
    while messages:
        message = messages.pop() if newest_first else messages.popleft()
        results = None if view.dead else view
        try:
            if isinstance(message, RangeTask):
                world.work(message, results=results)
            else:
                messages.extend(world.share(message, results=results))
        except Killed:
            # What the killed worker had published by then is there, like the message that it had in hand.
            messages.append(message)


@pytest.fixture(scope="module")
def expected() -> dict[str, bytes]:
    world = counting_world()
    upload = world.upload(FILE)
    world.alone(upload)
    stored = world.stored(upload)
    assert len([name for name in stored if name.startswith("finished/")]) == RANGES
    return stored


@pytest.mark.parametrize("newest_first", [False, True], ids=["in order", "backwards"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_any_write_others_go_on_to_the_same_bytes(
    expected: dict[str, bytes], after: bool, newest_first: bool
) -> None:
    runs = 0
    while True:
        runs += 1
        world = counting_world()
        upload = world.upload(FILE)
        view = dying(world, runs, after=after)
        work_through(world, upload, view, newest_first=newest_first)
        assert result(world.stored(upload)) == expected
        assert written(world) == {1}
        if not view.dead:
            break
    # Each range has an attempt, a part's data and record, and its own record; then plan, joined objects and the like.
    assert runs > 4 * RANGES + 5


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_any_write_a_worker_alone_goes_on_to_the_same_bytes(expected: dict[str, bytes], after: bool) -> None:
    runs = 0
    while True:
        runs += 1
        world = counting_world()
        upload = world.upload(FILE)
        view = dying(world, runs, after=after)
        with suppress(Killed):
            world.alone(upload, results=view)
        world.uploads.starts.clear()
        world.alone(upload)
        assert world.stored(upload) == expected
        assert written(world) == {1}
        if not view.dead:
            break
    assert runs > 3 * RANGES + 5


def test_a_finished_part_of_a_killed_range_is_not_read_again() -> None:
    world = counting_world()
    upload = world.upload(b"text\n" + b"good\n" * 60)
    tasks = world.share(upload)
    view = DyingObjects(world.results, lambda _, name: name.endswith("/ranges/000002/parts/000001.json"), after=True)
    with pytest.raises(Killed):
        world.work(tasks[2], results=view)
    world.uploads.starts.clear()
    world.work(tasks[2])
    start = len(b"text\n") + 2 * 60
    assert world.uploads.starts == [start + 2 * 3 * len(b"good\n")]


def dying(world: RangedWorld, write: int, *, after: bool) -> DyingObjects:
    """Return a view that dies at one write, by number."""
    return DyingObjects(world.results, lambda number, _: number == write, after=after)
