"""What only the embedded server promises: how it starts and ends, its faults, its command."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import grpc  # type: ignore[import-untyped,unused-ignore]  # grpcio ships no type information
import pytest
from google.api_core import exceptions
from google.pubsub_v1 import types

from emulator.official import OfficialPubSub
from emulator.pubsub.errors import PubSubError
from emulator.pubsub.server import EmbeddedPubSub
from tests.laws.pubsub.conftest import PATIENCE_S, PROJECT, Cloud, eventually, require_official

COMMAND = [sys.executable, "-m", "reviewmill", "emulator", "pubsub"]


def test_it_leaves_no_thread_and_no_port() -> None:
    before = set(threading.enumerate())
    server = EmbeddedPubSub()
    with server:
        host, port = server.address.rsplit(":", 1)
        socket.create_connection((host, int(port))).close()
    assert eventually(lambda: set(threading.enumerate()) <= before)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)))


def test_starting_and_stopping_twice_is_harmless() -> None:
    server = EmbeddedPubSub()
    first = server.start().address
    assert server.start().address == first
    server.stop()
    server.stop()
    with server:
        clients = Cloud(server.address)
        assert list(clients.publisher.list_topics(project=PROJECT)) == [], "nothing is kept over a restart"
        clients.close()


def test_it_ends_while_a_stream_is_open(embedded: EmbeddedPubSub) -> None:
    clients = Cloud(embedded.address)
    topic = clients.topic()
    subscription = clients.subscription(topic)
    done = threading.Event()

    def requests() -> Iterator[types.StreamingPullRequest]:
        yield types.StreamingPullRequest(subscription=subscription, stream_ack_deadline_seconds=60)
        done.wait(PATIENCE_S)

    stream = iter(clients.subscriber.streaming_pull(requests=requests()))
    clients.publish(topic, b"first")
    next(stream)
    embedded.stop()
    with pytest.raises(exceptions.GoogleAPICallError):
        next(stream)
    done.set()
    clients.close()


def test_a_taken_port_is_told() -> None:
    with EmbeddedPubSub() as server, pytest.raises(OSError, match="in use"):
        EmbeddedPubSub(port=server.port).start()


def test_an_acknowledgement_from_before_a_restart_never_matches() -> None:
    server = EmbeddedPubSub()
    names = {"topic": f"{PROJECT}/topics/kept", "name": f"{PROJECT}/subscriptions/kept"}
    with server:
        before = Cloud(server.address)
        before.publisher.create_topic(name=names["topic"])
        before.subscriber.create_subscription(request=names)
        before.publish(names["topic"], b"old")
        old = before.pull_one(names["name"])
        before.close()
    with server:
        after = Cloud(server.address)
        after.publisher.create_topic(name=names["topic"])
        after.subscriber.create_subscription(request=names)
        after.publish(names["topic"], b"new")
        new = after.pull_one(names["name"])
        after.acknowledge(names["name"], [old])
        after.give_back(names["name"], [new])
        assert after.pull_one(names["name"]).message.data == b"new"
        after.close()


def test_message_ids_are_not_given_out_again_after_a_restart() -> None:
    server = EmbeddedPubSub()
    ids: list[str] = []
    for _ in range(2):
        with server:
            clients = Cloud(server.address)
            topic = clients.topic()
            ids += [server.publish(topic, b"x") for _ in range(100)]
            clients.close()
    assert len(set(ids)) == 200
    assert ids == sorted(ids, key=int)


def test_publishing_by_itself_follows_the_rules(embedded: EmbeddedPubSub) -> None:
    with pytest.raises(PubSubError):
        embedded.publish(f"{PROJECT}/topics/missing", b"x")
    embedded.stop()
    with pytest.raises(RuntimeError):
        embedded.publish(f"{PROJECT}/topics/missing", b"x")


def test_planned_faults_fire_so_many_times_and_are_counted(embedded: EmbeddedPubSub) -> None:
    clients = Cloud(embedded.address)
    topic = clients.topic()
    embedded.faults.inject("Publish", grpc.StatusCode.PERMISSION_DENIED, times=2)
    for _ in range(2):
        with pytest.raises(exceptions.PermissionDenied):
            clients.publish(topic, b"x")
    assert clients.publish(topic, b"x")
    assert embedded.faults.fired("Publish") == 2
    assert embedded.faults.fired("Pull") == 0
    clients.close()


def test_a_snapshot_goes_on_collecting_while_its_subscription_is_filtered(embedded: EmbeddedPubSub) -> None:
    clients = Cloud(embedded.address)
    topic = clients.topic()
    subscription = clients.subscription(topic, filter="attributes:wanted")
    snapshot = clients.subscriber.create_snapshot(name=clients.name("snapshots"), subscription=subscription).name
    clients.publish(topic, b"no")
    clients.publish(topic, b"yes", wanted="1")
    clients.subscriber.seek(request={"subscription": subscription, "snapshot": snapshot})
    assert [one.message.data for one in clients.pull_ready(subscription)] == [b"yes"]
    clients.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_until_it_is_told_to_end(number: signal.Signals) -> None:
    with subprocess.Popen([*COMMAND, "--port", "0"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first, second = process.stdout.readline(), process.stdout.readline()
        address = first.removeprefix("listening on ").strip()
        assert second.strip() == f"export PUBSUB_EMULATOR_HOST={address}"
        clients = Cloud(address)
        assert clients.topic()
        clients.close()
        process.send_signal(number)
        assert process.wait(PATIENCE_S) == 0


def test_the_command_tells_a_taken_port_and_wrong_arguments() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = subprocess.run([*COMMAND, "--port", port], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert f"cannot listen on 127.0.0.1:{port}: address already in use" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    result = subprocess.run([*COMMAND, "--port", "65536"], capture_output=True, text=True, check=False)
    assert result.returncode == 2


@pytest.mark.official
def test_the_official_emulator_ends_with_its_parent() -> None:
    require_official()
    code = (
        "import time; from emulator.official import OfficialPubSub; "
        "print(OfficialPubSub().start().pid, flush=True); time.sleep(3600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
    assert eventually(lambda: not _runs(child))


@pytest.mark.official
def test_the_official_emulator_stops_and_starts_again() -> None:
    require_official()
    server = OfficialPubSub()
    with server:
        first = server.pid
        assert first is not None
        assert _runs(first)
    assert not _runs(first)
    assert server.pid is None


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
