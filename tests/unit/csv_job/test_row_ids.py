"""What a row is named by: its id where it has one that can be a key, else its number."""

from __future__ import annotations

import json

import pytest

from schemas.jobs import Dialect
from tests.unit.csv_job.conftest import World, predictions
from tests.unit.test_csv_output import LABELS, score, spec
from worker.core.csv_output import PartBuilder
from worker.core.rows import BadRow, open_rows

IDS = b"id,text\na-1,good\nreview 1,better\na@b.com,\nb-2,\n,\nc-3,one,too,many\nd-4,nul\0\ne-5,wrong \xff\n" + (
    b"f-6," + b"x" * 100_001 + b"\n"
)


def keys(stored: dict[str, bytes]) -> list[str]:
    return [json.loads(line)["key"] for line in stored["rejections.jsonl"].splitlines()]


def test_rejections_are_keyed_by_the_id_where_it_can_be_read() -> None:
    world = World()
    upload = world.upload(IDS, id_column="id")
    world.run(upload)
    # Of ragged rows, and of bytes that are no text, nobody knows which is the id.
    assert keys(world.stored(upload)) == ["r:3", "b-2", "r:5", "r:6", "r:7", "r:8", "f-6"]


def test_texts_are_scored_whatever_their_id_is() -> None:
    world = World()
    upload = world.upload(IDS, id_column="id")
    world.run(upload)
    assert [(line["id"], line["row"]) for line in predictions(world.stored(upload))] == [
        ("a-1", "1"),
        ("review 1", "2"),
    ]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [("a-1", "a-1"), ("review 1", None), ("é", None), ("", None), ("i" * 128, "i" * 128), ("i" * 129, None)],
)
def test_only_what_messages_may_have_for_an_id_is_one(cell: str, expected: str | None) -> None:
    (item,) = open_rows([f"id,text\n{cell},good\n".encode()], Dialect(id_column="id"))
    assert item.id == expected


def test_a_part_has_room_for_the_ids_of_its_rejections() -> None:
    bad = BadRow(1, 2, 5, "empty_text", "It is empty.", "i" * 128)
    builder = PartBuilder(spec(["text"], part_bytes=1_000), LABELS, with_header=False)
    assert builder.add(bad)
    (line,) = builder.finish(score).rejections
    for room, fits in ((2 * len(line), True), (2 * len(line) - 1, False)):
        builder = PartBuilder(spec(["text"], part_bytes=room), LABELS, with_header=False)
        assert builder.add(bad)
        assert builder.add(bad) is fits
