"""Odd places to write to: full disks, closed pipes, other encodings, folders that take no files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.system.conftest import Console

REVIEWMILL = [sys.executable, "-m", "reviewmill"]
UTF8_OFF = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.parametrize("arguments", [["publish", "reviews", "--help"], ["results", "--help"]], ids=" ".join)
def test_help_is_printed_where_the_locale_knows_ascii_alone(console: Console, arguments: list[str]) -> None:
    ended = console.run(*arguments, **UTF8_OFF)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "usage: reviewmill" in ended.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("arguments", [["--help"], ["results", "--help"]], ids=" ".join)
def test_a_full_disk_is_said_in_one_line(console: Console, arguments: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [*REVIEWMILL, *arguments],
            cwd=console.folder,
            env=console.environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert ended.returncode == 1
    assert ended.stderr.decode().splitlines() == [
        f"reviewmill {arguments[0]}: [Errno 28] No space left on device",
    ]


def test_a_reader_that_has_gone_is_no_error(console: Console) -> None:
    with subprocess.Popen(
        [*REVIEWMILL, "--help"], env=console.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_a_closed_stdout_is_no_error(console: Console) -> None:
    ended = subprocess.run(
        ["sh", "-c", 'exec "$0" "$@" >&-', *REVIEWMILL, "results", "--help"],
        env=console.environment(),
        stderr=subprocess.PIPE,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, b"")
