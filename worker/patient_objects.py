"""Shell: a bucket whose calls wait, with the work that makes them, until storage answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TypeVar

from cloud.objects import ObjectInfo, Objects
from worker.patience import Patience

T = TypeVar("T")


class PatientObjects:
    """A bucket of the pull worker. Every call of the port may be made again: see `Objects` and `put_once`."""

    def __init__(self, objects: Objects, patience: Patience) -> None:
        self.uri = objects.uri
        self._objects = objects
        self._patience = patience

    def put(
        self,
        name: str,
        data: bytes,
        *,
        content_type: str,
        if_generation: int,
        metadata: Mapping[str, str] | None = None,
    ) -> ObjectInfo:
        """Write one object; see the port."""
        return self._patience.hold(
            lambda: self._objects.put(
                name, data, content_type=content_type, if_generation=if_generation, metadata=metadata
            )
        )

    def put_file(
        self, name: str, path: Path, *, content_type: str, if_generation: int, metadata: Mapping[str, str] | None = None
    ) -> ObjectInfo:
        """Write a local file; see the port."""
        return self._patience.hold(
            lambda: self._objects.put_file(
                name, path, content_type=content_type, if_generation=if_generation, metadata=metadata
            )
        )

    def get(self, name: str, *, generation: int | None = None) -> tuple[bytes, ObjectInfo]:
        """Return a whole object; see the port."""
        return self._patience.hold(lambda: self._objects.get(name, generation=generation))

    def info(self, name: str, *, generation: int | None = None) -> ObjectInfo:
        """Return what is known of an object; see the port."""
        return self._patience.hold(lambda: self._objects.info(name, generation=generation))

    def stream(self, name: str, *, generation: int, start: int = 0) -> Iterator[bytes]:
        """Yield an object's bytes; see the port. Waits for the first of them only."""
        return self._begun(lambda: self._objects.stream(name, generation=generation, start=start))

    def read(self, name: str, *, generation: int, start: int, length: int) -> bytes:
        """Return some of an object's bytes; see the port."""
        return self._patience.hold(lambda: self._objects.read(name, generation=generation, start=start, length=length))

    def listing(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield objects by name; see the port. Waits for the first of them only."""
        return self._begun(lambda: self._objects.listing(prefix))

    def compose(self, sources: list[str], target: str, *, content_type: str) -> ObjectInfo:
        """Join objects; see the port."""
        return self._patience.hold(lambda: self._objects.compose(sources, target, content_type=content_type))

    def delete(self, name: str, *, if_generation: int | None = None) -> bool:
        """Remove an object; see the port."""
        return self._patience.hold(lambda: self._objects.delete(name, if_generation=if_generation))

    def close(self) -> None:
        """Release connections; see the port."""
        self._objects.close()

    def _begun(self, iterate: Callable[[], Iterator[T]]) -> Iterator[T]:
        """Yield the items, begun anew until the first is there.

        What breaks in the middle raises: to begin there would take a checksum of the bytes before. It costs the job one
        delivery, for the next one waits here.
        """

        def begin() -> tuple[list[T], Iterator[T]]:
            items = iterate()
            return list(islice(items, 1)), items

        first, others = self._patience.hold(begin)
        yield from first
        yield from others
