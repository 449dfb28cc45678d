"""A model of the stream: requests are published, delivered, scored, sealed and read while everything goes wrong.

The worker's own parts run, on this thread and on a clock that the rules move; Hypothesis chooses what happens next.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, ClassVar, get_args

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from cloud.memory import MemoryObjects
from cloud.memory_queue import MemorySubscription, MemoryTopic
from cloud.objects import TransientError
from publisher.compact_run import Bounds, Compactor
from publisher.sealed import Partition
from publisher.stored_reviews import KINDS, StoredReviews
from schemas.outcomes import Prediction
from tests.faults.fated import Call, Clock, Fate, FatedObjects, FatedSubscription, Mishap
from tests.faults.ledger import Accepted, Answer, Ledger
from tests.faults.stored import read_all
from tests.faults.tiny_worker import Killed, Part, make_worker, request
from worker.core.batch import BatchLimits
from worker.core.in_hand import Bounds as InHandBounds
from worker.core.naming import partition
from worker.core.reading import Outcome, deduplicate
from worker.subscriber import PullRules

STAMPS = ("2026-11-21T17:05:09.123456Z", "2026-11-21T18:05:09.123456Z")
HOURS = tuple(partition(stamp, "") for stamp in STAMPS)
_RULES = PullRules(BatchLimits(6, 1_000_000, 0.01), InHandBounds(12, 2_000_000), threads=1)
_MOST_WORKERS = 3
_NUMBERS = st.integers(0, 11)
_HARD = st.sampled_from([3, 7, 11])
"""Numbers of requests that must be rejected."""
MISHAPS: tuple[Mishap, ...] = get_args(Mishap)
_USUALLY = [None] * 5
_OFTEN: list[Mishap] = ["refused"] * 2
_WRITE_MISHAPS = st.sampled_from([*_USUALLY, *(mishap for mishap in MISHAPS if mishap != "forgotten"), *_OFTEN])
_CALL_MISHAPS = st.sampled_from([*_USUALLY, *MISHAPS])


_WHICH = st.integers(0, _MOST_WORKERS)
_PUBLISH = {
    "numbers": st.lists(_NUMBERS | _HARD, min_size=2, max_size=8),
    "stamp": st.sampled_from(STAMPS),
    "again": st.integers(0, 3),
}
_WORK = {
    "which": _WHICH,
    "turn": st.sampled_from(["pull", "work", "both", "both", "both"]),
    "mishaps": st.fixed_dictionaries(
        {"write": _WRITE_MISHAPS, "acknowledge": _CALL_MISHAPS, "give back": _CALL_MISHAPS}
    ),
    "late": st.sampled_from([0, 0, 1, 2]),
}
_TROUBLE = {
    "which": _WHICH,
    "trouble": st.sampled_from(["a lease ends early", "a worker starts", "a worker stops", "a worker dies"]),
}
_TIME = {"seconds": st.sampled_from([1, 4, 4, 11, 61]), "extend": st.booleans(), "mishap": _CALL_MISHAPS}
_SEAL = {
    "which": st.integers(0, 3),
    "keep": st.booleans(),
    "call": st.sampled_from(["write", "delete", "read"]),
    "mishap": _WRITE_MISHAPS,
    "late": st.integers(0, 4),
}


def _event(name: str, what: dict[str, Any]) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    return st.tuples(st.just(name), st.fixed_dictionaries(what))


_WORKING = _event("deliver_and_work", _WORK)
EVENTS = st.one_of(
    _event("publish", _PUBLISH),
    _WORKING,
    _WORKING,
    _event("seal", _SEAL),
    _event("trouble", _TROUBLE),
    _event("time_passes", _TIME),
)
"""What can happen next: the name of a method of `Stream`, and what it is given."""


class Process:
    """One worker, which the rules move on step by step as its threads would."""

    def __init__(self, stream: Stream) -> None:
        self.fate = Fate()
        self.subscription = FatedSubscription(stream.queue, self.fate, stream.clock, stream.note_acknowledged)
        self.stop = threading.Event()
        self.worker = make_worker(
            FatedObjects(stream.stored, self.fate),
            self.subscription,
            self.stop,
            part=stream.part,
            broken=stream.broken,
            rules=_RULES,
            now=stream.clock,
        )

    def pull(self) -> None:
        """Pull a batch, as the thread that pulls does."""
        worker = self.worker
        if worker._leases.wait_for_room(timeout_s=0):
            worker._take_up(worker._gather())

    def work(self) -> None:
        """Work on every batch that waits, as a thread that works does; raises Killed when the process dies."""
        self.worker._waiting.put(None)
        self.worker._work_through()
        assert not self.worker._faults, "a fault that is none of the planned ones"

    def drain(self) -> None:
        """Stop in good order."""
        self.stop.set()
        self.worker._drain()


class Stream(RuleBasedStateMachine):
    """Publish, deliver, duplicate, expire, crash, fault, seal: what is acknowledged is stored, and read once."""

    part: ClassVar[Part | None] = None
    broken: ClassVar[Callable[..., object] | None] = None

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.stored = MemoryObjects(now=self.clock)
        self.topic = MemoryTopic("reviews", now=self.clock)
        dead = MemoryTopic("dead", now=self.clock)
        self.kept = MemorySubscription("dead-kept", dead, now=self.clock)
        self.queue = MemorySubscription("worker", self.topic, dead_letters=dead, max_attempts=1_000, now=self.clock)
        self.sent: dict[str, tuple[bytes, Accepted]] = {}
        self.acknowledged: set[str] = set()
        self.too_early: set[str] = set()
        self.processes: list[Process] = []
        self.changed = False

    @rule(event=EVENTS)
    def happens(self, event: tuple[str, dict[str, Any]]) -> None:
        """Let one thing happen. One rule for all: Hypothesis leaves rules out of runs, and these need each other."""
        name, what = event
        getattr(self, name)(**what)

    def publish(self, numbers: list[int], stamp: str, again: int) -> None:
        """Accept new requests, late ones where their hour is sealed; repeat some publishes whose answers were lost."""
        for number in numbers:
            data, accepted = request(25 * len(self.sent) + number, stamp)
            self.sent[accepted.key] = (data, accepted)
            self.topic.publish(data, {"enqueued_at": stamp})
        for data, accepted in list(self.sent.values())[:again]:
            self.topic.publish(data, {"enqueued_at": STAMPS[HOURS.index(accepted.partition)]})

    def deliver_and_work(self, which: int, turn: str, mishaps: dict[Call, Mishap | None], late: int) -> None:
        """Deliver a batch, score what a worker holds, or both; with mishaps in the calls that it makes."""
        process = self._process(which)
        if turn != "work":
            process.pull()
        if turn != "pull":
            for call, mishap in mishaps.items():
                process.fate.plan(call, mishap, after_calls=late if call == "write" else 0)
            with suppress(Killed):
                process.work()
        process.fate.forget()
        self.changed = True

    def trouble(self, which: int, trouble: str) -> None:
        process = self._process(which)
        if trouble == "a lease ends early":
            # Without the worker's knowing: some of its messages come again, in other company.
            self.queue.give_back(list(process.subscription.delivered)[::2])
        elif trouble == "a worker starts" and len(self.processes) < _MOST_WORKERS:
            self.processes.append(Process(self))
        elif trouble == "a worker stops":
            process.drain()
            process.fate.dead = True
        elif trouble == "a worker dies":
            process.fate.dead = True

    def time_passes(self, seconds: int, *, extend: bool, mishap: Mishap | None) -> None:
        """Let leases end, unless they are extended in time."""
        self.clock.pass_by(seconds)
        for process in self.processes if extend else ():
            process.fate.plan("extend", mishap)
            with suppress(Killed):
                process.worker._leases._extend_due()
            process.fate.forget()

    def seal(self, which: int, *, keep: bool, call: Call, mishap: Mishap | None, late: int) -> None:
        """Seal an hour that workers wrote in, also while its rows still come."""
        written = self._written()
        if not written:
            return
        fate = Fate()
        fate.plan(call, mishap, after_calls=late)
        compactor = Compactor(FatedObjects(self.stored, fate), keep=keep, bounds=Bounds(threads=1, sources=3))
        with suppress(Killed, TransientError):
            compactor.compact(written[which % len(written)])
        self.changed = True

    @invariant()
    def nothing_is_acknowledged_before_it_is_stored(self) -> None:
        assert not self.too_early, f"acknowledged before they were stored: {sorted(self.too_early)}"

    @invariant()
    def what_is_acknowledged_is_read_once_and_right(self) -> None:
        if self.changed:
            self.changed = False
            self._check(self.acknowledged)

    def teardown(self) -> None:
        """Work until nothing is left, then hold everything against what was sent: before, and after sealing it all."""
        self.nothing_is_acknowledged_before_it_is_stored()
        for process in self.processes:
            if not process.fate.dead:
                process.drain()
        self._finish()
        self._check(set(self.sent))
        self._require_clean()
        for hour in HOURS:
            for kind in KINDS:
                Compactor(self.stored, bounds=Bounds(threads=1)).compact(Partition(kind, hour))
        self._check(set(self.sent))
        self._require_clean()

    def note_acknowledged(self, ack_ids: Sequence[str]) -> None:
        """Look at the bucket in the moment of an acknowledgement."""
        durable = {
            json.loads(line)["key"]
            for info in self.stored.listing("")
            if info.name.endswith(".jsonl")
            for line in self.stored.get(info.name)[0].splitlines()
        }
        messages = [message for process in self.processes for message in process.subscription.delivered.values()]
        ids = set(ack_ids)
        keys = {json.loads(message.data)["id"] for message in messages if message.ack_id in ids}
        self.too_early |= keys - durable
        self.acknowledged |= keys

    def _written(self) -> list[Partition]:
        """Return the hours with objects that a worker wrote."""
        hours = [Partition(kind, hour) for kind in KINDS for hour in HOURS]
        return [hour for hour in hours if any(self.stored.listing(hour.folder))]

    def _process(self, which: int) -> Process:
        """Return one of the workers that live; a new one where none does."""
        self.processes = [process for process in self.processes if not process.fate.dead] or [Process(self)]
        return self.processes[which % len(self.processes)]

    def _finish(self) -> None:
        self.processes = [process := Process(self)]
        for _ in range(1_000):
            if not self.queue.unacknowledged():
                return
            self.clock.pass_by(61)
            process.pull()
            process.work()
        raise AssertionError(f"{self.queue.unacknowledged()} messages are still there")

    def _check(self, keys: set[str]) -> None:
        """Read as readers do: each of these keys once, in predictions or in rejections, and right."""
        found: dict[str, list[tuple[str, Answer]]] = {}
        stored = StoredReviews(self.stored)
        for hour in HOURS:
            for kind in KINDS:
                reading = deduplicate(outcome for _, outcome in stored.fresh([hour], [kind]))
                assert not reading.conflicts
                for row in reading.rows:
                    found.setdefault(row.key, []).append((hour, _answer(row)))
        for key in keys:
            _, accepted = self.sent[key]
            assert found.get(key) == [(accepted.partition, accepted.answer)], f"{key}: {found.get(key)}"
        assert found.keys() <= self.sent.keys()

    def _require_clean(self) -> None:
        """Count as the fault run does."""
        ledger = Ledger()
        for _, accepted in self.sent.values():
            ledger.accept(accepted)
        read_all(self.stored, ledger)
        ledger.dead(json.loads(letter.data)["id"] for letter in self.kept.pull(1_000, timeout_s=0))
        verdict = ledger.verdict()
        assert verdict.clean, (str(verdict), verdict.examples)
        assert verdict.dead_letters == 0


def _answer(row: Outcome) -> Answer:
    if isinstance(row, Prediction):
        return "prediction", row.label, repr(row.probability), row.model, row.version
    return "rejection", row.code
