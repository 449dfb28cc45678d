"""Messages that come again and again are handled in a process of their own, which may die for them.

A message whose scoring ends the process takes its whole batch with it, at every delivery: in the end all of them would
be dead letters. From the delivery `SUSPECT_FROM` on, a batch is handled by a child process; when that dies, the batch
is halved until one message is left, which is given back until its attempts are used up. The others are scored.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from schemas.events import is_notification
from worker.core.envelope import Envelope

_log = logging.getLogger(__name__)

SUSPECT_FROM = 4
"""Below the fewest attempts that a subscription can have, which are 5
(https://cloud.google.com/pubsub/docs/dead-letter-topics)."""

COMMAND = (sys.executable, "-m", "worker.isolated")

_LOOK_EVERY_S = 0.5

Handle = Callable[[Sequence[Envelope]], set[int]]


class Outcome(msgspec.Struct, frozen=True):
    """What a child process tells when it has handled a batch."""

    done: list[int]
    """Positions of the messages that may be acknowledged."""
    lines: int = 0
    rejections: int = 0


class NotStarted(Exception):  # noqa: N818 - a fact
    """No child process could begin with the messages."""


@dataclass(frozen=True, slots=True)
class Isolation:
    """Stands before a worker's `handle`. Safe to use from several threads; one child process runs at a time."""

    handle_here: Handle
    run: Callable[[Sequence[Envelope]], Outcome | None]
    """Handles messages in a child process; None when that died. Raises NotStarted."""
    tally: Callable[[int, int], None]
    moved: Callable[[], object]
    """Told before each child process, for isolating one message among a thousand takes twenty of them, and while a
    batch waits for its turn."""
    stopping: Callable[[], bool]
    _one: threading.Lock = field(default_factory=threading.Lock)
    """Each process loads the models: several at once could take more memory than there is."""

    def handle(self, batch: Sequence[Envelope]) -> set[int]:
        """Return the positions of the messages that may be acknowledged; see `Dispatcher.handle`."""
        suspects = [position for position, envelope in enumerate(batch) if _is_suspect(envelope)]
        if not suspects:
            return self.handle_here(batch)
        _log.warning("%d messages were delivered %d times or more; they are isolated", len(suspects), SUSPECT_FROM)
        # First, so that they are stored before one of the others can end this process.
        with self._turn():
            isolated = self._isolated([batch[position] for position in suspects])
        chosen = set(suspects)
        others = [position for position in range(len(batch)) if position not in chosen]
        here = self.handle_here([batch[position] for position in others]) if others else set()
        return {suspects[index] for index in isolated} | {others[index] for index in here}

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait for the one before to be done, which the watchdog sees hang; waiting for it is not hanging."""
        while not self._one.acquire(timeout=_LOOK_EVERY_S):
            self.moved()
        try:
            yield
        finally:
            self._one.release()

    def _isolated(self, batch: Sequence[Envelope]) -> set[int]:
        if self.stopping():
            return set()
        self.moved()
        try:
            outcome = self.run(batch)
        except NotStarted:
            _log.warning("%d messages are handled here: no process to isolate them in could be started", len(batch))
            return self.handle_here(batch)
        if outcome is not None:
            self.tally(outcome.lines, outcome.rejections)
            return set(outcome.done)
        if len(batch) == 1:
            _log.error("message %s is given back: the process that handled it died or hung", batch[0].message_id)
            return set()
        middle = len(batch) // 2
        return self._isolated(batch[:middle]) | {middle + index for index in self._isolated(batch[middle:])}


def _is_suspect(envelope: Envelope) -> bool:
    # An upload that ends its process is counted by its job: see `csv_attempts.py`.
    return envelope.attempt >= SUSPECT_FROM and not is_notification(envelope.attributes)


def run_child(batch: Sequence[Envelope], *, command: Sequence[str], timeout_s: float) -> Outcome | None:
    """Handle messages in a process with this environment; None when it died of them, or did not end in time.

    Blocks. Raises NotStarted when it did not come so far as to begin with them.
    """
    path = os.pathsep.join(filter(None, (str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH"))))
    try:
        child = subprocess.run(  # noqa: S603 - our own command
            command,
            input=msgspec.json.encode(list(batch)),
            env={**os.environ, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            timeout=timeout_s,
            check=False,
        )
    except OSError as error:
        raise NotStarted from error
    except subprocess.TimeoutExpired as error:
        said = error.stdout or b""
    else:
        said = child.stdout
    begun, _, told = said.partition(b"\n")
    if begun != BEGUN:
        raise NotStarted
    return msgspec.json.decode(told, type=Outcome) if told.endswith(b"\n") else None


BEGUN = b"begun"
"""The first line of a child process: what ends it from here on are the messages."""
