"""A folder of machine code that only its owner can have written."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from worker.kernel_build import seal, unseal

VARIABLE: Final = "REVIEWMILL_KERNEL_CACHE"
"""The environment variable that names the folder."""

_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
_MAX_BYTES: Final = 16 * 1024 * 1024


def default_folder(environ: Mapping[str, str]) -> Path | None:
    """Return where compiled kernels are kept: REVIEWMILL_KERNEL_CACHE, else the user's cache; None without a home."""
    if environ.get(VARIABLE):
        return Path(environ[VARIABLE])
    if environ.get("XDG_CACHE_HOME"):
        return Path(environ["XDG_CACHE_HOME"]) / "reviewmill"
    return Path(environ["HOME"]) / ".cache" / "reviewmill" if environ.get("HOME") else None


class KernelFolder:
    """Reads and writes compiled kernels. Code is run only if nobody but this user or root can have written it.

    The folder and the file must belong to this user or to root and be writable by nobody else, and neither may be a
    symbolic link; both are checked on the open descriptors, so nothing can be swapped in between. What fails the check
    is not used, and compiled anew.
    """

    def __init__(self, path: Path) -> None:
        self.path: Final = path

    def read(self, name: str) -> bytes | None:
        """Return the code under a name, or None if there is none that can be trusted."""
        try:
            folder = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            return None
        try:
            return _read_trusted(folder, name)
        except OSError:
            return None
        finally:
            os.close(folder)

    def write(self, name: str, code: bytes) -> bool:
        """Keep code under a name, whole or not at all. Returns whether it could be kept: not on a read-only disk."""
        temporary = f"{name}.{secrets.token_hex(4)}"
        try:
            self.path.mkdir(mode=0o755, parents=True, exist_ok=True)
            folder = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            return False
        try:
            if not _is_trusted(os.fstat(folder)):
                return False
            file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644, dir_fd=folder)
            with os.fdopen(file, "wb") as stream:
                os.fchmod(stream.fileno(), 0o644)  # whatever the umask: an image's other users read it
                stream.write(seal(code))
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError:
            return False
        else:
            return True
        finally:
            os.close(folder)


def _is_trusted(status: os.stat_result) -> bool:
    return status.st_uid in {0, os.geteuid()} and not status.st_mode & _OTHERS_WRITE


def _read_trusted(folder: int, name: str) -> bytes | None:
    """Return the code in an open folder, after the checks of both."""
    if not _is_trusted(os.fstat(folder)):
        return None
    with os.fdopen(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder), "rb") as stream:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode) or not _is_trusted(status) or status.st_size > _MAX_BYTES:
            return None
        return unseal(stream.read())
