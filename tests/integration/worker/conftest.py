"""A whole local cloud in this process: storage, a Pub/Sub server (ours or Google's), set up, with trained models."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace

import pytest

from cloud import connect
from cloud.objects import Objects
from emulator.official import OfficialPubSub, find_java, find_official
from emulator.provision import provision
from emulator.pubsub.server import EmbeddedPubSub
from emulator.storage.server import EmbeddedStorage
from emulator.topology import plan
from training.command import main as train
from worker.settings import Settings
from worker.wiring import build_worker

PATIENCE_S = 60.0
"""How long a test waits for what must happen: far longer than it takes."""


@dataclass(frozen=True, slots=True)
class LocalCloud:
    """A running cloud, and the settings of a worker in it."""

    settings: Settings
    environment: Mapping[str, str]
    opened: ExitStack
    """What is closed with the cloud."""

    def bucket(self, uri: str) -> Objects:
        return self.opened.enter_context(closing(connect.open_objects(uri)))

    def stored(self, uri: str, prefix: str = "") -> dict[str, bytes]:
        """Return name → bytes of the objects of a bucket."""
        with closing(connect.open_objects(uri)) as objects:
            return {info.name: objects.get(info.name)[0] for info in objects.listing(prefix)}

    def lines(self, uri: str, prefix: str) -> list[bytes]:
        """Return the lines of the objects under a prefix, sorted."""
        return sorted(line for data in self.stored(uri, prefix).values() for line in data.splitlines())

    @contextmanager
    def worker(self, **changes: object) -> Iterator[None]:
        """Run a pull worker on threads of this process while the block runs."""
        stop = threading.Event()
        with build_worker(replace(self.settings, **changes), stop) as parts:  # type: ignore[arg-type]
            threads = [threading.Thread(target=pull.run) for pull in parts.pull_workers]
            for thread in threads:
                thread.start()
            try:
                yield
            finally:
                stop.set()
                for thread in threads:
                    thread.join(PATIENCE_S)


def wait_until(done: Callable[[], bool]) -> None:
    """Wait until `done` says so; fail after far longer than it takes."""
    pause = threading.Event()
    for _ in range(int(PATIENCE_S / 0.1)):
        if done():
            return
        pause.wait(0.1)
    pytest.fail("it did not happen in time")


@contextmanager
def pubsub_server(kind: str) -> Iterator[EmbeddedPubSub | OfficialPubSub]:
    if kind == "official" and (find_java() is None or find_official() is None):
        pytest.skip("Google's Pub/Sub emulator is not installed here")
    with OfficialPubSub() if kind == "official" else EmbeddedPubSub() as server:
        yield server


@pytest.fixture(scope="package", params=["embedded", pytest.param("official", marks=pytest.mark.official)])
def cloud(request: pytest.FixtureRequest) -> Iterator[LocalCloud]:
    settings = Settings(batch_age_s=0.1)

    def announce(topic: str, data: bytes, attributes: dict[str, str]) -> None:
        pubsub.publish(topic, data, attributes)

    with (
        pytest.MonkeyPatch.context() as patch,
        pubsub_server(request.param) as pubsub,
        EmbeddedStorage(on_event=announce) as storage,
        ExitStack() as opened,
    ):
        patch.setenv("PUBSUB_EMULATOR_HOST", pubsub.address)
        patch.setenv("STORAGE_EMULATOR_HOST", storage.url)
        provision(plan(settings), os.environ, wait_s=PATIENCE_S)
        assert train([]) == 0
        yield LocalCloud(settings, dict(os.environ), opened)
