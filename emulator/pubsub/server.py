"""The embedded Pub/Sub server: a gRPC server on an event loop of its own thread."""

import asyncio
import errno
import os
import socket
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self

from emulator.pubsub.broker import Broker
from emulator.pubsub.channel import OnAcknowledge
from emulator.pubsub.faults import Faults
from emulator.pubsub.publisher_service import PublisherService
from emulator.pubsub.pull_service import PullService
from emulator.pubsub.push import PushDelivery
from emulator.pubsub.rpc import generic_handler
from emulator.pubsub.schema_service import SchemaService
from emulator.pubsub.schemas import SchemaRegistry
from emulator.pubsub.snapshot_service import SnapshotService
from emulator.pubsub.streaming_service import StreamingPullService
from emulator.pubsub.subscriber_service import SubscriptionService
from emulator.pubsub.wire import PublishRequest, PubsubMessage, grpc

_MAX_WIRE_BYTES = 24 * 1024 * 1024
_START_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 10.0
_STOP_GRACE_S = 0.1
_OPTIONS = (
    ("grpc.max_receive_message_length", _MAX_WIRE_BYTES),
    ("grpc.max_send_message_length", _MAX_WIRE_BYTES),
    # Without this a second server on a port that is taken would start, and get some of the calls.
    ("grpc.so_reuseport", 0),
)


class EmbeddedPubSub:
    """`with EmbeddedPubSub() as server: os.environ["PUBSUB_EMULATOR_HOST"] = server.address`.

    Serves `google.pubsub.v1` on `host` and `port` (0 for a free one) until stopped, and keeps nothing after that.
    `start`, `stop` and `publish` may be called from any thread but the server's own; both `start` and `stop` may be
    called twice. `faults` plans what goes wrong and is kept over a restart. `on_acknowledge` is told of every
    acknowledgement that arrives, on the server's thread.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0, on_acknowledge: OnAcknowledge | None = None) -> None:
        self.host = host
        self.port = port
        self.faults = Faults()
        self._on_acknowledge = on_acknowledge
        self._requested_port = port
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._running: _Running | None = None

    @property
    def address(self) -> str:
        """`host:port`, the value for PUBSUB_EMULATOR_HOST; the port is known after `start`."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def start(self) -> Self:
        """Serve on a new thread and return when the port accepts calls. Raises OSError when the port is taken."""
        with self._lock:
            if self._thread is not None:
                return self
            started: Future[_Running] = Future()
            thread = threading.Thread(target=self._run, args=(started,), name="embedded-pubsub", daemon=True)
            thread.start()
            try:
                self._running = started.result(_START_TIMEOUT_S)
            except BaseException:
                thread.join(_STOP_TIMEOUT_S)
                raise
            self._thread = thread
            self.port = self._running.port
        return self

    def stop(self) -> None:
        """End open calls, close the port and end the thread; takes well under a second."""
        with self._lock:
            if self._thread is None or self._running is None:
                return
            self._running.request_stop()
            self._thread.join(_STOP_TIMEOUT_S)
            self._thread = self._running = None
            self.port = self._requested_port

    def publish(self, topic: str, data: bytes, attributes: Mapping[str, str] | None = None) -> str:
        """Publish one message to the full topic name and return its id; blocks for milliseconds.

        Raises `PubSubError` for a topic that does not exist or a message that breaks a limit, as a call would.
        """
        running = self._running
        if running is None:
            raise RuntimeError("the Pub/Sub server is not running")
        message = PubsubMessage(data=data, attributes=dict(attributes or {}))
        request = PublishRequest(topic=topic, messages=[message])
        response = asyncio.run_coroutine_threadsafe(running.publisher.Publish(request, None), running.loop)
        return str(response.result(_STOP_TIMEOUT_S).message_ids[0])

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self, started: "Future[_Running]") -> None:
        try:
            asyncio.run(self._serve(started))
        except Exception as error:
            if started.done():
                raise
            started.set_exception(error)

    async def _serve(self, started: "Future[_Running]") -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_ignore_spurious_wakeups)
        running = _Running(loop, self.faults, self._on_acknowledge)
        running.bind(self.host, self._requested_port)
        await running.serve(started)


class _Running:
    """One run of the server: created, served and ended on the event loop of its thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, faults: Faults, on_acknowledge: OnAcknowledge | None) -> None:
        self.loop = loop
        self.port = 0
        broker = Broker(loop, on_acknowledge)
        schemas = SchemaRegistry()
        self.publisher = PublisherService(broker, schemas)
        schema_service = SchemaService(broker, schemas)
        self._push = PushDelivery()
        self._stop = asyncio.Event()
        self._server = grpc.aio.server(options=_OPTIONS)
        subscriber = (
            SubscriptionService(broker, self._push.configure),
            PullService(broker, faults),
            StreamingPullService(broker, faults),
            SnapshotService(broker),
        )
        self._server.add_generic_rpc_handlers(
            [
                generic_handler(self.publisher, "Publisher", self.publisher.REQUESTS, faults),
                *(generic_handler(part, "Subscriber", part.REQUESTS, faults) for part in subscriber),
                generic_handler(schema_service, "SchemaService", schema_service.REQUESTS, faults),
            ]
        )

    def bind(self, host: str, port: int) -> None:
        """Take the port. Raises OSError with the system's reason."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        if port:
            # gRPC tells only that it failed, and writes to stderr; a plain socket knows why.
            socket.create_server((host, port), family=family).close()
        try:
            self.port = self._server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        except RuntimeError as error:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE)) from error

    async def serve(self, started: "Future[_Running]") -> None:
        """Answer calls until `request_stop`."""
        await self._server.start()
        started.set_result(self)
        await self._stop.wait()
        await self._push.close()
        await self._server.stop(_STOP_GRACE_S)

    def request_stop(self) -> None:
        """End `serve`; may be called from any thread."""
        self.loop.call_soon_threadsafe(self._stop.set)


def _ignore_spurious_wakeups(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Drop the BlockingIOError that gRPC logs when two event loops of a process share its poller (grpc#25364)."""
    if not isinstance(context.get("exception"), BlockingIOError):
        loop.default_exception_handler(context)
