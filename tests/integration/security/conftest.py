"""A local cloud with trained models, and the product's own processes in it: worker, functions, publisher."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from cloud import connect
from cloud.objects import Objects
from emulator.processes import Child, reviewmill
from emulator.provision import provision
from emulator.pubsub.server import EmbeddedPubSub
from emulator.storage.server import EmbeddedStorage
from emulator.topology import plan
from training.command import main as train
from worker.settings import Settings

ROOT = Path(__file__).resolve().parents[3]
PATIENCE_S = 90.0
"""How long a test waits for what must happen: far longer than it takes."""


def wait_until(done: Callable[[], bool], missing: Callable[[], str] = lambda: "") -> None:
    """Wait until `done` says so; fail after far longer than it takes."""
    ends = time.monotonic() + 200  # under the tests' own limit, so that what is missing is told
    while time.monotonic() < ends:
        if done():
            return
        time.sleep(0.1)
    pytest.fail(f"it did not happen in time: {missing()}")


@dataclass(frozen=True, slots=True)
class Answer:
    """What an HTTP request was answered with."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Function:
    """A process of functions-framework that serves one target."""

    child: Child
    port: int

    def send(self, body: bytes, headers: Mapping[str, str], method: str = "POST", path: str = "/") -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def send_raw(self, request: bytes) -> bytes:
        """Send bytes as they are; return the answer up to the server's close or the end of its headers and body."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S) as connection:
            connection.sendall(request)
            response = http.client.HTTPResponse(connection)
            response.begin()
            return f"{response.status} ".encode() + response.read()


@dataclass(frozen=True, slots=True)
class SecureCloud:
    """A running cloud, with the environment that makes our processes use it."""

    settings: Settings
    environment: Mapping[str, str]
    folder: Path
    opened: ExitStack
    """What is closed with the cloud."""

    def bucket(self, uri: str) -> Objects:
        return self.opened.enter_context(closing(connect.open_objects(uri)))

    def stored(self, uri: str, prefix: str = "") -> dict[str, bytes]:
        """Return name → bytes of the objects of a bucket."""
        with closing(connect.open_objects(uri)) as objects:
            return {info.name: objects.get(info.name)[0] for info in objects.listing(prefix)}

    @contextmanager
    def running(self, title: str, command: list[str], changes: Mapping[str, str]) -> Iterator[Child]:
        log = self.folder / f"{title}.log"
        child = Child(title, command, log=log, environment={**self.environment, **changes})
        try:
            yield child
        finally:
            child.stop(timeout_s=PATIENCE_S)

    @contextmanager
    def worker(self, **changes: str) -> Iterator[Child]:
        """Run `reviewmill worker` while the block runs."""
        with self.running("worker", reviewmill("worker"), changes) as child:
            child.wait_for("ready: pulling", timeout_s=PATIENCE_S)
            yield child

    @contextmanager
    def function(self, target: str, **changes: str) -> Iterator[Function]:
        """Serve a target by functions-framework, as its image does, while the block runs."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [sys.executable, "-m", "functions_framework", "--source", str(ROOT / "main.py")]
        command += ["--target", target, "--host", "127.0.0.1", "--port", str(port)]
        kind = "http" if target == "classify" else "cloudevent"
        with self.running(target, [*command, "--signature-type", kind], changes) as child:
            wait_until(lambda: _listens(port) or child.ended() is not None)
            assert child.ended() is None, child.printed()
            yield Function(child, port)

    def command(self, *arguments: str, **changes: str) -> subprocess.CompletedProcess[bytes]:
        """Run a subcommand to its end."""
        return subprocess.run(
            reviewmill(*arguments),
            cwd=self.folder,
            env={**self.environment, "PYTHONPATH": str(ROOT), **changes},
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
        )


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="package")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureCloud]:
    settings = Settings(batch_age_s=0.1)

    def announce(topic: str, data: bytes, attributes: dict[str, str]) -> None:
        pubsub.publish(topic, data, attributes)

    with (
        pytest.MonkeyPatch.context() as patch,
        EmbeddedPubSub() as pubsub,
        EmbeddedStorage(on_event=announce) as storage,
        ExitStack() as opened,
    ):
        patch.setenv("PUBSUB_EMULATOR_HOST", pubsub.address)
        patch.setenv("STORAGE_EMULATOR_HOST", storage.url)
        provision(plan(settings), os.environ, wait_s=PATIENCE_S)
        assert train([]) == 0
        yield SecureCloud(settings, dict(os.environ), tmp_path_factory.mktemp("security"), opened)
