"""How the commands that start processes treat signals: every polite one is an interrupt, a second one kills."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn


@contextmanager
def interruptible() -> Iterator[None]:
    """Treat SIGTERM and a closed terminal like Ctrl-C: the block is left by KeyboardInterrupt."""

    def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    # SIGINT too: a shell starts background commands with it ignored, and then Python leaves it so.
    with _handlers(interrupt, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        yield


@contextmanager
def killing_on_signal(kill: Callable[[], None]) -> Iterator[None]:
    """Call `kill` on a further signal, while things end in order; it runs inside the signal handler."""

    def handler(_number: int, _frame: FrameType | None) -> None:
        kill()

    with _handlers(handler, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        yield


@contextmanager
def _handlers(handler: Callable[[int, FrameType | None], None], *numbers: signal.Signals) -> Iterator[None]:
    previous = [(number, signal.signal(number, handler)) for number in numbers]
    try:
        yield
    finally:
        for number, old in previous:
            signal.signal(number, old)
