"""Progress on stderr: a bar on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from publisher.console import say

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

_BAR_EVERY_S = 0.1
_LINE_EVERY_S = 5.0


class Progress:
    """Shows how far a task is. Cheap to tell often: what comes too early to be shown is dropped."""

    def __init__(self, title: str, total: int | None) -> None:
        self._title = title
        self._total = total
        self._bar: Bar | None = _bar() if sys.stderr.isatty() else None
        self._task = None if self._bar is None else self._bar.add_task(title, total=total, note="")
        self._next = time.monotonic() + (0 if self._bar else _LINE_EVERY_S)

    def show(self, done: int, note: str, *, total: int | None = None) -> None:
        """Tell the state: `done` of the total (None: of an unknown one), never shown as more, and a few words on it."""
        now = time.monotonic()
        if now < self._next:
            return
        self._total = total if total is not None else self._total
        done = done if self._total is None else min(done, self._total)
        if self._bar is not None and self._task is not None:
            self._next = now + _BAR_EVERY_S
            self._bar.update(self._task, completed=done, total=self._total, note=note)
        else:
            self._next = now + _LINE_EVERY_S
            share = f"{100 * done / self._total:.0f} %, " if self._total else ""
            say(f"{self._title}: {share}{note}")

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()


def _bar() -> Bar:
    from publisher.bar import new_bar  # noqa: PLC0415 - rich takes 0.1 s, wanted only where there is a terminal

    return new_bar()
