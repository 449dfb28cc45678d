"""Work waits while storage does not answer: for how long, and what ends it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from cloud.faults import Fault, Faults
from cloud.faulty import FaultyObjects
from cloud.memory import MemoryObjects
from cloud.objects import ObjectNotFound, TransientError
from worker.core.in_order import run_in_order
from worker.patience import Patience
from worker.patient_objects import PatientObjects


class Waiting(threading.Event):
    """A stop signal whose waits take no time but move a clock."""

    def __init__(self) -> None:
        super().__init__()
        self.moment = 1_000.0
        self.stop_at = float("inf")

    def __call__(self) -> float:
        return self.moment

    def wait(self, timeout: float | None = None) -> bool:
        self.moment += timeout or 0.0
        if self.moment >= self.stop_at:
            self.set()
        return self.is_set()


class Storage:
    """Refuses calls for so many seconds of a clock, and notes when each was made."""

    def __init__(self, clock: Waiting, outage_s: float) -> None:
        self._clock = clock
        self._ends = clock() + outage_s
        self.calls: list[float] = []

    def __call__(self) -> str:
        self.calls.append(self._clock())
        if self._clock() < self._ends:
            raise TransientError("refused")
        return "stored"


def patience(clock: Waiting, *, hold_s: float = 600.0, moved: Callable[[], object] = lambda: None) -> Patience:
    return Patience(clock, hold_s=hold_s, moved=moved, now=clock)


def test_a_call_is_made_again_with_growing_pauses_until_storage_answers() -> None:
    clock = Waiting()
    storage = Storage(clock, 100)
    assert patience(clock).hold(storage) == "stored"
    pauses = [later - sooner for sooner, later in pairwise(storage.calls)]
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]


def test_the_wait_is_bounded() -> None:
    clock = Waiting()
    storage = Storage(clock, 10_000)
    with pytest.raises(TransientError):
        patience(clock, hold_s=600).hold(storage)
    assert 600 <= storage.calls[-1] - storage.calls[0] <= 630


def test_none_of_it_is_waited_where_nothing_is_to_be_kept() -> None:
    clock = Waiting()
    storage = Storage(clock, 10_000)
    with pytest.raises(TransientError):
        patience(clock, hold_s=0).hold(storage)
    assert len(storage.calls) == 1


def test_one_bound_holds_for_all_calls_of_a_batch_and_another_for_the_next_batch() -> None:
    clock = Waiting()
    one = patience(clock, hold_s=600)
    for _ in range(2):
        one.renew()
        began = clock()
        for _ in range(20):
            with pytest.raises(TransientError):
                one.hold(Storage(clock, 10_000))
        assert 600 <= clock() - began <= 630


def test_one_bound_holds_for_all_threads_of_a_job() -> None:
    clock = Waiting()
    one = patience(clock, hold_s=600)

    def store(_step: int, _made: int) -> None:
        one.hold(Storage(clock, 10_000))

    one.renew()
    began = clock()
    with pytest.raises(TransientError):
        run_in_order([1], lambda step: step, store)
    with pytest.raises(TransientError):
        one.hold(Storage(clock, 10_000))
    assert 600 <= clock() - began <= 630


@pytest.mark.parametrize("answer", [None, ObjectNotFound("x")], ids=["success", "an error that is an answer"])
def test_an_answer_ends_the_outage(answer: Exception | None) -> None:
    clock = Waiting()
    one = patience(clock, hold_s=600)
    calls = iter([TransientError("refused"), answer])

    def call() -> None:
        if (outcome := next(calls)) is not None:
            raise outcome

    if answer is None:
        one.hold(call)
    else:
        with pytest.raises(ObjectNotFound):
            one.hold(call)
    clock.moment += 10_000
    assert one.hold(Storage(clock, 100)) == "stored"


def test_a_stop_ends_the_wait_at_once() -> None:
    clock = Waiting()
    clock.stop_at = clock() + 40
    storage = Storage(clock, 10_000)
    with pytest.raises(TransientError):
        patience(clock).hold(storage)
    assert clock() - clock.stop_at < 1
    assert len(storage.calls) == 6, "no call more, which could take longer than a stop may"


def test_the_watchdog_is_told_of_the_waiting_and_not_of_the_calls() -> None:
    clock = Waiting()
    beats: list[float] = []
    storage = Storage(clock, 150)

    def slow() -> str:
        before = len(beats)
        clock.moment += 50
        assert len(beats) == before
        return storage()

    patience(clock, moved=lambda: beats.append(clock())).hold(slow)
    gaps = [later - sooner for sooner, later in pairwise(beats)]
    assert sorted(set(gaps)) == [0.5, 50.5]


def test_every_call_of_a_bucket_waits_and_gives_what_the_bucket_gives(tmp_path: Path) -> None:
    calls = ("put", "put_file", "get", "info", "stream", "read", "listing", "compose", "delete")
    faults = Faults(*(Fault(call, "before", first=1) for call in calls))
    bucket = PatientObjects(FaultyObjects(MemoryObjects(), faults), patience(Waiting()))
    info = bucket.put("a", b"data", content_type="text/plain", if_generation=0)
    (tmp_path / "file").write_bytes(b"more")
    bucket.put_file("b", tmp_path / "file", content_type="text/plain", if_generation=0)
    assert bucket.get("a")[0] == b"data"
    assert bucket.info("a").generation == info.generation
    assert b"".join(bucket.stream("a", generation=info.generation)) == b"data"
    assert bucket.read("a", generation=info.generation, start=1, length=2) == b"at"
    bucket.compose(["a", "b"], "c", content_type="text/plain")
    assert [each.name for each in bucket.listing("")] == ["a", "b", "c"]
    bucket.delete("a")
    assert [each.name for each in bucket.listing("")] == ["b", "c"]
    assert faults.unfired() == []
