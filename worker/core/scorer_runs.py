"""Consecutive runs of a batch, done on this thread and others."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Final

_HELPERS: Final = ThreadPoolExecutor(thread_name_prefix="runs")  # they stay: to start one takes as long as a short run


def in_runs(work: Callable[[int, int], None], count: int, *, threads: int, most: int) -> None:
    """Do the work for 0 to count in consecutive runs, at most `most` of them. Raises what the work raises.

    The order in which runs begin is theirs, the order in which they end is not.
    """
    threads = min(threads, most)
    if threads <= 1:
        work(0, count)
        return
    waiting = iter(guided(count, threads, least=-(-count // most)))  # shared: each run goes to whoever asks next

    def do_runs() -> None:
        for first, last in waiting:
            work(first, last)

    others = [_HELPERS.submit(do_runs) for _ in range(threads - 1)]
    try:
        do_runs()
    finally:
        begun = [other for other in others if not other.cancel()]  # nothing is left for those that no thread took up
        wait(begun)
    for other in begun:
        other.result()


def guided(count: int, threads: int, *, least: int) -> list[tuple[int, int]]:
    """Cut 0 to count into runs that get shorter, down to `least`, so that the threads end together.

    Each run is a share of what is left, as in OpenMP's guided schedule: there are few of them, and a thread whose core
    another program slows down is waited for no longer than a last, short run takes.
    """
    runs, first = [], 0
    while first < count:
        last = min(first + max(least, (count - first) // (2 * threads)), count)
        runs.append((first, last))
        first = last
    return runs
