"""The object port over a local folder, for work without a cloud. Names are paths, so that people can look into it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from cloud.crc import Checksum
from cloud.folder_layout import Layout
from cloud.folder_store import FileStore, pieces, told_as_port_errors
from cloud.objects import (
    ObjectInfo,
    ObjectNotFound,
    PreconditionFailed,
    TransientError,
    check_name,
    check_put,
    check_range,
)
from cloud.once import expect_same, joined_digest


class FolderObjects:
    """One folder; the first write makes it. Safe to use from several threads and processes at once.

    A file's time of change, in microseconds, is its generation: a file that a person copied into the folder, or
    edited, is an object, too, with a new generation. Writers hold a lock of the whole folder (released by the system
    when a process dies) and put finished files into place by renaming, so readers need no lock and see whole objects.
    """

    def __init__(self, folder: Path) -> None:
        self._layout = Layout(folder)
        self._store = FileStore(self._layout)

    @property
    def uri(self) -> str:
        """The folder's absolute path."""
        return str(self._layout.root)

    def put(
        self,
        name: str,
        data: bytes,
        *,
        content_type: str,
        if_generation: int,
        metadata: Mapping[str, str] | None = None,
    ) -> ObjectInfo:
        """See `Objects.put`."""
        check_put(name, data)
        return self._write(name, [data], content_type, if_generation, metadata)

    def put_file(
        self, name: str, path: Path, *, content_type: str, if_generation: int, metadata: Mapping[str, str] | None = None
    ) -> ObjectInfo:
        """See `Objects.put_file`."""
        check_name(name)
        with path.open("rb") as file:
            return self._write(name, pieces(file), content_type, if_generation, metadata)

    def get(self, name: str, *, generation: int | None = None) -> tuple[bytes, ObjectInfo]:
        """See `Objects.get`."""
        check_name(name)
        with told_as_port_errors(self.uri), self._store.open(name, generation) as file:
            return file.read(), self._store.describe(name, file)

    def info(self, name: str, *, generation: int | None = None) -> ObjectInfo:
        """See `Objects.info`. Reads the whole file when a person, not this class, put it there."""
        check_name(name)
        with told_as_port_errors(self.uri), self._store.open(name, generation) as file:
            return self._store.describe(name, file)

    def stream(self, name: str, *, generation: int, start: int = 0) -> Iterator[bytes]:
        """See `Objects.stream`. A file that is replaced meanwhile is read to its end all the same."""
        return self._pieces(self.info(name, generation=generation), start)

    def read(self, name: str, *, generation: int, start: int, length: int) -> bytes:
        """See `Objects.read`."""
        check_name(name)
        check_range(start, length)
        with told_as_port_errors(self.uri), self._store.open(name, generation) as file:
            file.seek(start)
            return file.read(length)

    def listing(self, prefix: str) -> Iterator[ObjectInfo]:
        """See `Objects.listing`. The names are those of one moment; an object deleted since is left out."""
        for name in sorted(name for name in self._store.names() if name.startswith(prefix)):
            with suppress(ObjectNotFound):
                yield self.info(name)

    def compose(self, sources: list[str], target: str, *, content_type: str) -> ObjectInfo:
        """See `Objects.compose`. Copies the bytes, as a folder cannot join files."""
        if not sources:
            raise ValueError(f"nothing to join into {target!r}: compose needs at least one source")
        check_name(target)
        infos = [self.info(source) for source in sources]
        try:
            return self._write(target, self._joined(infos), content_type, 0, None)
        except PreconditionFailed:
            size, checksum = joined_digest(infos)
            return expect_same(self, target, size=size, crc32c=checksum)

    def delete(self, name: str, *, if_generation: int | None = None) -> bool:
        """See `Objects.delete`. Folders that are empty then are removed, too."""
        check_name(name)
        with told_as_port_errors(self.uri):
            return self._store.remove(name, if_generation)

    def close(self) -> None:
        """See `Objects.close`. Nothing is held open."""

    def _write(
        self,
        name: str,
        data: Iterable[bytes],
        content_type: str,
        if_generation: int,
        metadata: Mapping[str, str] | None,
    ) -> ObjectInfo:
        with told_as_port_errors(self.uri):
            return self._store.write(name, data, content_type, if_generation, dict(metadata or {}))

    def _joined(self, infos: list[ObjectInfo]) -> Iterator[bytes]:
        for info in infos:
            yield from self._pieces(info, 0)

    def _pieces(self, info: ObjectInfo, start: int) -> Iterator[bytes]:
        checksum = Checksum()
        with self._store.open(info.name, info.generation) as file:
            file.seek(start)
            for piece in pieces(file):
                checksum.update(piece)
                yield piece
        if start == 0 and checksum.text() != info.crc32c:
            raise TransientError(f"{self.uri}/{info.name} was changed while it was read")
