"""Laws of writing: create-only, replace with a generation, delete, and what is known of what was written."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cloud.crc import crc32c
from cloud.objects import MAX_PUT_BYTES, ObjectInfo, ObjectNotFound, Objects, PreconditionFailed

WRITERS = 16


def put(objects: Objects, name: str, data: bytes, if_generation: int = 0) -> ObjectInfo:
    return objects.put(name, data, content_type="text/plain", if_generation=if_generation)


def test_a_written_object_is_read_back_with_what_was_said_of_it(objects: Objects) -> None:
    written = objects.put(
        "a/b.txt", b"\x00 bytes \xff", content_type="text/csv", if_generation=0, metadata={"model": "linear_svc"}
    )
    data, info = objects.get("a/b.txt")
    assert data == b"\x00 bytes \xff"
    assert (info.name, info.size, info.crc32c) == ("a/b.txt", 9, crc32c(data))
    assert (info.content_type, info.content_encoding, dict(info.metadata)) == (
        "text/csv",
        None,
        {"model": "linear_svc"},
    )
    assert info.generation == written.generation > 0
    assert info.updated > 0
    assert objects.info("a/b.txt") == info


def test_an_empty_object_is_an_object(objects: Objects) -> None:
    info = put(objects, "empty", b"")
    assert objects.get("empty")[0] == b""
    assert (info.size, info.crc32c) == (0, "AAAAAA==")


def test_create_only_refuses_an_object_that_exists_and_leaves_it(objects: Objects) -> None:
    first = put(objects, "once", b"first")
    with pytest.raises(PreconditionFailed):
        put(objects, "once", b"second")
    assert objects.get("once") == (b"first", first)


def test_replacing_takes_the_present_generation_and_gives_a_higher_one(objects: Objects) -> None:
    first = put(objects, "alias", b"1")
    second = put(objects, "alias", b"22", first.generation)
    assert second.generation > first.generation
    assert objects.get("alias") == (b"22", second)
    with pytest.raises(PreconditionFailed):
        put(objects, "alias", b"333", first.generation)
    assert objects.get("alias") == (b"22", second)


def test_replacing_what_does_not_exist_is_refused(objects: Objects) -> None:
    with pytest.raises(PreconditionFailed):
        put(objects, "none", b"x", 12345)
    with pytest.raises(ObjectNotFound):
        objects.info("none")


def test_generations_grow_over_a_deletion(objects: Objects) -> None:
    first = put(objects, "again", b"1")
    objects.delete("again")
    assert put(objects, "again", b"1").generation > first.generation


def test_of_writers_at_once_exactly_one_creates(objects: Objects) -> None:
    def create(writer: int) -> bytes | None:
        data = f"writer {writer}".encode()
        try:
            put(objects, "race", data)
        except PreconditionFailed:
            return None
        return data

    with ThreadPoolExecutor(WRITERS) as pool:
        created = [data for data in pool.map(create, range(WRITERS)) if data is not None]
    assert created == [objects.get("race")[0]]


def test_of_writers_at_once_exactly_one_replaces(objects: Objects) -> None:
    present = put(objects, "race", b"before").generation

    def replace(writer: int) -> int:
        try:
            put(objects, "race", f"writer {writer}".encode(), present)
        except PreconditionFailed:
            return 0
        return 1

    with ThreadPoolExecutor(WRITERS) as pool:
        assert sum(pool.map(replace, range(WRITERS))) == 1


def test_put_takes_8_mib_and_no_more(objects: Objects) -> None:
    data = os.urandom(MAX_PUT_BYTES)
    assert put(objects, "full", data).crc32c == crc32c(data)
    with pytest.raises(ValueError, match="put_file"):
        put(objects, "fuller", data + b"x")
    with pytest.raises(ObjectNotFound):
        objects.info("fuller")


@pytest.mark.parametrize("size", [0, 5, MAX_PUT_BYTES, MAX_PUT_BYTES + 1, 2 * MAX_PUT_BYTES, 2 * MAX_PUT_BYTES + 17])
def test_a_file_of_any_size_is_written_whole(objects: Objects, tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    path = tmp_path / "file"
    path.write_bytes(data)
    info = objects.put_file("file", path, content_type="text/csv", if_generation=0, metadata={"k": "v"})
    assert (info.size, info.crc32c, info.content_type, dict(info.metadata)) == (
        size,
        crc32c(data),
        "text/csv",
        {"k": "v"},
    )
    assert objects.get("file") == (data, info)


@pytest.mark.parametrize("size", [5, MAX_PUT_BYTES + 5])
def test_a_file_obeys_the_generation(objects: Objects, tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(size))
    first = put(objects, "file", b"first")
    with pytest.raises(PreconditionFailed):
        objects.put_file("file", path, content_type="text/csv", if_generation=0)
    assert objects.get("file") == (b"first", first)
    second = objects.put_file("file", path, content_type="text/csv", if_generation=first.generation)
    assert objects.info("file") == second


def test_deleting_a_generation_spares_every_other(objects: Objects) -> None:
    first = put(objects, "gone", b"1")
    objects.delete("gone")
    second = put(objects, "gone", b"1")
    with pytest.raises(PreconditionFailed):
        objects.delete("gone", if_generation=first.generation)
    assert objects.info("gone") == second
    assert objects.delete("gone", if_generation=second.generation)
    assert not objects.delete("gone", if_generation=second.generation)
    assert list(objects.listing("")) == []


def test_deleting_removes_and_can_be_repeated(objects: Objects) -> None:
    put(objects, "gone", b"x")
    put(objects, "gone/deeper", b"y")
    assert objects.delete("gone")
    assert not objects.delete("gone")
    with pytest.raises(ObjectNotFound):
        objects.get("gone")
    assert [info.name for info in objects.listing("")] == ["gone/deeper"]


@pytest.mark.parametrize("of_generation", [True, False])
def test_of_deletions_at_once_exactly_one_removes(objects: Objects, *, of_generation: bool) -> None:
    there = put(objects, "race", b"x")
    generation = there.generation if of_generation else None
    with ThreadPoolExecutor(WRITERS) as pool:
        removed = list(pool.map(lambda _: objects.delete("race", if_generation=generation), range(WRITERS)))
    assert removed.count(True) == 1
