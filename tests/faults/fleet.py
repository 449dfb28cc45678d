"""Worker processes that are killed at random moments and started again."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from pathlib import Path

from emulator.processes import Child, reviewmill

_READY = "ready: pulling"
_LOOK_S = 0.05
_DRAIN_S = 15.0


class Fleet:
    """A number of workers. Belongs to the main thread: a child ends with the thread that started it."""

    def __init__(self, workers: int, folder: Path, environment: Mapping[str, str], chance: random.Random) -> None:
        self._folder = folder
        self._environment = environment
        self._random = chance
        self.kills = 0
        self.restarts = 0
        """Starts of workers that had ended by themselves: one that cannot load its models ends with status 2."""
        self._workers = [self._start(number) for number in range(workers)]

    def ready(self) -> list[int]:
        """Return the numbers of the workers that pull; start those again that ended."""
        for number, worker in enumerate(self._workers):
            if worker.ended() is not None:
                self.restarts += 1
                self._workers[number] = self._start(number)
        return [number for number, worker in enumerate(self._workers) if _READY in worker.printed()]

    def kill_one(self, *, within_s: float, patience_s: float) -> None:
        """Kill a random worker at a random moment of the next seconds, at work or not, and start it again."""
        deadline = time.monotonic() + patience_s
        while not (ready := self.ready()):
            assert time.monotonic() < deadline, "no worker got ready"
            time.sleep(_LOOK_S)
        time.sleep(self._random.uniform(0.0, within_s))
        number = self._random.choice(ready)
        self._workers[number].kill()
        self.kills += 1
        self._workers[number] = self._start(number)

    def stop(self) -> list[bool]:
        """Ask every worker to end; tell for each whether it did in time."""
        for worker in self._workers:
            worker.ask_to_end()
        return [worker.stop(timeout_s=_DRAIN_S) for worker in self._workers]

    def close(self) -> None:
        """Kill what still runs."""
        for worker in self._workers:
            worker.kill()

    def logs(self) -> str:
        """Return the end of each worker's log, for the message of a failure."""
        return "\n".join(worker.failure("was running") for worker in self._workers)

    def _start(self, number: int) -> Child:
        log = self._folder / f"worker-{number}.log"
        return Child(f"worker-{number}", reviewmill("worker"), log=log, environment=self._environment)
