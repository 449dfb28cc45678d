"""Objects that fail on purpose, as the network does, and count how often they did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from cloud.faults import Faults
from cloud.objects import ObjectInfo, Objects


class FaultyObjects:
    """Objects that fail as planned. `stream` and `listing` fail when they are called, not while they are read."""

    def __init__(self, inner: Objects, faults: Faults) -> None:
        self._inner = inner
        self._faults = faults

    @property
    def uri(self) -> str:
        """See `Objects.uri`."""
        return self._inner.uri

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
        return self._faults.run(
            "put",
            lambda: self._inner.put(
                name, data, content_type=content_type, if_generation=if_generation, metadata=metadata
            ),
        )

    def put_file(
        self, name: str, path: Path, *, content_type: str, if_generation: int, metadata: Mapping[str, str] | None = None
    ) -> ObjectInfo:
        """See `Objects.put_file`."""
        return self._faults.run(
            "put_file",
            lambda: self._inner.put_file(
                name, path, content_type=content_type, if_generation=if_generation, metadata=metadata
            ),
        )

    def get(self, name: str, *, generation: int | None = None) -> tuple[bytes, ObjectInfo]:
        """See `Objects.get`."""
        return self._faults.run("get", lambda: self._inner.get(name, generation=generation))

    def info(self, name: str, *, generation: int | None = None) -> ObjectInfo:
        """See `Objects.info`."""
        return self._faults.run("info", lambda: self._inner.info(name, generation=generation))

    def stream(self, name: str, *, generation: int, start: int = 0) -> Iterator[bytes]:
        """See `Objects.stream`."""
        return self._faults.run("stream", lambda: self._inner.stream(name, generation=generation, start=start))

    def read(self, name: str, *, generation: int, start: int, length: int) -> bytes:
        """See `Objects.read`."""
        return self._faults.run(
            "read", lambda: self._inner.read(name, generation=generation, start=start, length=length)
        )

    def listing(self, prefix: str) -> Iterator[ObjectInfo]:
        """See `Objects.listing`."""
        return self._faults.run("listing", lambda: self._inner.listing(prefix))

    def compose(self, sources: list[str], target: str, *, content_type: str) -> ObjectInfo:
        """See `Objects.compose`."""
        return self._faults.run("compose", lambda: self._inner.compose(sources, target, content_type=content_type))

    def delete(self, name: str, *, if_generation: int | None = None) -> bool:
        """See `Objects.delete`."""
        return self._faults.run("delete", lambda: self._inner.delete(name, if_generation=if_generation))

    def close(self) -> None:
        """See `Objects.close`."""
        self._inner.close()
