"""Wrong use: status 2 and one message that names the thing and the fix; never a traceback."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.system.conftest import Console


def _closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "usage: reviewmill"),
        (["no-such-command"], "no-such-command"),
        (["emulator"], "usage: reviewmill emulator"),
        (["emulator", "bigtable"], "bigtable"),
        (["local", "--pubsub", "kafka"], "--pubsub"),
        (["local", "--workers", "none"], "--workers"),
        (["local", "--storage-port", "99999"], "--storage-port"),
        (["demo", "--no-such-option"], "--no-such-option"),
        (["emulator", "setup", "--wait-s", "soon"], "--wait-s"),
        (["emulator", "setup"], "PUBSUB_EMULATOR_HOST and STORAGE_EMULATOR_HOST are not set"),
        (["train", "no-such-file.csv"], "no-such-file.csv"),
        (["publish", "reviews", "no-such-file.jsonl"], "no-such-file.jsonl"),
        (["publish", "csv", "no-such-file.csv"], "no-such-file.csv"),
        (["verify", "no-such-receipt.jsonl"], "no-such-receipt.jsonl"),
        (["score", "no-such-file.csv"], "there are no models here"),
    ],
    ids=lambda value: " ".join(value) or "nothing" if isinstance(value, list) else "",
)
def test_wrong_arguments(console: Console, arguments: list[str], said: str) -> None:
    port = _closed_port()
    emulators = {"PUBSUB_EMULATOR_HOST": f"127.0.0.1:{port}", "STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{port}"}
    ended = console.run(*arguments, **({} if arguments == ["emulator", "setup"] else emulators))
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert said in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["worker"],
        ["publish", "review", "A fine day"],
        ["results", "reviews"],
        ["models", "list"],
        ["train", "--models", "gs://reviewmill-models"],
    ],
    ids=" ".join,
)
def test_emulator_that_is_not_there_is_named_at_once(console: Console, arguments: list[str]) -> None:
    port = _closed_port()
    ended = console.run(
        *arguments,
        GOOGLE_CLOUD_PROJECT="reviewmill-local",
        PUBSUB_EMULATOR_HOST=f"127.0.0.1:{port}",
        STORAGE_EMULATOR_HOST=f"http://127.0.0.1:{port}",
    )
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert f"127.0.0.1:{port}" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_setup_gives_up_on_emulators_that_never_start(console: Console) -> None:
    port = _closed_port()
    ended = console.run(
        "emulator",
        "setup",
        "--wait-s",
        "1",
        PUBSUB_EMULATOR_HOST=f"127.0.0.1:{port}",
        STORAGE_EMULATOR_HOST=f"http://127.0.0.1:{port}",
    )
    assert ended.returncode == 1
    assert f"PUBSUB_EMULATOR_HOST=127.0.0.1:{port}" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_demo_does_not_empty_a_folder_that_it_did_not_make(console: Console) -> None:
    precious = console.folder / "mine" / "precious.txt"
    precious.parent.mkdir()
    precious.write_text("keep me", encoding="utf-8")
    ended = console.run("demo", "--folder", "mine")
    assert ended.returncode == 2
    assert "mine" in ended.stderr
    assert precious.read_text(encoding="utf-8") == "keep me"


def test_every_command_explains_itself(console: Console) -> None:
    overview = console.run("--help")
    assert overview.returncode == 0
    commands = re.findall(r"^  ([a-z]+) {2,}\S", overview.stdout, re.MULTILINE)
    assert {"demo", "local", "train", "publish", "worker", "results", "verify", "score", "emulator"} <= set(commands)
    for command in commands:
        page = console.run(command, "--help")
        assert page.returncode == 0, page.stderr
        assert f"usage: reviewmill {command}" in page.stdout
