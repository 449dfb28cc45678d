"""Children end with their parent, by the kernel or by the guard that watches; and without either they would not."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.system.conftest import Console

GUARD = Path(__file__).resolve().parents[2] / "emulator" / "guard.py"
SLEEP = "import time; time.sleep(600)"
WATCHING = (
    f"import sys; sys.path.insert(0, {str(GUARD.parent)!r}); import guard; "
    "guard.supervise(int(sys.argv[1]), sys.argv[2:])"
)


def _parent(child: str) -> str:
    """Return a program that starts `child` (an expression for its command line) and waits for ever."""
    return f"import os, subprocess, sys, time; subprocess.Popen({child}); print('started', flush=True); time.sleep(600)"


@pytest.mark.parametrize(
    ("child", "stays"),
    [
        (f"[sys.executable, {str(GUARD)!r}, str(os.getpid()), sys.executable, '-c', {SLEEP!r}]", False),
        (f"[sys.executable, '-c', {WATCHING!r}, str(os.getpid()), sys.executable, '-c', {SLEEP!r}]", False),
        (f"[sys.executable, '-c', {SLEEP!r}]", True),
    ],
    ids=["the kernel ends it", "the guard ends it", "without a guard it stays"],
)
def test_child_of_a_killed_parent(console: Console, child: str, stays: bool) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _parent(child)], stdout=subprocess.PIPE, env=console.environment()
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"started\n"
        console.until(lambda: console.pids("^\\d+ \\S+ -c import time"), "no child", lambda: "")
        parent.send_signal(signal.SIGKILL)
    if stays:
        assert console.pids("import time")
        console.kill_all()
    else:
        console.assert_nothing_is_left()
