"""Connections that break in the middle of a body: what arrived is kept, the rest is asked for."""

import os
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from cloud.gcs import GcsObjects
from cloud.objects import MAX_PUT_BYTES
from emulator.storage.server import EmbeddedStorage

BREAK_AFTER_BYTES = 1_000_000


class BreakingProxy:
    """Forwards connections to a server, and cuts one once in the middle of a large body, either way.

    `ranges` are the byte ranges that requests asked for, `Content-Range`s those that uploads announced.
    """

    def __init__(self, address: tuple[str, int], cut: str) -> None:
        self._address = address
        self._cut: str | None = cut
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = [self._listener]
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.ranges: list[str] = []
        self._start(self._accept)

    @property
    def has_cut(self) -> bool:
        return self._cut is None

    def close(self) -> None:
        for one in self._sockets:
            _end(one)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._address)
            self._sockets += [client, server]
            self._start(self._forward, client, server, "upload")
            self._start(self._forward, server, client, "download")

    def _forward(self, source: socket.socket, target: socket.socket, way: str) -> None:
        forwarded = 0
        while True:
            try:
                data = source.recv(65_536)
                if not data:
                    break
                if way == "upload":
                    self.ranges += re.findall(r"(?im)^(?:content-)?range: (.*?)\r$", data[:4_000].decode("latin-1"))
                target.sendall(data)
            except OSError:
                break
            forwarded += len(data)
            if way == self._cut and forwarded > BREAK_AFTER_BYTES:
                self._cut = None
                break
        _end(source)
        _end(target)

    def _start(self, run: object, *arguments: object) -> None:
        thread = threading.Thread(target=run, args=arguments)  # type: ignore[arg-type] # one of the methods above
        self._threads.append(thread)
        thread.start()


def _end(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()


@pytest.fixture(params=["upload", "download"])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def proxy(storage: EmbeddedStorage, way: str) -> Iterator[BreakingProxy]:
    parts = urlsplit(storage.url)
    assert parts.hostname is not None
    assert parts.port is not None
    made = BreakingProxy((parts.hostname, parts.port), way)
    yield made
    made.close()


def test_a_large_file_survives_a_connection_that_breaks(
    bucket: str, proxy: BreakingProxy, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = os.urandom(MAX_PUT_BYTES + 3_000_000)
    path = tmp_path / "file"
    path.write_bytes(data)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.url)
    objects = GcsObjects(bucket, timeout_s=30.0)
    info = objects.put_file("file", path, content_type="text/csv", if_generation=0)
    assert b"".join(objects.stream("file", generation=info.generation)) == data
    assert proxy.has_cut
    if way == "upload":
        assert f"bytes */{len(data)}" in proxy.ranges, "the service was not asked what it has"
    else:
        first, second = [found for found in proxy.ranges if found.startswith("bytes=")][:2]
        asked = re.fullmatch(r"bytes=0-(\d+)", first)
        assert asked is not None, proxy.ranges
        begin = re.fullmatch(rf"bytes=(\d+)-{asked[1]}", second)
        assert begin is not None, proxy.ranges
        assert int(begin[1]) > 0, "what had arrived was asked for again"
    objects.close()
