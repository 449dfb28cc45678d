"""The local cloud as one thing: both servers, what they must hold, and workers; started and ended in order."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from cloud.objects import ObjectNotFound, Objects, TransientError
from emulator.processes import Child, ChildFailed, reviewmill
from emulator.topology import plan
from schemas.names import DEFAULT_MODEL, MODEL_NAMES
from worker.core.naming import model_alias
from worker.settings import Settings

PROJECT = "reviewmill-local"
"""Never a real project's id, whatever the shell's environment names."""

_READY_S = 60.0
_STOP_WORKER_S = 12.0
"""A worker finishes its batch within 10 s of SIGTERM."""
_STOP_SERVER_S = 5.0
_OTHER_MODELS_S = 10.0
_SHORT_LIFE_S = 10.0
_MAX_SHORT_LIVES = 3


class NotInstalled(Exception):  # noqa: N818 - reads as the fact it is
    """What was asked for is not on this machine; the message says how to go on."""


class LocalCloud:
    """Both emulators, set up, and any number of workers.

    `start` and `stop` run in the main thread. What is started is ended by `stop`, or by the kernel when this
    process is killed.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], say: Callable[[str], None]) -> None:
        self.folder = folder
        self.environment = {**environment, "GOOGLE_CLOUD_PROJECT": PROJECT, **_direct_connections(environment)}
        self._say = say
        self._stop_official: Callable[[], None] | None = None
        self._servers: list[Child] = []
        self._workers: list[Child] = []
        self._models: Objects | None = None
        self._default_since: float | None = None
        self._short_lives = 0

    def start(self, settings: Settings, *, official: bool, pubsub_port: int, storage_port: int) -> None:
        """Start both servers and set them up. Raises ChildFailed, NotInstalled or NotProvisioned."""
        self._say(f"Pub/Sub: starting the {'official' if official else 'embedded'} emulator")
        pubsub = self._start_official(pubsub_port) if official else self._start_server("pubsub", pubsub_port)
        self._use("PUBSUB_EMULATOR_HOST", pubsub)
        self._say(f"Pub/Sub: ready at {pubsub}")
        kept = self.folder / "storage"
        storage = self._start_server("storage", storage_port, "--folder", str(kept), "--pubsub", pubsub)
        self._use("STORAGE_EMULATOR_HOST", storage)
        self._say(f"storage: ready at {storage}, objects are kept in {kept}")
        # The client libraries take a second to import; by now the servers are up meanwhile.
        from emulator.provision import provision  # noqa: PLC0415 - see above

        topology = plan(settings)
        provision(topology, self.environment, wait_s=_READY_S)
        self._say(f"set up: topics {', '.join(topology.topics)}; buckets {', '.join(topology.buckets)}")

    def has_models(self, settings: Settings) -> bool:
        """Say whether the classifiers are there; a worker refuses to start without the default one.

        Training stores one after the other: the others are waited for too, for a while.
        """
        # The storage client takes a second to import, and was by the set-up.
        from cloud.connect import open_objects  # noqa: PLC0415 - see above

        if self._models is None:
            self._models = open_objects(settings.models)
        there = {name for name in MODEL_NAMES if _exists(self._models, model_alias(name))}
        if DEFAULT_MODEL in there and self._default_since is None:
            self._default_since = time.monotonic()
        return self._default_since is not None and (
            len(there) == len(MODEL_NAMES) or time.monotonic() - self._default_since > _OTHER_MODELS_S
        )

    def start_workers(self, count: int) -> None:
        """Start so many workers."""
        for number in range(1, count + 1):
            self._workers.append(self._start_worker(f"worker-{number}"))

    def look_after(self) -> None:
        """Start workers that ended again, as a cloud does; raises ChildFailed when a server or every start fails."""
        for server in self._servers:
            status = server.ended()
            if status is not None:
                raise ChildFailed(server.failure(f"ended with status {status}"))
        for index, worker in enumerate(self._workers):
            status = worker.ended()
            if status is None:
                continue
            short = time.monotonic() - worker.started < _SHORT_LIFE_S
            self._short_lives = self._short_lives + 1 if short else 0
            if self._short_lives >= _MAX_SHORT_LIVES:
                raise ChildFailed(worker.failure(f"ended with status {status} soon after each of its starts"))
            self._say(f"{worker.title}: ended with status {status}; starting it again")
            self._workers[index] = self._start_worker(worker.title)

    def run(self, title: str, *arguments: str, timeout_s: float) -> None:
        """Run one subcommand against this cloud to its end; raises ChildFailed when it fails."""
        child = Child(title, reviewmill(*arguments), log=self.folder / f"{title}.log", environment=self.environment)
        self._workers.append(child)  # so that an interrupt ends it like a worker
        status = child.wait(timeout_s=timeout_s)
        self._workers.remove(child)
        if status != 0:
            raise ChildFailed(child.failure(f"ended with status {status}"))

    def stop(self) -> None:
        """End workers first, so that they can store and acknowledge, then the servers. Safe to call twice."""
        for worker in self._workers:
            worker.ask_to_end()
        for worker in self._workers:
            if not worker.stop(timeout_s=_STOP_WORKER_S):
                self._say(f"{worker.title}: did not end within {_STOP_WORKER_S:g} s and was killed")
        for server in reversed(self._servers):
            if not server.stop(timeout_s=_STOP_SERVER_S):
                self._say(f"{server.title}: did not end within {_STOP_SERVER_S:g} s and was killed")
        if self._stop_official:
            self._stop_official()
        self._workers, self._servers, self._stop_official = [], [], None

    def kill_from_handler(self) -> None:
        """Kill everything at once; `stop`, which is running, then finds all ended."""
        for child in (*self._workers, *self._servers):
            child.kill_from_handler()

    def exports(self) -> list[str]:
        """Return the shell lines that point another terminal at this cloud."""
        names = [name for name in self.environment if _shared(name)]
        return [f"export {name}={shlex.quote(self.environment[name])}" for name in sorted(names)]

    def _start_official(self, port: int) -> str:
        # Its module imports gRPC, for about a second: only who wants it waits.
        from emulator.official import OfficialNotInstalled, OfficialPubSub  # noqa: PLC0415 - see above

        server = OfficialPubSub(port)
        self._stop_official = server.stop
        try:
            return server.start().address
        except OfficialNotInstalled as error:
            raise NotInstalled(f"{error}. Install it, or use --pubsub embedded.") from None

    def _start_server(self, kind: str, port: int, *arguments: str) -> str:
        """Start `reviewmill emulator KIND` and return the address that it prints."""
        command = reviewmill("emulator", kind, "--port", str(port), *arguments)
        child = Child(kind, command, log=self.folder / f"{kind}.log", environment=self.environment)
        self._servers.append(child)
        return child.wait_for(rf"^export {kind.upper()}_EMULATOR_HOST=(\S+)$", timeout_s=_READY_S)[1]

    def _start_worker(self, title: str) -> Child:
        self._say(f"{title}: starting, its log is {self.folder / f'{title}.log'}")
        return Child(title, reviewmill("worker"), log=self.folder / f"{title}.log", environment=self.environment)

    def _use(self, variable: str, value: str) -> None:
        """Have children, and the client libraries in this process, use an emulator."""
        self.environment[variable] = value
        os.environ[variable] = value


def _exists(objects: Objects, name: str) -> bool:
    try:
        objects.info(name)
    except (ObjectNotFound, TransientError):
        return False
    return True


def _shared(name: str) -> bool:
    return name.startswith("REVIEWMILL_") or name in {
        "GOOGLE_CLOUD_PROJECT",
        "PUBSUB_EMULATOR_HOST",
        "STORAGE_EMULATOR_HOST",
        "NO_PROXY",
        "no_proxy",
    }


def _direct_connections(environment: Mapping[str, str]) -> dict[str, str]:
    """Keep a proxy of the environment out of the way of 127.0.0.1."""
    if not any(environment.get(name) for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "grpc_proxy")):
        return {}
    hosts = [environment.get("no_proxy") or environment.get("NO_PROXY") or "", "127.0.0.1", "localhost"]
    value = ",".join(host for host in hosts if host)
    return {"no_proxy": value, "NO_PROXY": value}
