"""Worker processes that start at once: forked from a process that has imported everything and opened nothing.

`python -m tests.faults.fork_server` reads one worker's description a line, as JSON, and answers with its process id
and, when it has ended, with its status. One worker at a time.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import logging
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from emulator import guard
from tests.faults.failpoints import FAILPOINTS, Action, Failpoint, WatchedOpener
from worker.settings import load_settings

_ROOT = Path(__file__).parents[2]
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Order:
    """What a worker is to be."""

    environment: dict[str, str]
    log: str
    """A file that its output is appended to."""
    failpoint: str
    """Empty for none."""
    action: Action
    reached: str
    """A file that says, once it is there, that the failpoint was reached."""


class ForkServer:
    """The process that forks, and its worker. Start it in the main thread: it ends with the thread that started it."""

    def __init__(self) -> None:
        command = [sys.executable, "-S", guard.__file__, str(os.getpid())]
        self._process = subprocess.Popen(
            [*command, sys.executable, "-m", "tests.faults.fork_server"],
            cwd=_ROOT,
            # Threads of a library that is only imported would not survive the fork.
            env={**os.environ, "PYTHONPATH": str(_ROOT), "OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        self._worker: int | None = None

    def start(self, order: Order) -> None:
        """Start a worker."""
        assert self._worker is None, "one worker at a time"
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asdict(order)).encode() + b"\n")
        self._worker = self._number()

    def ended(self) -> bool:
        """Say whether the worker has ended, or none was started."""
        assert self._process.stdout is not None
        if self._worker is not None and select.select([self._process.stdout], [], [], 0)[0]:
            self._number()
            self._worker = None
        return self._worker is None

    def kill(self) -> None:
        """Kill the worker, and wait until it has ended."""
        if not self.ended() and self._worker is not None:
            with suppress(ProcessLookupError):
                os.kill(self._worker, signal.SIGKILL)
            self._number()
            self._worker = None

    def close(self) -> None:
        """End both."""
        self.kill()
        self._process.communicate()

    def _number(self) -> int:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the fork server has ended"
        return int(line)


def main() -> None:
    """Fork as told, until standard input ends."""
    # What a worker imports when it opens its adapters: here, once, and not in each worker.
    for module in ("cloud.gcs", "cloud.pubsub", "cloud.pubsub_topic", "worker.command", "worker.wiring"):
        importlib.import_module(module)

    for line in sys.stdin.buffer:
        order = Order(**json.loads(line))
        pid = os.fork()
        if pid == 0:
            _work(order)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
        _, status = os.waitpid(pid, 0)
        sys.stdout.write(f"{status}\n")
        sys.stdout.flush()


def _work(order: Order) -> None:
    """Become the worker: the real command on the real adapters, which the failpoint watches."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    output = os.open(order.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for descriptor in (sys.stdout.fileno(), sys.stderr.fileno()):
        os.dup2(output, descriptor)
    status = 1
    try:
        os.environ.clear()
        os.environ.update(order.environment)
        status = _run(order)
    except BaseException:
        logging.getLogger(__name__).exception("the worker ended")
    finally:
        logging.shutdown()
        sys.stdout.flush()
        os._exit(status)


def _run(order: Order) -> int:
    from worker.command import main as worker  # noqa: PLC0415 - imported by the parent

    if not order.failpoint:
        return worker([])
    failpoint = Failpoint(FAILPOINTS[order.failpoint], order.action, Path(order.reached))
    return worker([], opener=WatchedOpener(load_settings(os.environ), failpoint))


if __name__ == "__main__":
    main()
