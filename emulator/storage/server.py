"""The embedded Cloud Storage server, for use inside a process: `with EmbeddedStorage() as storage: storage.url`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from emulator.storage.batch import BatchRoutes
from emulator.storage.bucket_routes import BucketRoutes
from emulator.storage.connection_server import ConnectionServer
from emulator.storage.delivery import Delivery, OnEvent
from emulator.storage.faults import Faults
from emulator.storage.notifications import Change
from emulator.storage.object_routes import ObjectRoutes
from emulator.storage.persistence import FolderShelf
from emulator.storage.routing import Router
from emulator.storage.shelf import MemoryShelf, Shelf
from emulator.storage.store import Store
from emulator.storage.upload_routes import UploadRoutes
from emulator.storage.uploads import Sessions

# How often the accepting thread looks whether it shall stop.
_POLL_S = 0.05


class EmbeddedStorage:
    """A Cloud Storage server on a free port (or `port`), in memory or, with `root`, kept in that folder.

    Point clients at it with STORAGE_EMULATOR_HOST=`url`. `on_event(topic, data, attributes)` receives bucket
    notifications in the order of the commits, in a thread of its own, and may block or raise: uploads do not wait.
    `on_commit` is told of every change under the store's lock, before the client is answered; it must not block.
    The constructor binds the port, so that `url` is known and clients may connect; `start` serves them.
    Raises OSError when the port is taken and FolderError when the folder cannot be used.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        root: Path | None = None,
        on_event: OnEvent | None = None,
        *,
        on_commit: Callable[[Change], None] | None = None,
    ) -> None:
        self.faults = Faults()
        self._server = ConnectionServer((host, port))
        self.url = self._server.url
        self._delivery = None if on_event is None else Delivery(on_event)
        with ExitStack() as opened:
            opened.callback(self._server.server_close)
            self._shelf: Shelf = MemoryShelf() if root is None else FolderShelf(root)
            opened.callback(self._shelf.close)
            self.store = Store(self._shelf, self._delivery.put if self._delivery else None, self.url, on_commit)
            # Everything is in order: `stop` closes from here on.
            opened.pop_all()
        self._sessions = Sessions(self.store)
        self._server.router = self._router()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Serve requests in the background until `stop`."""
        if self._thread is None:
            if self._delivery is not None:
                self._delivery.start()
            self._thread = threading.Thread(
                target=self._server.serve_forever, args=(_POLL_S,), name="storage-accept", daemon=True
            )
            self._thread.start()

    def stop_serving(self) -> None:
        """End all connections and their threads. Requests under way get a moment to end. Safe to call twice."""
        self.faults.close()
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._thread = None
        self._server.end_connections()
        self._server.server_close()
        self._sessions.close()

    def stop(self, drain_s: float = 5.0) -> int:
        """Stop serving, spend up to `drain_s` seconds on the notifications still to deliver, and end all threads.

        Returns how many notifications were given up. Safe to call twice; a stopped server cannot be started again.
        """
        self.stop_serving()
        given_up = self._delivery.stop(drain_s) if self._delivery is not None else 0
        self._shelf.close()
        return given_up

    def wait_for_events(self, timeout_s: float = 10.0) -> bool:
        """Wait until `on_event` has received every notification of the changes made so far; False after the time."""
        return self._delivery is None or self._delivery.wait_until_empty(timeout_s)

    def _router(self) -> Router:
        objects = ObjectRoutes(self.store)
        routes = (
            *BucketRoutes(self.store).routes(),
            *objects.routes(),
            *UploadRoutes(self.store, self._sessions).routes(),
        )
        calls = Router(routes, self.faults)
        return Router((*routes, *BatchRoutes(calls).routes(), *objects.xml_routes()), self.faults)
