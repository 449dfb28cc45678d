"""A job of 40 parts, killed before and after each of its writes, goes on to the same bytes and writes each once."""

from __future__ import annotations

import json

import pytest

from tests.integration.csv_job.killing import CountingObjects, DyingObjects, Killed
from tests.unit.csv_job.conftest import World

PARTS = 40
FILE = b"id,text\n" + b"".join(
    b"%d,\n" % row if row % 7 == 3 else b'%d,"word %s, again"\n' % (row, b"x" * row) for row in range(2 * PARTS)
)
"""Two rows a part; every seventh row is rejected."""


def counting_world() -> World:
    return World(results=CountingObjects())


def written(world: World) -> dict[str, int]:
    assert isinstance(world.results, CountingObjects)
    return dict(world.results.written)


@pytest.fixture(scope="module")
def expected() -> dict[str, bytes]:
    world = counting_world()
    upload = world.upload(FILE)
    world.run(upload, chunk_rows=2)
    return world.stored(upload)


def test_the_job_has_forty_parts(expected: dict[str, bytes]) -> None:
    assert len([name for name in expected if name.startswith("parts/") and name.endswith(".json")]) == PARTS
    assert expected["predictions.csv"].count(b"\n") + expected["rejections.jsonl"].count(b"\n") == 1 + 2 * PARTS


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_any_write_it_goes_on_to_the_same_bytes(expected: dict[str, bytes], after: bool) -> None:
    runs = 0
    while True:
        runs += 1
        world = counting_world()
        upload = world.upload(FILE)
        view = dying(world, runs, after=after)
        try:
            world.run(upload, chunk_rows=2, results=view)
        except Killed:
            world.run(upload, chunk_rows=2)
        assert world.stored(upload) == expected
        assert set(written(world).values()) == {1}
        if not view.dead:
            break
    # Every part has its data and its record, some their rejections too; then spec, joined objects and manifest.
    assert runs > 2 * PARTS


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_a_part_boundary_no_finished_part_is_made_again(expected: dict[str, bytes], after: bool) -> None:
    for part in range(PARTS):
        world = counting_world()
        assert isinstance(world.results, CountingObjects)
        upload = world.upload(FILE)
        view = dying_at_record(world, part, after=after)
        with pytest.raises(Killed):
            world.run(upload, chunk_rows=2, results=view)
        finished = {name for name in world.results.written if f"/parts/{part:06d}." not in name or after}
        finished = {name for name in finished if "/parts/" in name}
        world.uploads.starts.clear()
        world.run(upload, chunk_rows=2)
        assert world.stored(upload) == expected
        assert {world.results.asked[name] for name in finished} <= {1}
        assert set(world.results.written.values()) == {1}
        # It reads on from where the finished parts end, and a finished file not at all.
        assert world.uploads.starts == starts(expected, part + after)


def dying(world: World, write: int, *, after: bool) -> DyingObjects:
    """Return a view that dies at one write, by number."""
    return DyingObjects(world.results, lambda number, _: number == write, after=after)


def dying_at_record(world: World, part: int, *, after: bool) -> DyingObjects:
    """Return a view that dies when the record of a part is written."""
    return DyingObjects(world.results, lambda _, name: name.endswith(f"/parts/{part:06d}.json"), after=after)


def starts(expected: dict[str, bytes], parts: int) -> list[int]:
    """Return where a worker that finds so many finished parts begins to read."""
    if parts == PARTS:
        return []
    header = len(b"id,text\n")
    return [json.loads(expected[f"parts/{parts - 1:06d}.json"])["next_byte"] if parts else header]
