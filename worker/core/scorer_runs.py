"""Consecutive runs of a batch, done on this thread and others."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise


def in_runs(work: Callable[[int, int], None], bounds: Sequence[int], *, threads: int) -> None:
    """Do the work from each of the bounds to the next one. Raises what the work raises, and begins no run after that.

    Runs begin in their order, and end in any.
    """
    waiting = iter(list(pairwise(bounds)))  # shared: each run goes to whoever asks next

    def do_runs() -> None:
        try:
            for first, last in waiting:
                work(first, last)
        finally:
            list(waiting)  # after an error nobody does the rest

    helpers = min(threads, len(bounds) - 1) - 1
    if helpers < 1:
        do_runs()
        return
    with ThreadPoolExecutor(helpers) as pool:  # of its own: threads that stay are gone after a fork, and not known so
        others = [pool.submit(do_runs) for _ in range(helpers)]
        do_runs()
        for other in others:
            other.result()


def guided(size: int, threads: int, *, most: int) -> list[int]:
    """Return the bounds of at most about `most` runs from 0 to `size`: they get shorter, so that threads end together.

    Each run is a share of what is left, as in OpenMP's guided schedule: there are few of them, and a thread whose core
    another program slows down is waited for no longer than a last, short run takes. One thread has one run.
    """
    if threads <= 1 or most <= 1:
        return [0, size]
    least, bounds = -(-size // most), [0]
    while bounds[-1] < size:
        bounds.append(min(bounds[-1] + max(least, (size - bounds[-1]) // (2 * threads)), size))
    return bounds
