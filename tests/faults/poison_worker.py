"""`python -m tests.faults.poison_worker [isolated]`: the real worker, which two requests end or break.

The worker's code knows nothing of it: the poison works in the write of its row, at the port.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from cloud import connect
from cloud.faults import Faults
from cloud.faulty import FaultyObjects
from cloud.objects import ObjectInfo, Objects
from cloud.queue import Subscription, Topic
from tests.faults.failpoints import PlantedError
from worker.command import main as worker
from worker.isolated import main as isolated

KILLS, RAISES = "kills-the-process", "raises-an-error"
MARKS = "POISON_MARKS"
"""Variable that names a file to which each death is added."""


class Poisoned(FaultyObjects):
    """Results in which one key's row ends the process, and another's raises what nobody expects."""

    def __init__(self, inner: Objects) -> None:
        super().__init__(inner, Faults())

    def put(
        self,
        name: str,
        data: bytes,
        *,
        content_type: str,
        if_generation: int,
        metadata: Mapping[str, str] | None = None,
    ) -> ObjectInfo:
        if f'"key":"{KILLS}"'.encode() in data:
            with Path(os.environ[MARKS]).open("a") as file:
                file.write(f"{os.getpid()}\n")
            os.kill(os.getpid(), signal.SIGKILL)
        if f'"key":"{RAISES}"'.encode() in data:
            raise PlantedError("poison")
        return super().put(name, data, content_type=content_type, if_generation=if_generation, metadata=metadata)


class Opener:
    """Opens the real adapters."""

    def open_objects(self, uri: str, *, timeout_s: float = 8.0) -> Objects:
        return Poisoned(connect.open_objects(uri, timeout_s=timeout_s))

    def open_subscription(self, project: str, name: str) -> Subscription:
        return connect.open_subscription(project, name)

    def open_topic(self, project: str, name: str) -> Topic:
        return connect.open_topic(project, name)


if __name__ == "__main__":
    if sys.argv[1:] == ["isolated"]:
        sys.exit(isolated(opener=Opener()))
    sys.exit(worker([], opener=Opener(), isolated=(sys.executable, "-m", "tests.faults.poison_worker", "isolated")))
