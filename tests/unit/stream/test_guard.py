from __future__ import annotations

import threading

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


def test_a_pulse_remembers_its_last_beat() -> None:
    moments = iter([5.0, 6.0])
    pulse = Pulse(lambda: next(moments))
    assert pulse.last_beat() == 0
    pulse.beat()
    pulse.beat()
    assert pulse.last_beat() == 6
