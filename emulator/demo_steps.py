"""Runs the demo's steps: console commands as a user would type them, shown, timed, and ended with the demo."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from emulator.processes import kill_group, reviewmill, start
from emulator.signals import killing_on_signal

_STOP_S = 5.0


class StepFailed(Exception):  # noqa: N818 - reads as the fact it is
    """A step's command ended with a status other than 0."""


class Steps:
    """The steps so far, with their wall times in seconds."""

    def __init__(self) -> None:
        self.times: list[tuple[str, float]] = []

    @contextmanager
    def timed(self, title: str) -> Iterator[None]:
        """Announce a step and note how long its block takes."""
        print(f"\n== {len(self.times) + 1}. {title}", flush=True)
        began = time.monotonic()
        yield
        self.times.append((title, time.monotonic() - began))

    def run(self, arguments: list[str]) -> str:
        """Run one command in this environment, show what it prints and return its stdout.

        Raises StepFailed. An interrupt ends the command first.
        """
        show_command(arguments)
        process = start(reviewmill(*arguments), os.environ, stdout=subprocess.PIPE, stderr=None)
        lines: list[str] = []
        try:
            assert process.stdout is not None
            for raw in process.stdout:
                lines.append(raw.decode(errors="replace"))
                print(f"  {lines[-1]}", end="", flush=True)
            status = process.wait()
        finally:
            _end(process)
        if status != 0:
            raise StepFailed(f"`reviewmill {arguments[0]}` ended with status {status}")
        return "".join(lines)

    def report(self) -> None:
        """Print the wall time of each step."""
        for title, seconds in self.times:
            print(f"  {seconds:6.1f} s  {title}")
        print(f"  {sum(seconds for _, seconds in self.times):6.1f} s  in all", flush=True)


def show_command(arguments: list[str]) -> None:
    """Print a command line as a user would type it."""
    print(f"$ {shlex.join(['reviewmill', *map(shown, arguments)])}", flush=True)


def shown(argument: str) -> str:
    """Return a path below the working directory as a user would type it; anything else as it is."""
    path = Path(argument)
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        return os.path.relpath(path)
    return argument


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a command that still runs, politely first; a further signal kills it."""
    if process.poll() is None:
        with killing_on_signal(lambda: kill_group(process)):
            process.terminate()
            try:
                process.wait(timeout=_STOP_S)
            except subprocess.TimeoutExpired:
                kill_group(process)
                process.wait()
    if process.stdout is not None:
        process.stdout.close()
