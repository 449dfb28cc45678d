from __future__ import annotations

import threading
from collections.abc import Callable

from worker.core.breaker import Breaker, BreakerLimits
from worker.guard import Guard, Pulse


def guard(stop: threading.Event) -> Guard:
    return Guard(stop, Breaker(BreakerLimits(share=0.5, window_s=60, messages=10)), now=lambda: 0.0)


def test_many_rejections_stop_the_worker_with_a_reason() -> None:
    stop = threading.Event()
    watched = guard(stop)
    watched.tally(10, 5)
    assert not stop.is_set()
    assert watched.reasons == []
    watched.tally(10, 9)
    assert stop.is_set()
    (reason,) = watched.reasons
    assert "14 of the last 20 messages were rejected" in reason
    assert "REVIEWMILL_BREAKER_SHARE=0.5" in reason


def test_batches_of_several_threads_are_all_counted() -> None:
    stop = threading.Event()
    watched = guard(stop)

    def count() -> None:
        for _ in range(100):
            watched.tally(1, 1)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(watched.reasons) == 1


def test_a_beat_counts_for_the_batch_of_its_thread_only() -> None:
    moments = iter([1.0, 2.0, 5.0])
    pulse = Pulse(lambda: next(moments))
    mine = pulse.begin()
    others: list[int] = []
    in_thread(lambda: others.append(pulse.begin()))
    pulse.beat()
    assert (pulse.last_beat(mine), pulse.last_beat(others[0])) == (5, 2)


def test_a_beat_of_a_jobs_own_thread_counts_for_all() -> None:
    moments = iter([1.0, 7.0])
    pulse = Pulse(lambda: next(moments))
    mine = pulse.begin()
    in_thread(pulse.beat)
    assert (pulse.last_beat(mine), pulse.last_beat(mine + 1)) == (7, 7)


def in_thread(act: Callable[[], object]) -> None:
    thread = threading.Thread(target=act)
    thread.start()
    thread.join()
