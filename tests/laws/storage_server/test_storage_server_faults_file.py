"""Faults that are planned in a file, for both servers as processes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import grpc  # type: ignore[import-untyped,unused-ignore]  # grpcio ships no type information
import pytest
import requests
from google.api_core import exceptions
from google.pubsub_v1 import PublisherClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport

from emulator.pubsub.faults import Faults as PubSubFaults
from emulator.pubsub.faults_file import plan_file
from emulator.storage.faults import Faults
from emulator.storage.faults_file import inject_file

_RUN = "import sys; from emulator.{kind}.command import main; sys.exit(main(sys.argv[1:]))"
STORAGE = [
    {"action": "status", "status": 429, "path": "/b/", "count": 2, "name": "busy"},
    {"action": "reset", "phase": "after", "method": "DELETE"},
    {"action": "stall", "delay_s": 30, "path": "never"},
    *({"action": action, "path": "never"} for action in ("delay", "slow", "truncated", "wrong_checksum")),
]
PUBSUB = [
    {"kind": "status", "call": "Publish", "code": "RESOURCE_EXHAUSTED", "times": 3},
    {"kind": "duplicate", "every": 5, "times": None, "seconds": 60},
]


def serve(kind: str, faults: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _RUN.format(kind=kind), "--port", "0", "--faults", str(faults)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().removeprefix("listening on ").strip()


def test_the_storage_server_reads_its_faults_and_counts_them(tmp_path: Path) -> None:
    path = tmp_path / "faults.json"
    path.write_text(json.dumps(STORAGE))
    with serve("storage", path) as process, requests.Session() as http:
        http.trust_env = False
        url = f"{address(process)}/storage/v1/b/none"
        assert [http.get(url).status_code for _ in range(3)] == [429, 429, 404]
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert "fault busy: struck 2 times" in process.communicate()[1]


def test_the_pubsub_server_reads_its_faults_and_counts_them(tmp_path: Path) -> None:
    path = tmp_path / "faults.json"
    path.write_text(json.dumps([{"kind": "status", "call": "GetTopic", "code": "INTERNAL"}]))
    with serve("pubsub", path) as process, grpc.insecure_channel(address(process)) as channel:
        publisher = PublisherClient(transport=PublisherGrpcTransport(channel=channel))
        for error in (exceptions.InternalServerError, exceptions.NotFound):
            with pytest.raises(error):
                publisher.get_topic(topic="projects/reviewmill/topics/none", retry=None)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert "fault status GetTopic: struck 1 times" in process.communicate()[1]


def test_every_field_of_a_file_is_understood(tmp_path: Path) -> None:
    (tmp_path / "storage.json").write_text(json.dumps(STORAGE))
    (tmp_path / "pubsub.json").write_text(json.dumps(PUBSUB))
    faults, pubsub = Faults(), PubSubFaults()
    inject_file(faults, tmp_path / "storage.json")
    plan_file(pubsub, tmp_path / "pubsub.json")
    assert faults.fired() == pubsub.counts() == {}
    assert [pubsub.strikes("duplicate") for _ in range(5)] == [False, False, False, False, True]


@pytest.mark.parametrize("kind", ["storage", "pubsub"])
@pytest.mark.parametrize("content", [None, "", "{}", '[{"action": "explode", "kind": "explode"}]'])
def test_a_wrong_file_is_an_error_that_names_it(tmp_path: Path, kind: str, content: str | None) -> None:
    path = tmp_path / "faults.json"
    if content is not None:
        path.write_text(content)
    with serve(kind, path) as process:
        assert process.wait(60) == 2
        error = process.communicate()[1]
    assert str(path) in error
    assert "Traceback" not in error


def test_an_unknown_status_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "faults.json"
    path.write_text(json.dumps([{"kind": "status", "call": "Pull", "code": "TEAPOT"}]))
    with pytest.raises(ValueError, match="TEAPOT"):
        plan_file(PubSubFaults(), path)
