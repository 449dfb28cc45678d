"""The console command as a user runs it. Imports nothing of ours; leaves no process behind, and checks that."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 90.0
"""Generous: nothing here is measured, and the machine may be busy."""

T = TypeVar("T")
_MARK = "SYSTEM_TEST_RUN"
_LOOK_EVERY_S = 0.05


class Running:
    """One console command at work, its output in a file."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self.process = process
        self._output = output

    def output(self) -> str:
        return self._output.read_text(encoding="utf-8", errors="replace")

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Return once the output matches; fails the test when the command ends first or the deadline passes."""

        def look() -> re.Match[str] | None:
            ended = self.process.poll() is not None
            match = re.search(pattern, self.output(), re.MULTILINE)
            assert match or not ended, f"it ended with {self.process.returncode}:\n{self.output()}"
            return match

        match = until(look, f"the output did not match {pattern!r}", self.output)
        assert match
        return match

    def wait(self) -> int:
        return self.process.wait(timeout=DEADLINE_S)

    def signal(self, number: signal.Signals) -> None:
        """Send it to the command's process group, as a terminal does; SIGKILL to the command alone."""
        if number == signal.SIGKILL:
            self.process.kill()
        else:
            os.killpg(self.process.pid, number)


class Console:
    """Starts console commands; everything they start carries a mark in its environment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._run = uuid.uuid4().hex
        self._started: list[Running] = []
        installed = Path(sys.executable).with_name("reviewmill")
        assert installed.exists(), f"{installed} is not there: run `make setup`"
        self._command = str(installed)

    def start(self, *arguments: str, **environment: str) -> Running:
        output = self.folder / f"output-{len(self._started)}.txt"
        with output.open("wb") as file:
            process = subprocess.Popen(
                [self._command, *arguments],
                cwd=self.folder,
                env=self.environment(**environment),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._started.append(Running(process, output))
        return self._started[-1]

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self._command, *arguments],
            cwd=self.folder,
            env=self.environment(**environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )

    def close(self) -> None:
        """Kill what still runs; fails the test when anything that a command started outlives it."""
        for running in self._started:
            if running.process.poll() is None:
                running.process.kill()
                running.process.wait()
        try:
            self.assert_nothing_is_left()
        finally:
            self.kill_all()

    def kill_all(self) -> None:
        """Kill every process that carries this test's mark."""
        for line in leftovers(self._run):
            os.kill(int(line.split()[0]), signal.SIGKILL)

    def until(self, condition: Callable[[], T], failure: str, detail: Callable[[], str]) -> T:
        """Wait for a condition, see `until`."""
        return until(condition, failure, detail)

    def assert_nothing_is_left(self) -> None:
        until(lambda: not leftovers(self._run), "processes were left", lambda: "\n".join(leftovers(self._run)))

    def pids(self, pattern: str) -> list[int]:
        """Return the ids of running processes of ours whose command line matches."""
        return [int(line.split()[0]) for line in leftovers(self._run) if re.search(pattern, line)]

    def environment(self, **more: str) -> dict[str, str]:
        """Only what a command needs: the variables of who runs the tests must not change them."""
        kept = {
            name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR", "JAVA_HOME") if name in os.environ
        }
        return {**kept, _MARK: self._run, **more}


def until(condition: Callable[[], T], failure: str, detail: Callable[[], str]) -> T:
    """Return the condition's value once it is true; fails the test after the deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{failure} within {DEADLINE_S:g} s:\n{detail()}"
        time.sleep(_LOOK_EVERY_S)
    return value


def leftovers(run: str) -> list[str]:
    """Return `pid command` of every process that carries the mark of a run."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            marked = f"{_MARK}={run}".encode() in (entry / "environ").read_bytes()
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it ended meanwhile, or is somebody else's
            continue
        if marked:
            found.append(f"{entry.name} {command}")
    return found


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    if not Path("/proc/self/environ").exists():
        pytest.skip("finds leftover processes through /proc, which this system does not have")
    made = Console(tmp_path)
    yield made
    made.close()


@pytest.fixture(params=["embedded", pytest.param("official", marks=pytest.mark.official)])
def pubsub(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    if kind == "official" and not (shutil.which("java") and shutil.which("gcloud")):
        pytest.skip("Google's Pub/Sub emulator is not installed here")
    return kind
