"""Child processes of the local cloud: started with a log file, awaited by what they print, ended with their parent."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from emulator import guard

_LOOK_EVERY_S = 0.02
_TAIL_LINES = 15
_ROOT = Path(__file__).resolve().parent.parent


class ChildFailed(Exception):  # noqa: N818 - reads as the fact it is
    """A process ended, or did not become ready; the message holds the end of its log."""


def reviewmill(*arguments: str) -> list[str]:
    """Return the command line of a subcommand, run by this interpreter.

    `-P` keeps the working directory off the module path: a folder there named `worker` would shadow ours.
    """
    return [sys.executable, "-P", "-m", "reviewmill", *arguments]


class Child:
    """One running process. Start it in the main thread: Linux ends it when the thread that started it ends.

    It leads a session of its own, so a Ctrl-C in the terminal reaches only the parent, which ends its children
    in order.
    """

    def __init__(self, title: str, command: Sequence[str], *, log: Path, environment: Mapping[str, str]) -> None:
        """Start `command`, its output appended to `log`. Raises OSError where it cannot be started."""
        self.title = title
        self.log = log
        self._log_start = log.stat().st_size if log.exists() else 0
        self.started = time.monotonic()
        with log.open("ab") as output:
            self._process = start(command, environment, stdout=output, stderr=subprocess.STDOUT)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def ended(self) -> int | None:
        """Return the exit status, negative for a signal; None while it runs."""
        return self._process.poll()

    def printed(self) -> str:
        """Return what it has printed so far."""
        with self.log.open("rb") as file:
            file.seek(self._log_start)
            return file.read().decode(errors="replace")

    def wait_for(self, pattern: str, *, timeout_s: float) -> re.Match[str]:
        """Block until the output matches `pattern`; raises ChildFailed when it ends first or takes too long."""
        deadline = time.monotonic() + timeout_s
        while True:
            status = self.ended()  # before reading: what it printed last must be read after it ended
            match = re.search(pattern, self.printed(), re.MULTILINE)
            if match:
                return match
            if status is not None:
                raise ChildFailed(self.failure(f"ended with status {status} before it was ready"))
            if time.monotonic() >= deadline:
                raise ChildFailed(self.failure(f"was not ready after {timeout_s:g} s"))
            time.sleep(_LOOK_EVERY_S)

    def wait(self, *, timeout_s: float) -> int:
        """Block until it ends and return its exit status; raises ChildFailed when it takes too long."""
        try:
            return self._process.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise ChildFailed(self.failure(f"was not done after {timeout_s:g} s")) from None

    def failure(self, what: str) -> str:
        """Return a message of what happened with the end of the log."""
        tail = "\n".join(f"  | {line}" for line in self.printed().splitlines()[-_TAIL_LINES:])
        return f"{self.title} {what}. Its log is {self.log}" + (f" and ends:\n{tail}" if tail else ", and is empty.")

    def ask_to_end(self) -> None:
        """Send SIGTERM; does nothing when it has ended."""
        self._process.send_signal(signal.SIGTERM)

    def stop(self, *, timeout_s: float) -> bool:
        """Ask it to end, and after `timeout_s` kill it with all it started; True when it ended by itself."""
        if self.ended() is not None:
            return True
        self.ask_to_end()
        try:
            self._process.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        return True

    def kill(self) -> None:
        """End it and all it started, at once; does nothing when it has ended."""
        if self.ended() is None:
            kill_group(self._process)
            self._process.wait()

    def kill_from_handler(self) -> None:
        """Send the kill only, for signal handlers: who waits for the process goes on waiting."""
        kill_group(self._process)


def start(
    command: Sequence[str], environment: Mapping[str, str], *, stdout: IO[bytes] | int, stderr: IO[bytes] | int | None
) -> subprocess.Popen[bytes]:
    """Start `command` in a session of its own, to end with this process. Raises OSError."""
    return subprocess.Popen(  # noqa: S603 - our own commands, without a shell
        [sys.executable, "-S", guard.__file__, str(os.getpid()), *command],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        env=_with_our_modules(environment),
        start_new_session=True,
    )


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that `start` started, and all it started; does nothing when it was seen to have ended."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _with_our_modules(environment: Mapping[str, str]) -> dict[str, str]:
    """Add where our modules are, so that a checkout that was never installed works too."""
    paths = [str(_ROOT), environment.get("PYTHONPATH", "")]
    return {**environment, "PYTHONPATH": os.pathsep.join(path for path in paths if path), "PYTHONUNBUFFERED": "1"}


def say(line: str) -> None:
    """Print a line for people on stderr, in one write: other processes print on the same terminal."""
    print(f"{line}\n", end="", file=sys.stderr, flush=True)
