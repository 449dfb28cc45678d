"""The fault proxy before a plain echo server, and before both Pub/Sub servers with the real client."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from uuid import uuid4

import pytest
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient

from cloud.connect import open_subscription, open_topic
from emulator.official import OfficialPubSub, find_java, find_official
from emulator.proxy import FaultProxy, Kind
from emulator.pubsub.server import EmbeddedPubSub

PATIENCE_S = 30.0
PROJECT = "reviewmill-laws"
FAULTS: tuple[Kind, ...] = ("reset", "stall", "slow", "refuse")


@pytest.fixture
def echo() -> Iterator[str]:
    """A server that sends back what it gets."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            while data := connection.recv(65_536):
                connection.sendall(data)

    def accept() -> None:
        with suppress(OSError):
            while True:
                thread = threading.Thread(target=serve, args=(listener.accept()[0],))
                thread.start()
                threads.append(thread)

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    yield f"127.0.0.1:{listener.getsockname()[1]}"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    for thread in (acceptor, *threads):
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


@pytest.fixture
def proxy(echo: str) -> Iterator[FaultProxy]:
    before = set(threading.enumerate())
    with FaultProxy(echo) as running:
        yield running
    assert not [one for one in threading.enumerate() if one not in before and one.name == "fault-proxy"]


def dial(proxy: FaultProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), PATIENCE_S)


def exchange(connection: socket.socket, data: bytes) -> bytes:
    connection.sendall(data)
    got = b""
    while len(got) < len(data):
        chunk = connection.recv(65_536)
        if not chunk:
            break
        got += chunk
    return got


def keep_sending(connection: socket.socket) -> None:
    """Send until the connection fails: a reset may first be met by an empty read."""
    while True:
        exchange(connection, b"a")


def test_without_faults_all_bytes_pass(proxy: FaultProxy) -> None:
    with dial(proxy) as one, dial(proxy) as other:
        assert exchange(one, b"x" * 300_000) == b"x" * 300_000
        assert exchange(other, b"y") == b"y"
    assert sum(proxy.fired().values()) == 0


def test_a_reset_ends_open_connections_only(proxy: FaultProxy) -> None:
    with dial(proxy) as one:
        assert exchange(one, b"a") == b"a"
        assert proxy.reset() == 1
        with pytest.raises(ConnectionError):
            keep_sending(one)
    with dial(proxy) as two:
        assert exchange(two, b"c") == b"c"
    assert proxy.fired()["reset"] == 1


def test_refused_connections_are_reset_until_the_time_is_over(proxy: FaultProxy) -> None:
    proxy.refuse(3600)
    with pytest.raises(ConnectionError), dial(proxy) as one:
        keep_sending(one)
    proxy.refuse(0)
    with dial(proxy) as two:
        assert exchange(two, b"b") == b"b"
    assert proxy.fired()["refuse"] == 1


def test_a_stall_holds_bytes_back_and_loses_none(proxy: FaultProxy) -> None:
    with dial(proxy) as one:
        assert exchange(one, b"a") == b"a"
        proxy.stall(3600)
        one.settimeout(0.3)
        with pytest.raises(TimeoutError):
            exchange(one, b"held")
        one.settimeout(PATIENCE_S)
        proxy.stall(0)
        assert one.recv(100) == b"held"
    assert proxy.fired()["stall"] >= 1


def test_a_slow_connection_passes_all_bytes(proxy: FaultProxy) -> None:
    with dial(proxy) as one:
        proxy.slow(100_000, 0.5)
        assert exchange(one, b"z" * 200_000) == b"z" * 200_000
    assert proxy.fired()["slow"] >= 1


def strike(proxy: FaultProxy, fault: Kind) -> None:
    if fault == "stall":
        proxy.stall(2)
    elif fault == "slow":
        proxy.slow(20_000, 2)
    else:
        if fault == "refuse":
            proxy.refuse(2)
        proxy.reset()  # before a refusal too, so that a new connection is needed


@pytest.mark.parametrize("kind", ["embedded", pytest.param("official", marks=pytest.mark.official)])
def test_pubsub_goes_on_after_every_fault(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if kind == "official" and (find_java() is None or find_official() is None):
        pytest.skip("Google's Pub/Sub emulator is not installed here")
    name = f"law-{uuid4().hex}"
    with OfficialPubSub() if kind == "official" else EmbeddedPubSub() as server, FaultProxy(server.address) as proxy:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", proxy.address)
        with PublisherClient() as publisher, SubscriberClient() as subscriber:
            topic = f"projects/{PROJECT}/topics/{name}"
            publisher.create_topic(name=topic)
            subscriber.create_subscription(name=f"projects/{PROJECT}/subscriptions/{name}", topic=topic)
        out, back = open_topic(PROJECT, name), open_subscription(PROJECT, name)
        seen: set[bytes] = set()
        for number, fault in enumerate(FAULTS):
            strike(proxy, fault)
            data = b"%d" % number
            out.publish(data, {}).result(timeout=PATIENCE_S)
            while data not in seen:
                batch = back.pull(10, timeout_s=PATIENCE_S)
                assert batch
                seen |= {message.data for message in batch}
                back.acknowledge([message.ack_id for message in batch])
        assert all(proxy.fired()[fault] >= 1 for fault in FAULTS)
        out.close()
        back.close()
