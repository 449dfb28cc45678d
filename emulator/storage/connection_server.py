"""Accepting connections: one thread each, all of which can be ended."""

from __future__ import annotations

import logging
import socket
import sys
import threading
import time
from contextlib import suppress
from socketserver import BaseRequestHandler, TCPServer, ThreadingMixIn
from typing import Any

from emulator.storage.connection import Connection
from emulator.storage.faults import Faults
from emulator.storage.routing import Router

# As socketserver names them: for TCP, the connection's socket and its address.
Client = Any
Address = Any

LOG = logging.getLogger(__name__)

# How long requests under way may take to end when the server stops.
GRACE_S = 0.5
# A thread whose socket is gone ends at once, unless it composes gigabytes; then it is left to end by itself.
LAST_GRACE_S = 5.0


class ConnectionServer(ThreadingMixIn, TCPServer):
    """A threading TCP server of HTTP connections. `router` is set by who builds it."""

    allow_reuse_address = True
    request_queue_size = 512
    daemon_threads = True

    def __init__(self, address: tuple[str, int]) -> None:
        self._lock = threading.Lock()
        self._open: dict[socket.socket, threading.Thread] = {}
        self.router = Router((), Faults())
        super().__init__(address, BaseRequestHandler)
        self.url = f"http://{address[0]}:{self.server_address[1]}"

    def process_request(self, request: Client, client_address: Address) -> None:
        """Start a connection's thread and remember both; forget the threads that have ended."""
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), name="storage-connection", daemon=True
        )
        with self._lock:
            self._open = {known: of for known, of in self._open.items() if of.is_alive()}
            thread.start()
            self._open[request] = thread

    def finish_request(self, request: Client, client_address: Address) -> None:
        """Serve a connection until it ends."""
        Connection(request, client_address, self, self.router, self.url)

    def handle_error(self, request: Client, client_address: Address) -> None:  # noqa: ARG002 - given by the base class
        """Log a failed connection, unless the client simply went away in the middle of a line."""
        error = sys.exception()
        if not isinstance(error, ConnectionError):
            LOG.error("storage: the connection from %s failed; this is a bug", client_address, exc_info=error)

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
            thread.join(LAST_GRACE_S)


def _shut(connections: dict[socket.socket, threading.Thread], how: int) -> None:
    for connection in connections:
        with suppress(OSError):
            connection.shutdown(how)
