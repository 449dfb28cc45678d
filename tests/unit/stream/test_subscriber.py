"""The pull worker over the queue in memory: what it acknowledges, gives back, drops, and when it pauses."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest

from cloud.faults import Fault, Faults
from cloud.faulty_queue import FaultySubscription
from cloud.memory_queue import MemorySubscription, MemoryTopic
from cloud.objects import CloudSetupError
from cloud.queue import Received, Subscription
from worker.core.batch import BatchLimits
from worker.core.envelope import Envelope
from worker.core.in_hand import Bounds
from worker.subscriber import PullRules, PullWorker

PATIENCE_S = 30.0
RULES = PullRules(BatchLimits(10, 1_000_000, 0.0), Bounds(20, 1_000_000), threads=2)

Handle = Callable[[Sequence[Envelope]], set[int]]


class Clock:
    """Monotonic time that a test moves."""

    def __init__(self) -> None:
        self.moment = 1_000.0

    def __call__(self) -> float:
        return self.moment


class Queue:
    """One topic with one subscription, and a record of what the worker asked of it."""

    def __init__(self, **options: float) -> None:
        self.topic = MemoryTopic()
        self.inner = MemorySubscription("reviews", self.topic, **options)  # type: ignore[arg-type]
        self.pulled: list[Received] = []
        self.acknowledged: list[str] = []
        self.given_back: list[str] = []
        self.extended: list[str] = []
        self.name = "reviews"

    def publish(self, count: int, data: bytes = b"x") -> None:
        for _ in range(count):
            self.topic.publish(data, {})

    def pull(self, max_messages: int, *, timeout_s: float) -> list[Received]:
        received = self.inner.pull(max_messages, timeout_s=min(timeout_s, 0.05))
        self.pulled += received
        return received

    def acknowledge(self, ack_ids: Sequence[str]) -> None:
        self.acknowledged += ack_ids
        self.inner.acknowledge(ack_ids)

    def extend(self, ack_ids: Sequence[str], *, seconds: int) -> None:
        self.extended += ack_ids
        self.inner.extend(ack_ids, seconds=seconds)

    def give_back(self, ack_ids: Sequence[str]) -> None:
        self.given_back += ack_ids
        self.inner.give_back(ack_ids)

    def close(self) -> None:
        self.inner.close()


@contextmanager
def running(
    subscription: Subscription,
    handle: Handle,
    *,
    rules: PullRules = RULES,
    now: Callable[[], float] = time.monotonic,
) -> Iterator[PullWorker]:
    """Run a pull worker until the block ends, and until it has drained."""
    stop = threading.Event()
    worker = PullWorker(subscription, handle, rules, stop, now=now)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield worker
    finally:
        stop.set()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def wait_until(done: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(int(PATIENCE_S / 0.01)):
        if done():
            return
        pause.wait(0.01)
    pytest.fail("it did not happen in time")


def everything(batch: Sequence[Envelope]) -> set[int]:
    return set(range(len(batch)))


def test_what_is_durable_is_acknowledged_and_the_rest_is_given_back() -> None:
    queue = Queue()
    for data in (b"good", b"bad", b"good"):
        queue.topic.publish(data, {})
    seen: list[bytes] = []

    def handle(batch: Sequence[Envelope]) -> set[int]:
        seen.extend(envelope.data for envelope in batch)
        return {position for position, envelope in enumerate(batch) if envelope.data == b"good"}

    with running(queue, handle):
        wait_until(lambda: seen.count(b"bad") > 2)
    assert queue.inner.unacknowledged() == 1
    assert len(queue.acknowledged) == 2
    assert seen.count(b"good") == 2


def test_nothing_is_acknowledged_before_its_batch_is_handled() -> None:
    queue = Queue()
    queue.publish(25)
    held = threading.Event()

    def handle(batch: Sequence[Envelope]) -> set[int]:
        assert held.wait(PATIENCE_S)
        return everything(batch)

    with running(queue, handle):
        wait_until(lambda: len(queue.pulled) >= 20)
        assert queue.acknowledged == []
        held.set()
        wait_until(lambda: queue.inner.unacknowledged() == 0)
    assert len(queue.acknowledged) == 25


def test_batches_are_worked_on_at_the_same_time() -> None:
    queue = Queue()
    queue.publish(20)
    both = threading.Barrier(2, timeout=PATIENCE_S)

    def handle(batch: Sequence[Envelope]) -> set[int]:
        both.wait()
        return everything(batch)

    with running(queue, handle):
        wait_until(lambda: queue.inner.unacknowledged() == 0)


@pytest.mark.parametrize(
    ("bounds", "most"), [(Bounds(20, 1_000_000), 20), (Bounds(1_000, 3_000), 30)], ids=["messages", "bytes"]
)
def test_pulling_pauses_while_too_much_is_in_hand(bounds: Bounds, most: int) -> None:
    queue = Queue()
    queue.publish(200, b"x" * 100)
    held = threading.Event()

    def handle(batch: Sequence[Envelope]) -> set[int]:
        assert held.wait(PATIENCE_S)
        return everything(batch)

    with running(queue, handle, rules=PullRules(RULES.batch, bounds, threads=1)):
        wait_until(lambda: len(queue.pulled) >= most)
        threading.Event().wait(0.3)
        assert len(queue.pulled) == most
        held.set()
        wait_until(lambda: queue.inner.unacknowledged() == 0)


def test_an_answer_that_is_larger_than_a_batch_is_worked_on_in_pieces_and_all_its_leases_are_extended() -> None:
    clock = Clock()
    queue = Queue()
    for size in [100] * 7 + [900] + [100] * 2:
        queue.publish(1, b"x" * size)
    held = threading.Event()
    sizes: list[list[int]] = []

    def handle(batch: Sequence[Envelope]) -> set[int]:
        sizes.append([len(envelope.data) for envelope in batch])
        assert held.wait(PATIENCE_S)
        return everything(batch)

    rules = PullRules(BatchLimits(10, 300, 0.0), Bounds(20, 500), threads=1)
    with running(queue, handle, rules=rules, now=clock):
        wait_until(lambda: len(queue.pulled) == 10)
        for pause in (5, 30, 30):
            before = len(queue.extended)
            clock.moment += pause
            wait_until(lambda before=before: len(queue.extended) >= before + 10)  # type: ignore[misc]
            assert set(queue.extended[before:]) == {item.ack_id for item in queue.pulled}
        held.set()
        wait_until(lambda: queue.inner.unacknowledged() == 0)
    assert sizes == [[100] * 3, [100] * 3, [100], [900], [100] * 2]
    assert len(queue.acknowledged) == 10


def test_leases_are_extended_while_batches_wait_and_are_worked_on() -> None:
    clock = Clock()
    queue = Queue()
    queue.publish(20)
    held = threading.Event()

    def handle(batch: Sequence[Envelope]) -> set[int]:
        assert held.wait(PATIENCE_S)
        return everything(batch)

    with running(queue, handle, rules=PullRules(RULES.batch, RULES.in_hand, threads=1), now=clock):
        wait_until(lambda: len(queue.pulled) == 20)
        for pause in (5, 30, 30, 30, 30):
            before = len(queue.extended)
            clock.moment += pause
            wait_until(lambda before=before: len(queue.extended) >= before + 20)  # type: ignore[misc]
        held.set()
        wait_until(lambda: queue.inner.unacknowledged() == 0)
    assert len(queue.acknowledged) == 20


def test_what_outlived_its_lease_is_dropped_without_work_or_answer() -> None:
    clock = Clock()
    faults = Faults(Fault("extend", "before", every=1))
    queue = Queue()
    queue.publish(20)
    held = threading.Event()
    handled: list[str] = []

    def handle(batch: Sequence[Envelope]) -> set[int]:
        handled.extend(envelope.message_id for envelope in batch)
        assert held.wait(PATIENCE_S)
        return everything(batch)

    rules = PullRules(RULES.batch, RULES.in_hand, threads=1)
    with running(FaultySubscription(queue, faults), handle, rules=rules, now=clock):
        wait_until(lambda: len(queue.pulled) == 20)
        wait_until(lambda: len(handled) == 10)
        clock.moment += 11
        held.set()
        wait_until(lambda: len(queue.acknowledged) == 10)
    # The first batch was at work when its lease ended: its results are stored, so it is acknowledged all the same.
    assert len(handled) == 10
    assert queue.given_back == []
    assert queue.inner.unacknowledged() == 10


def test_a_failed_extension_is_tried_again_before_the_lease_ends() -> None:
    clock = Clock()
    faults = Faults(Fault("extend", "before", first=1), Fault("extend", "lost_answer", first=2))
    queue = Queue()
    queue.publish(1)
    held = threading.Event()

    def handle(batch: Sequence[Envelope]) -> set[int]:
        assert held.wait(PATIENCE_S)
        return everything(batch)

    with running(FaultySubscription(queue, faults), handle, now=clock):
        wait_until(lambda: len(queue.pulled) == 1)
        clock.moment += 5
        wait_until(lambda: len(queue.extended) == 2)
        held.set()
    assert faults.unfired() == []


def test_a_bug_that_ends_the_extending_of_leases_ends_the_worker() -> None:
    class Broken(Queue):
        def extend(self, ack_ids: Sequence[str], *, seconds: int) -> None:
            raise ValueError(f"a bug: {len(ack_ids)} leases, {seconds} s")

    clock = Clock()
    queue = Broken()
    queue.publish(1)
    stop = threading.Event()

    def handle(batch: Sequence[Envelope]) -> set[int]:
        clock.moment += 5
        assert stop.wait(PATIENCE_S), "the worker went on without leases"
        return everything(batch)

    worker = PullWorker(queue, handle, RULES, stop, now=clock)
    with pytest.raises(ValueError, match="a bug"):
        worker.run()
    assert queue.inner.unacknowledged() == 0


def test_a_stop_finishes_what_is_worked_on_and_gives_the_rest_back() -> None:
    queue = Queue()
    queue.publish(20)
    begun, held = threading.Event(), threading.Event()

    def handle(batch: Sequence[Envelope]) -> set[int]:
        begun.set()
        assert held.wait(PATIENCE_S)
        return everything(batch)

    rules = PullRules(RULES.batch, RULES.in_hand, threads=1)
    with running(queue, handle, rules=rules):
        wait_until(lambda: len(queue.pulled) == 20 and begun.is_set())
        threading.Timer(0.2, held.set).start()
    assert len(queue.acknowledged) == 10
    assert len(queue.given_back) == 10
    assert len(queue.inner.pull(100, timeout_s=0)) == 10


def test_a_stop_gives_back_what_hangs() -> None:
    queue = Queue()
    queue.publish(5)
    begun, held, ended = threading.Event(), threading.Event(), threading.Event()

    def handle(batch: Sequence[Envelope]) -> set[int]:
        begun.set()
        assert held.wait(PATIENCE_S)
        ended.set()
        return everything(batch)

    with running(queue, handle, rules=PullRules(RULES.batch, RULES.in_hand, threads=2, finish_s=0.2)) as worker:
        assert begun.wait(PATIENCE_S)
        wait_until(lambda: worker.still()["work from reviews"] > 0)
    assert worker.abandoned
    assert len(queue.given_back) == 5
    assert queue.acknowledged == []
    held.set()
    assert ended.wait(PATIENCE_S)


@pytest.mark.parametrize(
    ("method", "what"),
    [("pull", "pulling from reviews"), ("extend", "extending leases of reviews")],
)
def test_a_loop_whose_call_hangs_is_seen(method: str, what: str) -> None:
    let_go = threading.Event()

    class Hanging(Queue):
        def __getattribute__(self, name: str) -> object:
            if name == method:
                return lambda *_, **__: (let_go.wait(PATIENCE_S), [])[1]
            return super().__getattribute__(name)

    clock = Clock()
    held = threading.Event()

    def handle(batch: Sequence[Envelope]) -> set[int]:
        clock.moment += 5
        assert held.wait(PATIENCE_S)
        return everything(batch)

    queue = Hanging()
    queue.publish(1)
    with running(queue, handle, now=clock) as worker:
        for _ in range(3):  # whatever the call was given, it is over by then
            threading.Event().wait(0.6)
            clock.moment += 30
        try:
            wait_until(lambda: worker.still()[what] > 20)
        finally:
            held.set()
            let_go.set()


def test_an_idle_worker_stands_still_in_nothing() -> None:
    with running(Queue(), everything) as worker:
        for _ in range(20):
            threading.Event().wait(0.1)
            wait_until(lambda: max(worker.still().values()) < 1)


def test_a_backlog_of_which_everything_is_given_back_is_seen() -> None:
    clock = Clock()
    queue = Queue()
    queue.publish(1_000)
    rounds, mended = threading.Semaphore(0), threading.Event()

    def handle(batch: Sequence[Envelope]) -> set[int]:
        clock.moment += 1
        rounds.release()
        return everything(batch) if mended.is_set() else set()

    with running(queue, handle, now=clock) as worker:
        for _ in range(40):
            assert rounds.acquire(timeout=PATIENCE_S)
        assert worker.still()["the backlog of reviews"] > 20
        mended.set()
        wait_until(lambda: worker.still()["the backlog of reviews"] == 0)


@pytest.mark.parametrize("error", [CloudSetupError("a permission is missing"), ValueError("a bug")], ids=repr)
def test_what_a_person_must_mend_ends_the_worker_and_gives_back(error: Exception) -> None:
    queue = Queue()
    queue.publish(15)

    def handle(_batch: Sequence[Envelope]) -> set[int]:
        raise error

    worker = PullWorker(queue, handle, RULES, threading.Event())
    with pytest.raises(type(error), match=str(error)):
        worker.run()
    assert not worker.abandoned
    assert queue.acknowledged == []
    assert set(queue.given_back) == {item.ack_id for item in queue.pulled}


def test_failing_pulls_and_lost_answers_cost_no_message() -> None:
    faults = Faults(
        Fault("pull", "before", first=2),
        Fault("pull", "duplicate", first=3),
        Fault("acknowledge", "lost_answer", first=1),
        Fault("acknowledge", "repeated", first=2),
    )
    queue = Queue()
    queue.publish(40)
    handled: list[str] = []

    def handle(batch: Sequence[Envelope]) -> set[int]:
        handled.extend(envelope.message_id for envelope in batch)
        return everything(batch)

    with running(FaultySubscription(queue, faults), handle):
        wait_until(lambda: queue.inner.unacknowledged() == 0)
    assert faults.unfired() == []
    assert len(set(handled)) == 40
