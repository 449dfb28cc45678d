"""The object port in memory, with the semantics of Cloud Storage, for tests and work that leaves nothing behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from cloud.crc import crc32c
from cloud.objects import (
    MAX_PUT_BYTES,
    ContentConflict,
    ObjectInfo,
    ObjectNotFound,
    PreconditionFailed,
    check_name,
    check_put,
    check_range,
)


class MemoryObjects:
    """One bucket. `now` gives Unix time in seconds, for `ObjectInfo.updated` alone; generations are counted."""

    def __init__(self, uri: str = "memory://objects", *, now: Callable[[], float] = time.time) -> None:
        self._uri = uri
        self._now = now
        self._lock = threading.Lock()
        self._stored: dict[str, tuple[bytes, ObjectInfo]] = {}
        self._last_generation = 1_000

    @property
    def uri(self) -> str:
        """What the constructor was given."""
        return self._uri

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
        return self._store(name, data, content_type, if_generation, metadata)

    def put_file(
        self, name: str, path: Path, *, content_type: str, if_generation: int, metadata: Mapping[str, str] | None = None
    ) -> ObjectInfo:
        """See `Objects.put_file`."""
        check_name(name)
        return self._store(name, path.read_bytes(), content_type, if_generation, metadata)

    def get(self, name: str, *, generation: int | None = None) -> tuple[bytes, ObjectInfo]:
        """See `Objects.get`."""
        check_name(name)
        with self._lock:
            found = self._stored.get(name)
        if found is None or generation not in {None, found[1].generation}:
            raise ObjectNotFound(f"{self._uri}/{name}")
        return found

    def info(self, name: str, *, generation: int | None = None) -> ObjectInfo:
        """See `Objects.info`."""
        return self.get(name, generation=generation)[1]

    def stream(self, name: str, *, generation: int, start: int = 0) -> Iterator[bytes]:
        """See `Objects.stream`."""
        data, _ = self.get(name, generation=generation)
        return (data[at : at + MAX_PUT_BYTES] for at in range(start, len(data), MAX_PUT_BYTES))

    def read(self, name: str, *, generation: int, start: int, length: int) -> bytes:
        """See `Objects.read`."""
        check_range(start, length)
        return self.get(name, generation=generation)[0][start : start + length]

    def listing(self, prefix: str) -> Iterator[ObjectInfo]:
        """See `Objects.listing`. The objects are those of one moment."""
        with self._lock:
            infos = [info for name, (_, info) in self._stored.items() if name.startswith(prefix)]
        return iter(sorted(infos, key=lambda info: info.name))

    def compose(self, sources: list[str], target: str, *, content_type: str) -> ObjectInfo:
        """See `Objects.compose`."""
        if not sources:
            raise ValueError(f"nothing to join into {target!r}: compose needs at least one source")
        check_name(target)
        data = b"".join(self.get(source)[0] for source in sources)
        try:
            return self._store(target, data, content_type, 0, None)
        except PreconditionFailed:
            there, info = self.get(target)
            if there == data:
                return info
            raise ContentConflict(f"{self._uri}/{target} already holds other bytes than its sources") from None

    def delete(self, name: str, *, if_generation: int | None = None) -> bool:
        """See `Objects.delete`."""
        check_name(name)
        with self._lock:
            present = self._stored.get(name)
            if present is not None and if_generation not in {None, present[1].generation}:
                raise PreconditionFailed(f"{self._uri}/{name} has not generation {if_generation}")
            return self._stored.pop(name, None) is not None

    def close(self) -> None:
        """See `Objects.close`. Nothing is held open; the objects stay."""

    def _store(
        self, name: str, data: bytes, content_type: str, if_generation: int, metadata: Mapping[str, str] | None
    ) -> ObjectInfo:
        with self._lock:
            present = self._stored.get(name)
            generation = present[1].generation if present else 0
            if generation != if_generation:
                raise PreconditionFailed(f"{self._uri}/{name} has generation {generation}, not {if_generation}")
            self._last_generation += 1
            info = ObjectInfo(
                name=name,
                generation=self._last_generation,
                size=len(data),
                crc32c=crc32c(data),
                content_type=content_type,
                metadata=dict(metadata or {}),
                updated=self._now(),
            )
            self._stored[name] = (bytes(data), info)
            return info
