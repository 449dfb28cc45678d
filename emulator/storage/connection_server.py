"""Accepting connections: one thread each, all of which can be ended."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from socketserver import TCPServer, ThreadingMixIn
from typing import Any

from emulator.storage.connection import Connection
from emulator.storage.faults import Faults
from emulator.storage.routing import Router

# How long requests under way may take to end when the server stops.
GRACE_S = 0.5


class ConnectionServer(ThreadingMixIn, TCPServer):
    """A threading TCP server of HTTP connections. `router` is set by who builds it."""

    allow_reuse_address = True
    request_queue_size = 512
    daemon_threads = True

    def __init__(self, address: tuple[str, int]) -> None:
        self._lock = threading.Lock()
        self._open: dict[socket.socket, threading.Thread] = {}
        self.router = Router((), Faults())
        super().__init__(address, Connection)
        self.url = f"http://{address[0]}:{self.server_address[1]}"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a connection's thread and remember both."""
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), name="storage-connection", daemon=True
        )
        with self._lock:
            self._open[request] = thread
        thread.start()

    def shutdown_request(self, request: Any) -> None:
        """Close a connection's socket and forget it."""
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: what reaches this point is a client that went away in the middle of a line."""

    def end_connections(self) -> None:
        """End every connection and its thread: idle ones at once, those in a request after its response or GRACE_S."""
        with self._lock:
            connections = dict(self._open)
        _shut(connections, socket.SHUT_RD)
        deadline = time.monotonic() + GRACE_S
        for thread in connections.values():
            thread.join(max(0.0, deadline - time.monotonic()))
        _shut(connections, socket.SHUT_RDWR)
        for thread in connections.values():
            thread.join()


def _shut(connections: dict[socket.socket, threading.Thread], how: int) -> None:
    for connection in connections:
        with suppress(OSError):
            connection.shutdown(how)
