"""The server as a process, as `reviewmill emulator storage` runs it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from google.cloud.storage import Client

Start = Callable[..., "subprocess.Popen[str]"]

_RUN = "import sys; from emulator.storage.command import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as processes:

        def run(*arguments: str) -> subprocess.Popen[str]:
            process = processes.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", _RUN, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
                )
            )
            processes.callback(process.kill)
            return process

        yield run


def _url(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    listening = process.stdout.readline().strip()
    url = listening.removeprefix("listening on ")
    assert process.stdout.readline().strip() == f"export STORAGE_EMULATOR_HOST={url}"
    return url


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_a_signal_and_keeps_its_folder(
    start: Start, connect: Callable[[str], Client], tmp_path: Path, number: signal.Signals
) -> None:
    for expected in ([], ["object"]):
        process = start("--port", "0", "--folder", str(tmp_path))
        client = connect(_url(process))
        assert [blob.name for found in client.list_buckets() for blob in found.list_blobs()] == expected
        if not expected:
            client.create_bucket("reviews-bucket").blob("object").upload_from_string(b"data")
        # The client's connection is still open: it must not hold the process up.
        process.send_signal(number)
        assert process.wait(30) == 0
        assert process.communicate()[1] == ""


def test_a_taken_port_is_an_error_that_names_the_fix(start: Start) -> None:
    port = _url(start("--port", "0")).rpartition(":")[2]
    second = start("--port", port)
    _, error = second.communicate(timeout=30)
    assert second.returncode == 2
    assert f"port {port} on 127.0.0.1 is taken" in error
    assert f"--port {int(port) + 1}" in error


def test_a_folder_in_use_is_an_error_that_names_the_fix(start: Start, tmp_path: Path) -> None:
    _url(start("--port", "0", "--folder", str(tmp_path)))
    second = start("--port", "0", "--folder", str(tmp_path))
    _, error = second.communicate(timeout=30)
    assert second.returncode == 2
    assert "in use by another storage server" in error


def test_the_pubsub_client_is_imported_only_when_it_is_needed() -> None:
    check = "import sys, emulator.storage.command as c; sys.exit('grpc' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_it_ends_also_when_its_pubsub_server_is_not_there(start: Start, connect: Callable[[str], Client]) -> None:
    process = start("--port", "0", "--pubsub", "127.0.0.1:1")
    bucket = connect(_url(process)).create_bucket("reviews-bucket")
    bucket.notification(topic_name="uploads", topic_project="project-local").create()
    bucket.blob("object").upload_from_string(b"data")
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "not delivered" in error
