"""`reviewmill local`: starts, is usable, ends, and leaves nothing behind however it is ended."""

from __future__ import annotations

import os
import shlex
import signal
import socket
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.system.conftest import Console, Running

READY = "^ready; Ctrl-C ends it$"


def _start(console: Console, *arguments: str) -> Running:
    running = console.start("local", "--folder", "cloud", "--no-worker", *arguments)
    running.wait_for(READY)
    return running


def _variables(console: Console) -> dict[str, str]:
    lines = (console.folder / "cloud" / "env.sh").read_text(encoding="utf-8").splitlines()
    assert all(line.startswith("export ") for line in lines)
    pairs = (shlex.split(line)[1].partition("=") for line in lines)
    return {name: value for name, _, value in pairs}


@pytest.mark.slow
def test_everything_that_is_needed_is_set_up(console: Console, pubsub: str) -> None:
    running = _start(console, "--pubsub", pubsub)
    variables = _variables(console)
    assert set(variables) == {"GOOGLE_CLOUD_PROJECT", "PUBSUB_EMULATOR_HOST", "STORAGE_EMULATOR_HOST"}
    for name, value in variables.items():
        assert f"export {name}={value}" in running.output()
    again = console.run("emulator", "setup", **variables)
    assert again.returncode == 0, again.stderr
    lines = again.stdout.splitlines()
    assert len(lines) == 12
    assert all(line.endswith(": is there") for line in lines), again.stdout


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_polite_signal_ends_everything_in_order(console: Console, number: signal.Signals) -> None:
    running = _start(console)
    running.signal(number)
    assert running.wait() == 0, running.output()
    assert running.output().endswith("ending\nended\n")
    assert "was killed" not in running.output()
    assert "Traceback" not in running.output()
    assert not (console.folder / "cloud" / "env.sh").exists()
    console.assert_nothing_is_left()


@pytest.mark.slow
def test_killed_outright_it_takes_everything_with_it(console: Console, pubsub: str) -> None:
    running = _start(console, "--pubsub", pubsub)
    assert len(console.pids("emulator")) == 2
    running.signal(signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    console.assert_nothing_is_left()


@pytest.mark.slow
def test_interrupted_while_it_starts_it_leaves_nothing(console: Console) -> None:
    running = console.start("local", "--folder", "cloud", "--no-worker")
    running.wait_for("^Pub/Sub: starting")
    running.signal(signal.SIGINT)
    assert running.wait() == 0, running.output()
    assert "Traceback" not in running.output()
    console.assert_nothing_is_left()


@pytest.mark.slow
def test_server_that_dies_ends_the_local_cloud_and_is_named(console: Console) -> None:
    running = _start(console)
    (victim,) = console.pids("emulator storage")
    os.kill(victim, signal.SIGKILL)
    assert running.wait() == 1
    assert "storage ended with status -9" in running.output()
    console.assert_nothing_is_left()


@pytest.mark.slow
def test_folder_holds_one_local_cloud_at_a_time(console: Console) -> None:
    first = _start(console)
    second = console.run("local", "--folder", "cloud")
    assert second.returncode == 2
    assert "another local cloud runs in cloud" in second.stderr
    assert first.process.poll() is None


@pytest.mark.slow
def test_objects_are_there_again_after_a_restart(console: Console) -> None:
    first = _start(console)
    first.signal(signal.SIGTERM)
    assert first.wait() == 0
    storage = console.folder / "cloud" / "storage"
    before = {path.name for path in (storage / "buckets").iterdir()}
    _start(console)
    assert {path.name for path in (storage / "buckets").iterdir()} == before


@pytest.mark.slow
def test_port_that_is_taken_is_named(console: Console) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = console.run("local", "--folder", "cloud", "--no-worker", "--pubsub-port", str(port))
    assert ended.returncode == 1
    assert str(port) in ended.stderr
    assert "Traceback" not in ended.stderr


def test_production_setting_is_refused(console: Console) -> None:
    ended = console.run("local", "--folder", "cloud", REVIEWMILL_PRODUCTION="true", PUBSUB_EMULATOR_HOST="127.0.0.1:1")
    assert ended.returncode == 2
    assert "REVIEWMILL_PRODUCTION" in ended.stderr
