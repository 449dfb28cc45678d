"""A TCP proxy that breaks connections on request: for servers that have no faults of their own, as Google's emulator.

It knows nothing of what it carries. What strikes is counted, so that a test can prove that it did.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections import Counter
from contextlib import suppress
from types import TracebackType
from typing import Literal, Self

Kind = Literal["reset", "stall", "slow", "refuse"]

_CHUNK_BYTES = 1 << 16
_ACCEPT_S = 0.1
_STEP_S = 0.02
_CONNECT_S = 5.0
_JOIN_S = 5.0


class FaultProxy:
    """Forwards connections to `host:port` of a server. Listens on 127.0.0.1, on a free port, while it is entered.

    `reset` ends the open connections with RST. `refuse` resets every new one for a time. `stall` passes no byte for a
    time, `slow` only so many a second. Every method may be called from any thread.
    """

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host.strip("[]"), int(port))
        self._lock = threading.Lock()
        self._fired: Counter[Kind] = Counter()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._until: dict[Kind, float] = {}
        self._bytes_per_s = 0
        self._stopped = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])

    @property
    def address(self) -> str:
        """`host:port` to give to clients in the server's place."""
        return f"127.0.0.1:{self.port}"

    def fired(self) -> dict[Kind, int]:
        """Return how often each fault struck: connections reset or refused, chunks held up or slowed down."""
        with self._lock:
            return dict(self._fired)

    def reset(self) -> int:
        """Reset every open connection, and return how many there were."""
        with self._lock:
            sockets, self._open = self._open, set()
            # Each connection is two sockets: the client's and the server's.
            connections = len(sockets) // 2
            self._fired["reset"] += connections
        for one in sockets:
            _reset(one)
        return connections

    def refuse(self, seconds: float) -> None:
        """Reset new connections for a time."""
        self._begin("refuse", seconds)

    def stall(self, seconds: float) -> None:
        """Pass nothing on for a time, in either direction; connections stay open."""
        self._begin("stall", seconds)

    def slow(self, bytes_per_s: int, seconds: float) -> None:
        """Pass on at most so many bytes a second in each direction of a connection, for a time."""
        self._bytes_per_s = bytes_per_s
        self._begin("slow", seconds)

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        with self._lock:
            sockets, self._open = self._open, set()
            threads = list(self._threads)
        for one in sockets:
            _reset(one)
        for thread in threads:
            thread.join(_JOIN_S)
        self._listener.close()

    def _begin(self, kind: Kind, seconds: float) -> None:
        with self._lock:
            self._until[kind] = time.monotonic() + seconds

    def _struck(self, kind: Kind) -> bool:
        """Tell whether a fault is on now, and count it then."""
        with self._lock:
            strikes = time.monotonic() < self._until.get(kind, 0.0)
            self._fired[kind] += strikes
        return strikes

    def _start(self, work: object, *arguments: object) -> None:
        assert callable(work)
        thread = threading.Thread(target=work, args=arguments, name="fault-proxy", daemon=True)
        with self._lock:
            self._threads = [one for one in self._threads if one.is_alive()]
            self._threads.append(thread)
            thread.start()

    def _accept(self) -> None:
        self._listener.settimeout(_ACCEPT_S)
        while not self._stopped.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            if self._struck("refuse"):
                _reset(client)
                continue
            try:
                server = socket.create_connection(self._target, _CONNECT_S)
            except OSError:
                _reset(client)
                continue
            for one in (client, server):
                one.settimeout(None)
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open |= {client, server}
            self._start(self._pump, client, server)
            self._start(self._pump, server, client)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        """Copy one direction of a connection until either side ends."""
        with suppress(OSError):
            while chunk := source.recv(_CHUNK_BYTES):
                self._hold()
                self._send(sink, chunk)
        with self._lock:
            self._open -= {source, sink}
        for one in (source, sink):
            # Wakes the other direction's thread, which then closes both as well; closing twice does no harm.
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _hold(self) -> None:
        """Wait while connections are stalled."""
        if self._struck("stall"):
            while not self._stopped.wait(_STEP_S) and time.monotonic() < self._until["stall"]:
                pass

    def _send(self, sink: socket.socket, chunk: bytes) -> None:
        if not self._struck("slow"):
            sink.sendall(chunk)
            return
        step = max(1, int(self._bytes_per_s * _STEP_S))
        for start in range(0, len(chunk), step):
            sink.sendall(chunk[start : start + step])
            if time.monotonic() < self._until["slow"]:
                self._stopped.wait(_STEP_S)


def _reset(one: socket.socket) -> None:
    """End a connection with RST: closing a socket that lingers for zero seconds does that, once nobody reads it."""
    with suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # A thread that waits in recv keeps the socket alive: shutting it down for reading wakes that thread first.
        one.shutdown(socket.SHUT_RD)
    one.close()
