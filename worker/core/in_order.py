"""Making and settling at once: while one step is settled, the next ones are taken and made."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

Step = TypeVar("Step")
Made = TypeVar("Made")


def run_in_order(
    steps: Iterable[Step], make: Callable[[Step], Made], settle: Callable[[Step, Made], None], *, makers: int = 1
) -> None:
    """Settle every step, in order, on a thread, `makers` others make them, and the calling thread takes the next ones.

    As without threads: what is raised is what the first failing step raised, everything before that step is settled
    and nothing after it. An error of `steps` itself counts where it came up, after the steps before it. No more steps
    are under way when the next one is taken than there are makers. What the threads run has the context variables
    of the caller. Blocks until all is settled or has stopped.
    """
    under_way: deque[Future[None]] = deque()
    stopped = threading.Event()

    def settle_next(step: Step, made: Future[Made]) -> None:
        if stopped.is_set():
            return
        try:
            settle(step, made.result())
        except BaseException:
            stopped.set()
            raise

    with ThreadPoolExecutor(makers, "score") as scorer, ThreadPoolExecutor(1, "store") as storer:
        try:
            for step in steps:
                made = scorer.submit(copy_context().run, make, step)
                under_way.append(storer.submit(copy_context().run, settle_next, step, made))
                while len(under_way) > makers:
                    under_way.popleft().result()
        finally:
            # Also when taking a step raised: what comes first in the file is settled, or has failed, first.
            while under_way:
                under_way.popleft().result()
