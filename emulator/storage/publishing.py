"""Publishing bucket notifications to Pub/Sub, in order, until they are taken or the publisher is closed."""

from __future__ import annotations

import logging
import threading
import time

import grpc  # type: ignore[import-untyped,unused-ignore]  # grpcio ships no type information
from google.api_core import exceptions
from google.pubsub_v1 import PublisherClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.types import PubsubMessage
from tenacity import Retrying, retry_if_exception, sleep_using_event, stop_when_event_set, wait_random_exponential

LOG = logging.getLogger(__name__)

ATTEMPT_TIMEOUT_S = 5.0
MAX_WAIT_S = 1.0
# An emulator that restarted has forgotten its topics: whoever sets them up again gets this long.
MISSING_TOPIC_S = 10.0

_TRANSIENT = (
    exceptions.ServiceUnavailable,  # the server is starting, or gone for now
    exceptions.DeadlineExceeded,  # it did not answer in time
    exceptions.Aborted,  # documented as "retry"
    exceptions.InternalServerError,  # documented as "retry"
    exceptions.TooManyRequests,  # over quota; RESOURCE_EXHAUSTED
)


class PubSubPublisher:
    """Publishes one message a call and blocks until it is taken: calls from one thread keep their order.

    `target` is the HOST:PORT of a server without TLS. Transient failures are retried until `close`; a topic that
    does not exist is waited for MISSING_TOPIC_S, then its messages are refused until it exists.
    """

    def __init__(self, target: str) -> None:
        self._closed = threading.Event()
        self._missing_since: dict[str, float] = {}
        # gRPC would wait up to two minutes before it looks for a server again.
        options = (("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 1000))
        self._channel = grpc.insecure_channel(target, options=options)
        self._client = PublisherClient(transport=PublisherGrpcTransport(channel=self._channel))
        self._retrying = Retrying(
            retry=retry_if_exception(self._worth_another_attempt),
            wait=wait_random_exponential(multiplier=0.05, max=MAX_WAIT_S),
            stop=stop_when_event_set(self._closed),
            sleep=sleep_using_event(self._closed),
            reraise=True,
        )

    def __call__(self, topic: str, data: bytes, attributes: dict[str, str]) -> None:
        """Publish; raises what the last attempt raised when the message is given up."""
        message = PubsubMessage(data=data, attributes=attributes)
        try:
            self._retrying(self._client.publish, topic=topic, messages=[message], retry=None, timeout=ATTEMPT_TIMEOUT_S)
        except exceptions.NotFound:
            LOG.warning("storage: topic %s does not exist; create it, or remove the bucket's notification", topic)
            raise
        self._missing_since.pop(topic, None)

    def close(self) -> None:
        """Give up the call under way and all later ones; safe to call twice."""
        self._closed.set()
        self._channel.close()

    def _worth_another_attempt(self, error: BaseException) -> bool:
        if isinstance(error, exceptions.NotFound):
            since = self._missing_since.setdefault(str(error), time.monotonic())
            return time.monotonic() - since < MISSING_TOPIC_S
        return isinstance(error, _TRANSIENT)
