"""Run a command that ends when its parent ends, however the parent ends: `python guard.py PARENT_PID COMMAND…`.

A parent that is killed outright cannot stop its children; the kernel (Linux) or this process (elsewhere) does.
Imports nothing of ours and little else: it runs in front of every process of the local cloud.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys

_PR_SET_PDEATHSIG = 1
"""From <linux/prctl.h>; the setting survives execve (man 2 PR_SET_PDEATHSIG)."""

_LOOK_EVERY_S = 0.5


def main(argv: list[str]) -> int:
    """Become the command (Linux), or run it and watch the parent (elsewhere); returns its exit status."""
    parent, command = int(argv[0]), argv[1:]
    if sys.platform != "linux":
        return supervise(parent, command)
    import ctypes  # noqa: PLC0415 - only where it is used: this file runs in front of every process

    if ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        return supervise(parent, command)
    if os.getppid() == parent:  # else it ended before the kernel knew that we want to be told
        os.execvp(command[0], command)  # noqa: S606 - the command comes from our own code, without a shell
    return 1


def supervise(parent: int, command: list[str]) -> int:
    """Run `command` until it ends or `parent` is no longer our parent; passes SIGTERM on."""
    child = subprocess.Popen(command)  # noqa: S603 - the command comes from our own code, without a shell
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    while True:
        try:
            return child.wait(timeout=_LOOK_EVERY_S)
        except subprocess.TimeoutExpired:
            if os.getppid() != parent:
                child.kill()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
