"""Writing and reading one object of a folder: lock, unfinished file, rename, and what a file cannot tell of itself."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from cloud.crc import Checksum
from cloud.folder_facts import Facts, FactsFile
from cloud.folder_layout import Layout
from cloud.objects import CloudSetupError, ObjectInfo, ObjectNotFound, PermissionMissing, PreconditionFailed

_PIECE_BYTES = 1024 * 1024
_NANOS_OF_MICRO = 1_000
_MICROS_OF_SECOND = 1_000_000
_NO_OBJECT_THERE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO}


class FileStore:
    """The files of one folder. Raises OSError beside the port's facts. Safe in many threads and processes."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def write(
        self, name: str, data: Iterable[bytes], content_type: str, if_generation: int, metadata: dict[str, str]
    ) -> ObjectInfo:
        """Store an object when the present one has generation `if_generation` (0: when there is none).

        The bytes are on the disk before their name appears. Raises PreconditionFailed.
        """
        folder = self._layout.private / "unfinished"
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = folder / uuid.uuid4().hex
        try:
            facts = Facts(crc32c=_write_file(unfinished, data), content_type=content_type, metadata=metadata)
            with self._locked() as last_generation:
                path, present = self._present(name)
                if present != if_generation:
                    raise PreconditionFailed(
                        f"{self._layout.root}/{name} has generation {present}, not {if_generation}"
                    )
                generation = max(time.time_ns() // _NANOS_OF_MICRO, last_generation + 1, present + 1)
                _set_generation(unfinished, generation)
                self._facts(name).add(generation, facts)
                size = unfinished.stat().st_size
                path.parent.mkdir(parents=True, exist_ok=True)
                unfinished.replace(path)
                self._remember(generation)
        finally:
            unfinished.unlink(missing_ok=True)
        return _info(name, generation, size, facts)

    def remove(self, name: str, if_generation: int | None) -> bool:
        """Remove an object, and the folders that are empty then. Does nothing, and says False, where there is none.

        Raises PreconditionFailed for another generation than `if_generation`, where one is given.
        """
        with self._locked():
            path, present = self._present(name)
            if present and if_generation not in {None, present}:
                raise PreconditionFailed(f"{self._layout.root}/{name} has generation {present}, not {if_generation}")
            if present:
                path.unlink()
                self._facts(name).remove()
                for parent in path.parents:
                    if parent == self._layout.root or not _removed(parent):
                        break
            return present > 0

    def open(self, name: str, generation: int | None = None) -> BinaryIO:
        """Open the object's file. Raises ObjectNotFound when there is none of this name or generation."""
        for path in self._layout.candidates(name):
            try:
                # NONBLOCK: opening a named pipe that a person left here would block for ever.
                handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            except OSError as error:
                if error.errno in _NO_OBJECT_THERE:
                    continue
                raise
            found = os.fstat(handle)
            if stat.S_ISREG(found.st_mode) and generation in {None, _generation_of(found)}:
                return os.fdopen(handle, "rb")
            os.close(handle)
        raise ObjectNotFound(f"{self._layout.root}/{name}")

    def describe(self, name: str, file: BinaryIO) -> ObjectInfo:
        """Return what is known of an open object. Reads it to its end when a person put it there."""
        found = os.fstat(file.fileno())
        generation = _generation_of(found)
        facts = self._facts(name).of(generation)
        if facts is None:
            file.seek(0)
            checksum = Checksum()
            for piece in pieces(file):
                checksum.update(piece)
            facts = Facts(crc32c=checksum.text())
        return _info(name, generation, found.st_size, facts)

    def names(self) -> Iterator[str]:
        """Yield the names of all objects, in no order."""
        yield from self._layout.readable_names()
        for path in self._layout.hidden_paths():
            name = FactsFile(self._layout.facts_path(path.name)).name()
            if name is not None:
                yield name

    def _facts(self, name: str) -> FactsFile:
        return FactsFile(self._layout.facts_path_of(name), name)

    def _present(self, name: str) -> tuple[Path, int]:
        """Return the path and the generation of the object, or where a new one goes and 0; the lock must be held."""
        for path in self._layout.candidates(name):
            with suppress(FileNotFoundError, NotADirectoryError):
                found = path.lstat()
                if stat.S_ISREG(found.st_mode):
                    return path, _generation_of(found)
        return self._layout.new_path(name), 0

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """Keep all other writers of this folder out; gives the highest generation that was ever written."""
        self._layout.private.mkdir(parents=True, exist_ok=True)
        with (self._layout.private / "lock").open("a+b") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield self._last_generation()

    def _last_generation(self) -> int:
        with suppress(FileNotFoundError, ValueError):
            return int((self._layout.private / "last-generation").read_bytes())
        return 0

    def _remember(self, generation: int) -> None:
        (self._layout.private / "last-generation").write_bytes(str(generation).encode())


@contextmanager
def told_as_port_errors(where: str) -> Iterator[None]:
    """Turn what the operating system says into the object port's errors."""
    try:
        yield
    except PermissionError as error:
        raise PermissionMissing(f"{where}: {error.strerror} ({error.filename})") from error
    except (NotADirectoryError, FileExistsError) as error:
        raise CloudSetupError(f"{where} is not a folder ({error.strerror}: {error.filename})") from error


def pieces(file: BinaryIO) -> Iterator[bytes]:
    """Yield the rest of a file in pieces of 1 MiB."""
    while piece := file.read(_PIECE_BYTES):
        yield piece


def _write_file(path: Path, data: Iterable[bytes]) -> str:
    """Write a new file through to the disk and return its CRC32C."""
    checksum = Checksum()
    with path.open("xb") as file:
        for piece in data:
            checksum.update(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    return checksum.text()


def _generation_of(found: os.stat_result) -> int:
    """Return a file's time of change in microseconds, which is what Cloud Storage's own generations look like."""
    return max(1, found.st_mtime_ns // _NANOS_OF_MICRO)


def _set_generation(path: Path, generation: int) -> None:
    os.utime(path, ns=(generation * _NANOS_OF_MICRO, generation * _NANOS_OF_MICRO))
    if _generation_of(path.stat()) != generation:
        raise CloudSetupError(f"{path.parent} is on a file system that keeps no microseconds; use another folder")


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:
        return False
    return True


def _info(name: str, generation: int, size: int, facts: Facts) -> ObjectInfo:
    return ObjectInfo(
        name=name,
        generation=generation,
        size=size,
        crc32c=facts.crc32c,
        content_type=facts.content_type,
        metadata=facts.metadata,
        updated=generation / _MICROS_OF_SECOND,
    )
