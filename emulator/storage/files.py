"""Objects in files: read and written as streams, shared by hard links."""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from emulator.storage.content import CHUNK_BYTES, Data, Reader, base64_of


class FileReader:
    """An open file; on POSIX systems it stays readable after the file is unlinked."""

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("rb", buffering=0)

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the bytes from `start` up to `stop` (exclusive)."""
        self._file.seek(start)
        left = stop - start
        while left > 0:
            chunk = self._file.read(min(left, CHUNK_BYTES))
            if not chunk:
                raise OSError(f"{self._file.name} is shorter than it was")
            left -= len(chunk)
            yield chunk

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class FileData:
    """A finished file that belongs to one object. Its digest is taken as it is written: later it may be gone."""

    def __init__(self, path: Path, md5: str | None) -> None:
        self.path = path
        self._md5 = md5

    def open(self) -> Reader:
        """Open the file."""
        return FileReader(self.path)

    def share(self) -> Data:
        """Return another name of the same bytes, or a copy where the file system has no hard links."""
        other = self.path.with_name(uuid.uuid4().hex)
        try:
            os.link(self.path, other)
        except OSError:
            shutil.copyfile(self.path, other)
        return FileData(other, self._md5)

    def md5(self) -> str | None:
        """Return the digest, if one was taken."""
        return self._md5

    def discard(self) -> None:
        """Remove the file."""
        self.path.unlink(missing_ok=True)


class FileSink:
    """Writes a new file, which becomes an object's when a record names it."""

    def __init__(self, path: Path, *, with_md5: bool) -> None:
        self._path = path
        self._file: BinaryIO = path.open("xb", buffering=0)
        self._md5 = hashlib.md5(usedforsecurity=False) if with_md5 else None

    def write(self, chunk: bytes) -> None:
        """Append."""
        if self._md5 is not None:
            self._md5.update(chunk)
        rest = memoryview(chunk)
        while rest:
            rest = rest[self._file.write(rest) :]

    def finish(self) -> Data:
        """Close the file and hand it over."""
        self._file.close()
        return FileData(self._path, None if self._md5 is None else base64_of(self._md5.digest()))

    def discard(self) -> None:
        """Remove the file."""
        self._file.close()
        self._path.unlink(missing_ok=True)
