"""Laws of reading: generations, streams, listings, joined objects."""

import os

import pytest

from cloud.crc import crc32c
from cloud.objects import MAX_PUT_BYTES, ContentConflict, ObjectInfo, ObjectNotFound, Objects
from cloud.once import joined_digest

CONTENT_TYPE = "text/plain"


def put(objects: Objects, name: str, data: bytes, if_generation: int = 0) -> ObjectInfo:
    return objects.put(name, data, content_type=CONTENT_TYPE, if_generation=if_generation)


def test_what_does_not_exist_is_not_found(objects: Objects) -> None:
    with pytest.raises(ObjectNotFound):
        objects.get("none")
    with pytest.raises(ObjectNotFound):
        objects.info("none")
    with pytest.raises(ObjectNotFound):
        list(objects.stream("none", generation=1))
    assert list(objects.listing("")) == []


def test_a_generation_that_was_replaced_is_not_found(objects: Objects) -> None:
    old = put(objects, "a", b"old")
    new = put(objects, "a", b"new!", old.generation)
    assert objects.get("a", generation=new.generation) == (b"new!", new)
    assert objects.info("a", generation=new.generation) == new
    for read in (objects.get, objects.info):
        with pytest.raises(ObjectNotFound):
            read("a", generation=old.generation)
    with pytest.raises(ObjectNotFound):
        list(objects.stream("a", generation=old.generation))


@pytest.mark.parametrize("size", [0, 1, 1000, MAX_PUT_BYTES, 20_000_003])
def test_a_stream_gives_all_bytes_in_bounded_pieces(objects: Objects, size: int) -> None:
    data = os.urandom(size)
    info = _put_any(objects, "big", data)
    pieces = list(objects.stream("big", generation=info.generation))
    assert b"".join(pieces) == data
    assert all(0 < len(piece) <= MAX_PUT_BYTES for piece in pieces)


@pytest.mark.parametrize("start", [0, 1, 999, 1000, 1001, 5000])
def test_a_stream_begins_where_it_is_told_to(objects: Objects, start: int) -> None:
    data = os.urandom(1000)
    info = put(objects, "a", data)
    assert b"".join(objects.stream("a", generation=info.generation, start=start)) == data[start:]


def test_a_listing_is_by_ascending_name_below_a_prefix(objects: Objects) -> None:
    names = ["b", "a/2", "a/10", "a", "ab", "A", "a/ü", "a/\U0001f600", "a/\uffee", "a/B"]
    for name in names:
        put(objects, name, b"")
    assert [info.name for info in objects.listing("")] == sorted(names)
    assert [info.name for info in objects.listing("a/")] == sorted(name for name in names if name.startswith("a/"))
    assert [info.name for info in objects.listing("a/1")] == ["a/10"]
    assert list(objects.listing("zzz")) == []


def test_a_listing_tells_all_that_is_known(objects: Objects) -> None:
    written = objects.put("x", b"12", content_type="text/csv", if_generation=0, metadata={"k": "v"})
    assert list(objects.listing("x")) == [objects.info("x")] == [written]


def test_a_range_is_read_at_its_generation(objects: Objects) -> None:
    first = put(objects, "x", b"0123456789")
    assert objects.read("x", generation=first.generation, start=0, length=10) == b"0123456789"
    assert objects.read("x", generation=first.generation, start=3, length=4) == b"3456"
    assert objects.read("x", generation=first.generation, start=9, length=1) == b"9"


@pytest.mark.parametrize(("start", "length"), [(-1, 2), (0, 0), (0, -1), (0, MAX_PUT_BYTES + 1)])
def test_a_range_that_no_request_can_have_is_refused(objects: Objects, start: int, length: int) -> None:
    there = put(objects, "x", b"0123456789")
    with pytest.raises(ValueError, match="read"):
        objects.read("x", generation=there.generation, start=start, length=length)


def test_a_range_of_what_is_gone_is_not_found(objects: Objects) -> None:
    there = put(objects, "x", b"0123456789")
    with pytest.raises(ObjectNotFound):
        objects.read("y", generation=there.generation, start=0, length=1)
    with pytest.raises(ObjectNotFound):
        objects.read("x", generation=there.generation + 1, start=0, length=1)


@pytest.mark.parametrize("count", [1, 2, 32, 33, 70, 1057])
def test_joining_keeps_the_order_and_leaves_nothing_else(objects: Objects, count: int) -> None:
    sources = [f"parts/{number:06d}" for number in range(count)]
    infos = [put(objects, name, f"{number},".encode()) for number, name in enumerate(sources)]
    expected = "".join(f"{number}," for number in range(count)).encode()
    info = objects.compose(sources, "joined.csv", content_type="text/csv")
    assert objects.get("joined.csv") == (expected, info)
    assert (info.size, info.crc32c, info.content_type) == (len(expected), crc32c(expected), "text/csv")
    assert joined_digest(infos) == (info.size, info.crc32c)
    assert [found.name for found in objects.listing("")] == ["joined.csv", *sources]


def test_a_source_can_be_joined_twice(objects: Objects) -> None:
    put(objects, "a", b"1")
    put(objects, "b", b"2")
    objects.compose(["a", "b", "a"], "joined", content_type=CONTENT_TYPE)
    assert objects.get("joined")[0] == b"121"


@pytest.mark.parametrize("count", [2, 40])
def test_joining_again_gives_the_same_object(objects: Objects, count: int) -> None:
    sources = [f"parts/{number:02d}" for number in range(count)]
    for name in sources:
        put(objects, name, name.encode())
    first = objects.compose(sources, "joined", content_type=CONTENT_TYPE)
    assert objects.compose(sources, "joined", content_type=CONTENT_TYPE) == first


def test_joining_onto_other_bytes_is_a_conflict(objects: Objects) -> None:
    put(objects, "a", b"1")
    there = put(objects, "joined", b"2")
    with pytest.raises(ContentConflict, match="joined"):
        objects.compose(["a"], "joined", content_type=CONTENT_TYPE)
    assert objects.get("joined") == (b"2", there)


@pytest.mark.parametrize("count", [1, 40])
def test_joining_what_is_missing_makes_nothing(objects: Objects, count: int) -> None:
    sources = [f"parts/{number:02d}" for number in range(count)]
    for name in sources[:-1]:
        put(objects, name, b"x")
    with pytest.raises(ObjectNotFound):
        objects.compose(sources, "joined", content_type=CONTENT_TYPE)
    assert [info.name for info in objects.listing("")] == sources[:-1]


def test_joining_nothing_is_refused(objects: Objects) -> None:
    with pytest.raises(ValueError, match="at least one"):
        objects.compose([], "joined", content_type=CONTENT_TYPE)


def test_closing_twice_is_no_error(objects: Objects) -> None:
    objects.close()
    objects.close()


def _put_any(objects: Objects, name: str, data: bytes) -> ObjectInfo:
    """Write data of any size, by joining where it is too large for one `put`."""
    parts = [data[at : at + MAX_PUT_BYTES] for at in range(0, len(data), MAX_PUT_BYTES)] or [b""]
    if len(parts) == 1:
        return put(objects, name, data)
    names = [f"part-{number}" for number in range(len(parts))]
    for part_name, part in zip(names, parts, strict=True):
        put(objects, part_name, part)
    return objects.compose(names, name, content_type=CONTENT_TYPE)
