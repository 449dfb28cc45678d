"""Laws of create-only writes that know their own bytes again, on every implementation and with answers lost."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from cloud.faults import Fault, Faults, Kind
from cloud.faulty import FaultyObjects
from cloud.objects import ContentConflict, ObjectInfo, ObjectNotFound, Objects, PreconditionFailed, TransientError
from cloud.once import put_once, replace_once

WRITERS = 16


def once(objects: Objects, data: bytes) -> ObjectInfo:
    return put_once(objects, "name", data, content_type="text/plain")


def test_the_first_write_creates_and_the_second_finds_it(objects: Objects) -> None:
    first = once(objects, b"rows")
    assert once(objects, b"rows") == first
    assert objects.get("name") == (b"rows", first)


@pytest.mark.parametrize("other", [b"", b"row", b"Rows"], ids=["empty", "shorter", "same size"])
def test_other_bytes_are_a_conflict_and_change_nothing(objects: Objects, other: bytes) -> None:
    first = once(objects, b"rows")
    with pytest.raises(ContentConflict, match="name already holds other bytes"):
        once(objects, other)
    assert objects.get("name") == (b"rows", first)


def test_a_lost_answer_that_the_client_repeated_is_a_success(objects: Objects) -> None:
    fault = Fault("put", "repeated")
    faults = Faults(fault)
    info = once(FaultyObjects(objects, faults), b"rows")
    assert objects.get("name") == (b"rows", info)
    assert faults.fired[fault] == 1


@pytest.mark.parametrize("kind", ["before", "lost_answer"])
def test_after_a_transient_error_the_same_write_can_be_made_again(objects: Objects, kind: Kind) -> None:
    faults = Faults(Fault("put", kind))
    faulty = FaultyObjects(objects, faults)
    with pytest.raises(TransientError):
        once(faulty, b"rows")
    info = once(faulty, b"rows")
    assert objects.get("name") == (b"rows", info)
    assert faults.unfired() == []


def test_a_lost_answer_over_other_bytes_is_a_conflict(objects: Objects) -> None:
    once(objects, b"other")
    with pytest.raises(ContentConflict):
        once(FaultyObjects(objects, Faults(Fault("put", "repeated", first=2))), b"rows")


def test_of_writers_of_the_same_bytes_all_succeed_with_one_object(objects: Objects) -> None:
    with ThreadPoolExecutor(WRITERS) as pool:
        infos = list(pool.map(lambda _: once(objects, b"rows"), range(WRITERS)))
    assert {info.generation for info in infos} == {objects.info("name").generation}


def test_of_writers_of_different_bytes_one_succeeds_and_the_others_are_told(objects: Objects) -> None:
    def write(writer: int) -> bytes | None:
        data = f"rows of {writer}".encode()
        try:
            once(objects, data)
        except ContentConflict:
            return None
        return data

    with ThreadPoolExecutor(WRITERS) as pool:
        written = [data for data in pool.map(write, range(WRITERS)) if data is not None]
    assert written == [objects.get("name")[0]]


def test_replacing_survives_a_lost_answer(objects: Objects) -> None:
    first = once(objects, b"1")
    faulty = FaultyObjects(objects, Faults(Fault("put", "repeated")))
    second = replace_once(faulty, "name", b"2", content_type="text/plain", if_generation=first.generation)
    assert second.generation > first.generation
    assert objects.get("name") == (b"2", second)


def test_replacing_what_another_replaced_is_refused(objects: Objects) -> None:
    first = once(objects, b"1")
    other = replace_once(objects, "name", b"2", content_type="text/plain", if_generation=first.generation)
    with pytest.raises(PreconditionFailed):
        replace_once(objects, "name", b"3", content_type="text/plain", if_generation=first.generation)
    assert objects.get("name") == (b"2", other)


def test_replacing_what_was_deleted_is_refused(objects: Objects) -> None:
    first = once(objects, b"1")
    objects.delete("name")
    with pytest.raises(PreconditionFailed):
        replace_once(objects, "name", b"1", content_type="text/plain", if_generation=first.generation)
    with pytest.raises(ObjectNotFound):
        objects.info("name")


def test_joining_survives_a_lost_answer(objects: Objects) -> None:
    sources = [f"part-{number:02d}" for number in range(40)]
    for name in sources:
        objects.put(name, name.encode(), content_type="text/plain", if_generation=0)
    info = FaultyObjects(objects, Faults(Fault("compose", "repeated"))).compose(
        sources, "all", content_type="text/plain"
    )
    assert objects.get("all") == ("".join(sources).encode(), info)


class VanishingObjects(FaultyObjects):
    """Objects that somebody deletes between a refused write and the look at what is there."""

    def __init__(self, inner: Objects, times: int) -> None:
        super().__init__(inner, Faults())
        self._objects = inner
        self.times = times

    def info(self, name: str, *, generation: int | None = None) -> ObjectInfo:
        if self.times:
            self.times -= 1
            self._objects.delete(name)
        return super().info(name, generation=generation)


def test_what_is_deleted_between_the_refusal_and_the_look_is_written_anew(objects: Objects) -> None:
    first = once(objects, b"rows")
    second = once(VanishingObjects(objects, 1), b"rows")
    assert second.generation > first.generation
    assert objects.get("name") == (b"rows", second)
