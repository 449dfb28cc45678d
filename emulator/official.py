"""Google's own Pub/Sub emulator, where it is installed: found, started without its wrapper, and ended for sure.

The `gcloud` wrapper leaves Java running when it is ended, so the jar is started directly. Install it with
`gcloud components install pubsub-emulator` or the package google-cloud-cli-pubsub-emulator.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from emulator.processes import Child, ChildFailed
from emulator.pubsub.wire import PublishRequest, PublishResponse, PubsubMessage, grpc

_SDK_VARIABLES = ("CLOUDSDK_ROOT_DIR", "GOOGLE_CLOUD_SDK", "CLOUD_SDK_ROOT")
_JAR_PATTERN = "platform/pubsub-emulator/lib/cloud-pubsub-emulator-*.jar"
_GCLOUD_TIMEOUT_S = 30
_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 5.0
_CALL_TIMEOUT_S = 30.0
_LOOK_EVERY_S = 0.05
_START_ATTEMPTS = 3


class OfficialNotInstalled(Exception):  # noqa: N818 - reads as the fact it is
    """There is no Java, or no jar of the emulator; the message says which and how to get it."""


def find_official() -> Path | None:
    """Return the emulator's jar, the newest where there are several, or None.

    Looks in the SDK that the environment names, then beside `gcloud` on the path, and asks `gcloud` itself last,
    which takes a second.
    """
    for root in _sdk_roots():
        jars = sorted(root.glob(_JAR_PATTERN), key=_version)
        if jars:
            return jars[-1]
    return None


def find_java() -> str | None:
    """Return the Java command: of JAVA_HOME, else on the path; None where there is none."""
    home = os.environ.get("JAVA_HOME")
    candidates = [str(Path(home) / "bin" / "java")] if home else []
    return next((found for name in [*candidates, "java"] if (found := shutil.which(name))), None)


def _sdk_roots() -> Iterator[Path]:
    for variable in _SDK_VARIABLES:
        value = os.environ.get(variable)
        if value:
            yield Path(value)
    gcloud = shutil.which("gcloud")
    if gcloud is None:
        return
    yield Path(gcloud).resolve().parent.parent
    command = [gcloud, "info", "--format=value(installation.sdk_root)"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=_GCLOUD_TIMEOUT_S, check=True)  # noqa: S603 - found on the path, no shell
    except (OSError, subprocess.SubprocessError):
        return
    if answer.stdout.strip():
        yield Path(answer.stdout.strip())


def _version(jar: Path) -> tuple[int, ...]:
    """Return the numbers in `cloud-pubsub-emulator-0.8.20-all.jar`, to order by."""
    return tuple(int(part) for part in jar.name.replace("-", ".").split(".") if part.isdigit())


class OfficialPubSub:
    """Google's emulator as a process, with the same face as `EmbeddedPubSub`.

    Serves on 127.0.0.1 and `port` (0 for a free one) until stopped. The process ends with this one, however this one
    ends. `start` and `stop` may be called twice, from the main thread.
    """

    def __init__(self, port: int = 0) -> None:
        self.host = "127.0.0.1"
        self.port = port
        self._requested_port = port
        self._child: Child | None = None
        self._logs: tempfile.TemporaryDirectory[str] | None = None

    @property
    def address(self) -> str:
        """`host:port`, the value for PUBSUB_EMULATOR_HOST; the port is known after `start`."""
        return f"{self.host}:{self.port}"

    @property
    def pid(self) -> int | None:
        """The id of the running process, None before and after."""
        return None if self._child is None else self._child.pid

    def start(self) -> Self:
        """Start the jar and return when it answers, after a second or two.

        Raises OfficialNotInstalled, or ChildFailed with the end of its log when it does not get ready.
        """
        if self._child is not None:
            return self
        jar, java = find_official(), find_java()
        if jar is None or java is None:
            missing = "Java" if java is None else "the jar (gcloud components install pubsub-emulator)"
            raise OfficialNotInstalled(f"Google's Pub/Sub emulator cannot be started: {missing} was not found")
        self._logs = tempfile.TemporaryDirectory(prefix="pubsub-emulator-")
        for attempt in range(1, _START_ATTEMPTS + 1):
            try:
                self._launch(java, jar, Path(self._logs.name) / "emulator.log")
                break
            except ChildFailed:
                # Somebody may have taken the free port between our look and Java's.
                self.stop_child()
                if attempt == _START_ATTEMPTS or self._requested_port:
                    self.stop()
                    raise
        return self

    def _launch(self, java: str, jar: Path, log: Path) -> None:
        self.port = self._requested_port or _free_port(self.host)
        command = [java, "-jar", str(jar), f"--host={self.host}", f"--port={self.port}"]
        self._child = Child("Google's Pub/Sub emulator", command, log=log, environment=os.environ)
        self._wait_until_ready(self._child)

    def _wait_until_ready(self, child: Child) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline:
            status = child.ended()
            if status is not None:
                raise ChildFailed(child.failure(f"ended with status {status} before it was ready"))
            try:
                with urllib.request.urlopen(f"http://{self.address}/", timeout=_CALL_TIMEOUT_S):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(_LOOK_EVERY_S)
        raise ChildFailed(child.failure(f"was not ready after {_START_TIMEOUT_S:g} s"))

    def stop(self) -> None:
        """End the process and wait for it; it takes a fraction of a second."""
        self.stop_child()
        if self._logs is not None:
            self._logs.cleanup()
            self._logs = None
        self.port = self._requested_port

    def stop_child(self) -> None:
        """End the process, keeping its log."""
        if self._child is not None:
            self._child.stop(timeout_s=_STOP_TIMEOUT_S)
            self._child = None

    def publish(self, topic: str, data: bytes, attributes: Mapping[str, str] | None = None) -> str:
        """Publish one message to the full topic name and return its id. Raises grpc.RpcError when it is refused."""
        request = PublishRequest(topic=topic, messages=[PubsubMessage(data=data, attributes=dict(attributes or {}))])
        with grpc.insecure_channel(self.address) as channel:
            call = channel.unary_unary(
                "/google.pubsub.v1.Publisher/Publish",
                request_serializer=PublishRequest.SerializeToString,
                response_deserializer=PublishResponse.FromString,
            )
            return str(call(request, timeout=_CALL_TIMEOUT_S).message_ids[0])

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _free_port(host: str) -> int:
    with socket.create_server((host, 0)) as server:
        return int(server.getsockname()[1])
