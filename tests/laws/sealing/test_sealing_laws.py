"""Laws of sealing an hour, on every implementation of the object port."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pytest

from cloud.faults import Fault, Faults
from cloud.faulty import FaultyObjects
from cloud.objects import ObjectInfo, Objects
from cloud.once import put_once
from publisher.compact_run import Bounds
from publisher.console import NotDone
from publisher.sealed import SealedReader
from publisher.stored_reviews import StoredReviews
from schemas.sealed import SealedCounts, SealedPartition
from tests.laws.sealing.conftest import (
    HOUR,
    ONE_BY_ONE,
    WHERE,
    Killed,
    MortalObjects,
    commit,
    compact,
    read,
    row,
    seen,
    stored,
)

Buckets = Callable[[], Objects]


def fill(objects: Objects) -> None:
    """Store an hour: plain rows, a repeated one, a request published twice, and an id with two texts."""
    commit(objects, row("a"), row("b", message="2"))
    commit(objects, row("a"), row("c", message="3"))
    commit(objects, row("b", message="20", second=9))
    commit(objects, row("d", message="4"), row("e", message="5"))
    commit(objects, row("d", message="6", text="another", label="bad"))


def fill_little(objects: Objects) -> None:
    """Store an hour of three objects: a repeated row, and an id with two texts."""
    commit(objects, row("a"), row("b", message="2"))
    commit(objects, row("a"), row("c", message="3"))
    commit(objects, row("b", message="20", text="another", second=9))


def manifests(objects: Objects) -> list[SealedPartition]:
    return [sequence.manifest for sequence in SealedReader(objects).look(HOUR).sequences]


def test_an_hour_becomes_one_object_and_reads_the_same(objects: Objects) -> None:
    fill(objects)
    before = seen(objects)
    report = compact(objects)
    assert [manifest.counts for manifest in report.sealed] == [SealedCounts(read=8, rows=6, repeats=2, conflicts=1)]
    assert (len(report.sealed[0].sources), len(report.sealed[0].objects), report.deleted) == (5, 1, 5)
    assert [name.rpartition("/")[0] for name in stored(objects)] == [f"sealed/v1/reviews/{WHERE}/000001"] * 2
    assert seen(objects) == before
    assert [item.key for item in read(objects).rows] == list("abcde")
    assert [conflict.key for conflict in read(objects).conflicts] == ["d"]
    assert read(objects).repeats == 1, "only the second outcome of the id that stands for two texts"


def test_a_second_run_does_nothing(objects: Objects) -> None:
    fill(objects)
    compact(objects)
    after = stored(objects)
    report = compact(objects)
    assert (report.sealed, report.deleted, report.strays) == ([], 0, 0)
    assert stored(objects) == after


def test_an_hour_without_rows_is_not_sealed(objects: Objects) -> None:
    compact(objects)
    assert stored(objects) == {}


def test_late_rows_become_the_next_sequence_with_only_what_is_new(objects: Objects) -> None:
    fill(objects)
    compact(objects)
    first = stored(objects)
    commit(objects, row("a"), row("f", message="7"))
    commit(objects, row("c", message="3", text="late text"))
    before = seen(objects)
    compact(objects)
    one, two = manifests(objects)
    assert (one.sequence, two.sequence) == (1, 2)
    assert two.counts == SealedCounts(read=3, rows=2, repeats=1, conflicts=1)
    assert seen(objects) == before
    assert first.items() <= stored(objects).items(), "what is sealed never changes"


def test_late_repeats_are_sealed_as_nothing_new(objects: Objects) -> None:
    fill(objects)
    compact(objects)
    fill(objects)  # the same names in new generations: no manifest lists those
    compact(objects)
    assert manifests(objects)[1].counts == SealedCounts(read=8, rows=0, repeats=8, conflicts=0)
    assert manifests(objects)[1].objects == []
    assert not list(objects.listing(HOUR.folder))


def test_a_late_row_that_was_published_first_is_still_the_one_that_is_read(objects: Objects) -> None:
    commit(objects, row("a", message="9", second=9))
    compact(objects)
    commit(objects, row("a", message="1", second=1))
    before = seen(objects)
    compact(objects)
    assert seen(objects) == before == ((row("a", message="1", second=1),), ())


def test_kept_objects_are_not_read_twice_and_deleted_by_the_next_run(objects: Objects) -> None:
    fill(objects)
    before = seen(objects)
    workers = [info.name for info in objects.listing(HOUR.folder)]
    assert compact(objects, keep=True).deleted == 0
    assert [info.name for info in objects.listing(HOUR.folder)] == workers
    assert seen(objects) == before
    assert read(objects).repeats == 1
    assert compact(objects, keep=True).sealed == []
    assert compact(objects).deleted == 5
    assert seen(objects) == before


def test_rejections_and_other_hours_are_left_alone(objects: Objects) -> None:
    other = row("z")
    commit(objects, other, where="dt=2026-03-01/hr=11")
    commit(objects, other, kind="rejections")
    before = stored(objects)
    compact(objects)
    assert stored(objects) == before


def test_the_same_rows_in_any_pieces_give_the_same_sealed_rows(new_bucket: Buckets) -> None:
    rows = [row(f"k{number:03d}", message=str(number)) for number in range(60)]
    one, many = new_bucket(), new_bucket()
    commit(one, *rows)
    for item in rows:
        commit(many, item)
    small = replace(ONE_BY_ONE, run_bytes=1, object_bytes=4_000)  # every object a run, many sealed objects
    compact(one, bounds=small)
    compact(many, bounds=small)
    assert manifests(one)[0].objects == manifests(many)[0].objects
    assert len(manifests(one)[0].objects) > 3
    assert seen(one) == seen(many)


def test_more_than_one_sequence_takes_is_sealed_in_several(objects: Objects) -> None:
    for number in range(5):
        commit(objects, row("same"), row(f"k{number}", message=str(number)))
    before = seen(objects)
    report = compact(objects, bounds=replace(ONE_BY_ONE, sources=2))
    assert [len(manifest.sources) for manifest in report.sealed] == [2, 2, 1]
    assert sum(manifest.counts.rows for manifest in report.sealed) == 6
    assert seen(objects) == before
    assert not list(objects.listing(HOUR.folder))


def steps(new_bucket: Buckets) -> int:
    """Return in how many writes and deletions the hour is sealed."""
    counted = MortalObjects(new_bucket(), 0, after=False)
    fill_little(counted)
    counted.calls = 0
    compact(counted)
    return counted.calls


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_any_step_and_run_again_it_ends_the_same(new_bucket: Buckets, *, after: bool) -> None:
    whole = new_bucket()
    fill_little(whole)
    before = seen(whole)
    compact(whole)
    count = steps(new_bucket)
    assert count == 5, "one object, one manifest, three deletions"
    for step in range(1, count + 1):
        objects = new_bucket()
        fill_little(objects)
        with pytest.raises(Killed):
            compact(MortalObjects(objects, step, after=after))
        assert seen(objects) == before, f"killed in step {step}"
        compact(objects)
        assert sealed_rows(objects) == sealed_rows(whole)
        assert seen(objects) == before


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_any_step_with_late_rows_before_the_next_run(new_bucket: Buckets, *, after: bool) -> None:
    for step in range(1, steps(new_bucket) + 1):
        objects = new_bucket()
        fill_little(objects)
        with pytest.raises(Killed):
            compact(MortalObjects(objects, step, after=after))
        commit(objects, row("late", message="8"), row("a"))
        before = seen(objects)
        compact(objects)
        assert seen(objects) == before, f"killed in step {step}"
        listed = {info.name for sequence in SealedReader(objects).look(HOUR).sequences for info in sequence.objects}
        left = {name for name in stored(objects) if not name.endswith("manifest.json")}
        assert left == listed, "nothing is left that nobody reads"


def sealed_rows(objects: Objects) -> tuple[object, dict[str, bytes]]:
    """Return the end state: what is stored, and the manifests without the generations, which buckets count apart."""
    said = [
        (manifest.objects, manifest.counts, [(one.object, one.size) for one in manifest.sources])
        for manifest in manifests(objects)
    ]
    return said, {name: data for name, data in stored(objects).items() if not name.endswith("manifest.json")}


def test_several_at_once_end_as_one(new_bucket: Buckets) -> None:
    alone, objects = new_bucket(), new_bucket()
    for bucket in (alone, objects):
        for number in range(40):
            commit(bucket, row("same"), row(f"k{number:02d}", message=str(number)))
    before = seen(objects)
    compact(alone)
    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(lambda _: compact(objects), range(4)))
    assert sealed_rows(objects) == sealed_rows(alone)
    assert seen(objects) == before
    assert sum(report.deleted for report in reports) == 40
    assert sum(len(report.sealed) for report in reports) == 1


class InStep(FaultyObjects):
    """Objects of two runs that write their manifests at the same moment, and have seen the same objects of workers."""

    def __init__(self, inner: Objects, both: threading.Barrier) -> None:
        super().__init__(inner, Faults())
        self._both = both

    def put(
        self,
        name: str,
        data: bytes,
        *,
        content_type: str,
        if_generation: int,
        metadata: Mapping[str, str] | None = None,
    ) -> ObjectInfo:
        if name.endswith("manifest.json"):
            self._both.wait()
        return super().put(name, data, content_type=content_type, if_generation=if_generation, metadata=metadata)

    def listing(self, prefix: str) -> Iterator[ObjectInfo]:
        infos = list(super().listing(prefix))
        if prefix == HOUR.folder:
            self._both.wait()
        return iter(infos)


def test_two_runs_in_step_count_each_sealing_and_deletion_once(objects: Objects) -> None:
    fill(objects)
    before = seen(objects)
    both = threading.Barrier(2, timeout=60)
    with ThreadPoolExecutor(2) as pool:
        reports = list(pool.map(lambda _: compact(InStep(objects, both)), range(2)))
    assert sum(report.deleted for report in reports) == 5
    assert sum(len(report.sealed) for report in reports) == 1
    assert seen(objects) == before


def test_a_run_counts_no_sealing_or_deletion_whose_answer_was_lost(objects: Objects) -> None:
    fill(objects)
    before = seen(objects)
    # "repeated" is what a client does whose first answer was lost: it asks again, and gets the second answer.
    faults = Faults(Fault("put", "repeated", first=2), Fault("delete", "repeated", first=1))
    report = compact(FaultyObjects(objects, faults))
    assert faults.unfired() == []
    assert (report.sealed, report.deleted) == ([], 4)
    assert len(manifests(objects)) == 1
    assert seen(objects) == before
    assert not list(objects.listing(HOUR.folder))


class Interrupted(FaultyObjects):
    """Objects that let something else happen before a listing, a read or a write whose number is given (from 1)."""

    def __init__(self, inner: Objects, at: int, event: Callable[[], object]) -> None:
        super().__init__(inner, Faults())
        self._at = at
        self._event = event
        self._lock = threading.Lock()
        self.calls = 0

    def _count(self) -> None:
        with self._lock:
            self.calls += 1
            now = self.calls == self._at
        if now:
            self._event()

    def get(self, name: str, *, generation: int | None = None) -> tuple[bytes, ObjectInfo]:
        self._count()
        return super().get(name, generation=generation)

    def put(
        self,
        name: str,
        data: bytes,
        *,
        content_type: str,
        if_generation: int,
        metadata: Mapping[str, str] | None = None,
    ) -> ObjectInfo:
        self._count()
        return super().put(name, data, content_type=content_type, if_generation=if_generation, metadata=metadata)

    def listing(self, prefix: str) -> Iterator[ObjectInfo]:
        self._count()
        return super().listing(prefix)


def test_a_reader_sees_the_same_whenever_the_hour_is_sealed(new_bucket: Buckets) -> None:
    first = new_bucket()
    fill_little(first)
    before = seen(first)
    counted = Interrupted(first, 0, lambda: None)
    read(counted)
    assert counted.calls >= 5, "two listings and three objects"
    for at in range(1, counted.calls + 1):
        objects = new_bucket()
        fill_little(objects)
        reader = Interrupted(objects, at, partial(compact, objects))
        assert seen(reader) == before, f"sealed before call {at} of the reader"
        assert not list(objects.listing(HOUR.folder))


def test_another_run_may_seal_at_any_moment_of_one(new_bucket: Buckets) -> None:
    first = new_bucket()
    fill_little(first)
    before = seen(first)
    counted = Interrupted(first, 0, lambda: None)
    compact(counted)
    for late in (False, True):
        for at in range(1, counted.calls + 1):
            objects = new_bucket()
            fill_little(objects)

            def meanwhile(bucket: Objects = objects, *, with_late_rows: bool = late) -> None:
                if with_late_rows:
                    commit(bucket, row("late", message="8"))
                compact(bucket)

            compact(Interrupted(objects, at, meanwhile))
            compact(objects)
            reading = read(objects)
            assert tuple(item for item in reading.rows if item.key != "late") == before[0]
            assert [item.key for item in reading.rows] == [*"abc", *(["late"] * late)]
            assert reading.repeats == 1
            assert not list(objects.listing(HOUR.folder))


def test_a_row_that_is_waited_for_is_given_once_although_it_is_sealed_meanwhile(objects: Objects) -> None:
    commit(objects, row("a"), row("b"))
    stored_reviews = StoredReviews(objects)
    assert len(list(stored_reviews.fresh([WHERE], ["reviews"]))) == 2
    compact(objects)
    assert list(stored_reviews.fresh([WHERE], ["reviews"])) == []
    commit(objects, row("c"))
    compact(objects)
    assert [outcome.key for _, outcome in stored_reviews.fresh([WHERE], ["reviews"])] == ["c"]


def test_a_reader_that_misses_rows_says_so(objects: Objects) -> None:
    fill(objects)
    victim = next(objects.listing(HOUR.folder)).name
    with pytest.raises(NotDone, match="no sealed manifest lists it"):
        read(Interrupted(objects, 3, lambda: objects.delete(victim)))


def test_partitions_are_found_when_only_sealed_rows_are_left(objects: Objects) -> None:
    fill(objects)
    commit(objects, row("z"), where="dt=2026-03-02/hr=00")
    compact(objects)
    for days in (None, ["2026-03-01", "2026-03-02"]):
        assert StoredReviews(objects).partitions(days, "reviews") == [WHERE, "dt=2026-03-02/hr=00"]
    assert StoredReviews(objects).partitions(["2026-03-01"], "reviews") == [WHERE]


def test_damaged_and_foreign_objects_are_told_and_stay(objects: Objects) -> None:
    fill(objects)
    good = "a" * 64
    put_once(objects, f"{HOUR.folder}{good}.jsonl", b"not its bytes\n", content_type="text/plain")
    put_once(objects, f"{HOUR.folder}notes.txt", b"by hand", content_type="text/plain")
    report = compact(objects, bounds=Bounds())
    assert report.sealed[0].counts.read == 8
    assert list(report.damaged) == [f"{HOUR.folder}{good}.jsonl"]
    assert report.foreign == [f"{HOUR.folder}notes.txt"]
    left = [info.name.removeprefix(HOUR.folder) for info in objects.listing(HOUR.folder)]
    assert left == [f"{good}.jsonl", "notes.txt"]


@pytest.mark.parametrize("what", ["object", "manifest"])
def test_nothing_is_deleted_where_what_is_sealed_is_damaged(objects: Objects, what: str) -> None:
    fill(objects)
    compact(objects, keep=True)
    name = next(
        name for name in stored(objects) if name.startswith("sealed/") and ("manifest" in name) == (what != "object")
    )
    objects.delete(name)
    put_once(objects, name, b"{}", content_type="text/plain")
    workers = list(objects.listing(HOUR.folder))
    with pytest.raises(NotDone, match="is damaged"):
        compact(objects)
    assert list(objects.listing(HOUR.folder)) == workers
    with pytest.raises(NotDone, match="is damaged"):
        read(objects)
