"""Both Pub/Sub servers under one suite: the embedded one and Google's, through the real client library.

A test that asks for `cloud` runs on both. Where Google's emulator is known to behave differently from the service that
it stands for, the test carries `@pytest.mark.official_differs("how")`: it is then expected to fail there, strictly,
so that a release that fixes the difference is noticed; `always=False` says that it is a race that the test can win.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import uuid4

import grpc  # type: ignore[import-untyped,unused-ignore]  # grpcio ships no type information
import pytest
from google.api_core import exceptions
from google.pubsub_v1 import PublisherClient, SchemaServiceClient, SubscriberClient, types
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.schema_service.transports import SchemaServiceGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from emulator.official import OfficialPubSub, find_java, find_official
from emulator.pubsub.server import EmbeddedPubSub

PROJECT = "projects/reviewmill-laws"
PATIENCE_S = 30.0
"""How long a test waits for what must happen: far longer than it takes."""

_QUIET_S = 0.5
"""How long a test listens for what must not happen."""

_UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "official_differs(reason): Google's emulator is known to fail this law; checked strictly"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not isinstance(item, pytest.Function) or not hasattr(item, "callspec"):
            continue
        if item.callspec.params.get("pubsub_server") != "official":
            continue
        for mark in item.iter_markers("official_differs"):
            always = mark.kwargs.get("always", True)
            item.add_marker(pytest.mark.xfail(reason=f"Google's emulator: {mark.args[0]}", strict=always))


@pytest.fixture(scope="session", params=["embedded", pytest.param("official", marks=pytest.mark.official)])
def pubsub_server(request: pytest.FixtureRequest) -> Iterator[EmbeddedPubSub | OfficialPubSub]:
    """A running server; each test makes resources of its own in it."""
    if request.param == "official":
        require_official()
        with OfficialPubSub() as official:
            yield official
    else:
        with EmbeddedPubSub() as embedded:
            yield embedded


def require_official() -> None:
    """Skip where Google's emulator is not installed; fail instead where it must be."""
    missing = "Java" if find_java() is None else "its jar" if find_official() is None else ""
    if not missing:
        return
    message = f"Google's Pub/Sub emulator is not installed here: {missing} was not found"
    if os.environ.get("REVIEWMILL_REQUIRE_OFFICIAL"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture
def cloud(pubsub_server: EmbeddedPubSub | OfficialPubSub) -> Iterator["Cloud"]:
    """Clients of the running server."""
    clients = Cloud(pubsub_server.address)
    yield clients
    clients.close()


@pytest.fixture
def embedded() -> Iterator[EmbeddedPubSub]:
    """An embedded server of the test's own."""
    with EmbeddedPubSub() as server:
        yield server


class Cloud:
    """The generated clients of one server, and the few steps that every law takes."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._channel = grpc.insecure_channel(address, options=_UNLIMITED)
        self.publisher = PublisherClient(transport=PublisherGrpcTransport(channel=self._channel))
        self.subscriber = SubscriberClient(transport=SubscriberGrpcTransport(channel=self._channel))
        self.schemas = SchemaServiceClient(transport=SchemaServiceGrpcTransport(channel=self._channel))

    def close(self) -> None:
        self._channel.close()

    def name(self, collection: str) -> str:
        """Return a full name that nobody else uses."""
        return f"{PROJECT}/{collection}/law-{uuid4().hex}"

    def topic(self, **settings: Any) -> str:  # noqa: ANN401 - fields of the request
        """Create a topic and return its name."""
        return self.publisher.create_topic(request={"name": self.name("topics"), **settings}).name

    def subscription(self, topic: str, **settings: Any) -> str:  # noqa: ANN401 - fields of the request
        """Create a subscription and return its name."""
        request = {"name": self.name("subscriptions"), "topic": topic, **settings}
        return self.subscriber.create_subscription(request=request).name

    def publish(self, topic: str, *data: bytes, ordering_key: str = "", **attributes: str) -> list[str]:
        """Publish messages in one request and return their ids."""
        messages = [types.PubsubMessage(data=one, attributes=attributes, ordering_key=ordering_key) for one in data]
        return list(self.publisher.publish(topic=topic, messages=messages, timeout=PATIENCE_S).message_ids)

    def pull_ready(
        self, subscription: str, limit: int = 100, timeout_s: float = _QUIET_S
    ) -> list[types.ReceivedMessage]:
        """Return what is ready, waiting a moment for it: possibly nothing."""
        try:
            response = self.subscriber.pull(
                subscription=subscription, max_messages=limit, timeout=timeout_s, retry=None
            )
        except exceptions.DeadlineExceeded:  # a busy server may answer too late
            return []
        return list(response.received_messages)

    def pull(self, subscription: str, count: int) -> list[types.ReceivedMessage]:
        """Pull until `count` messages have come."""
        received: list[types.ReceivedMessage] = []
        deadline = time.monotonic() + PATIENCE_S
        while len(received) < count and time.monotonic() < deadline:
            received += self.pull_ready(subscription, count - len(received))
        assert len(received) == count, f"{len(received)} of {count} messages came"
        return received

    def pull_one(self, subscription: str) -> types.ReceivedMessage:
        """Pull until a message has come."""
        return self.pull(subscription, 1)[0]

    def acknowledge(self, subscription: str, received: Sequence[types.ReceivedMessage]) -> None:
        """Acknowledge what was received."""
        self.subscriber.acknowledge(subscription=subscription, ack_ids=[one.ack_id for one in received])

    def give_back(self, subscription: str, received: Sequence[types.ReceivedMessage], seconds: int = 0) -> None:
        """Set the deadline of what was received, 0 giving it back at once."""
        self.subscriber.modify_ack_deadline(
            subscription=subscription, ack_ids=[one.ack_id for one in received], ack_deadline_seconds=seconds
        )

    def drain(self, subscription: str, count: int) -> list[bytes]:
        """Pull and acknowledge one after the other until `count` messages have come; return their data."""
        data = []
        for _ in range(count):
            one = self.pull_one(subscription)
            self.acknowledge(subscription, [one])
            data.append(one.message.data)
        return data


def eventually(holds: Callable[[], bool]) -> bool:
    """Wait until `holds`, however long it takes within reason, and tell whether it came to hold."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
