"""What a CSV job uses: a bucket that counts, and a clock that sorts seconds by phase."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cloud.objects import ObjectInfo, Objects


class Meter:
    """Counts what one worker used for one job. Safe to use from several threads.

    `moved` is called with every storage operation and every chunk that is read, for whoever watches that the job moves.
    """

    def __init__(self, clock: Callable[[], float], moved: Callable[[], object] = lambda: None) -> None:
        self.operations = 0
        self.bytes_read = 0
        self.bytes_written = 0
        self._clock = clock
        self._moved = moved
        self._start = clock()
        self._cpu_start = time.process_time()
        self._phases: defaultdict[str, float] = defaultdict(float)
        self._lock = threading.Lock()
        self._inner = _InnerSeconds()

    def count(self, *, read: int = 0, written: int = 0, operations: int = 0) -> None:
        """Add bytes and storage operations."""
        self._moved()
        with self._lock:
            self.bytes_read += read
            self.bytes_written += written
            self.operations += operations

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the seconds of the body to the phase, without those of phases inside it."""
        outer, self._inner.seconds = self._inner.seconds, 0.0
        start = self._clock()
        try:
            yield
        finally:
            seconds = self._clock() - start
            with self._lock:
                self._phases[name] += seconds - self._inner.seconds
            self._inner.seconds = outer + seconds

    def timings(self) -> dict[str, float]:
        """Return seconds by phase, and in total: less than their sum, because phases overlap."""
        seconds = {"total_s": self._clock() - self._start} | {f"{name}_s": s for name, s in self._phases.items()}
        return {name: round(value, 6) for name, value in seconds.items()}

    def cost(self) -> dict[str, float]:
        """Return CPU seconds (of the whole process while the job ran), bytes and storage operations."""
        return {
            "cpu_s": round(time.process_time() - self._cpu_start, 6),
            "bytes_read": self.bytes_read,
            "bytes_written": self.bytes_written,
            "storage_operations": self.operations,
        }


class _InnerSeconds(threading.local):
    """Seconds of the phases that ended inside the one that a thread is in."""

    seconds = 0.0


class MeteredObjects:
    """A bucket whose calls and bytes are counted."""

    def __init__(self, objects: Objects, meter: Meter) -> None:
        self.uri = objects.uri
        self._objects = objects
        self._meter = meter

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
        self._meter.count(operations=1, written=len(data))
        return self._objects.put(name, data, content_type=content_type, if_generation=if_generation, metadata=metadata)

    def put_file(
        self, name: str, path: Path, *, content_type: str, if_generation: int, metadata: Mapping[str, str] | None = None
    ) -> ObjectInfo:
        """Write a local file; see the port."""
        self._meter.count(operations=1, written=path.stat().st_size)
        return self._objects.put_file(
            name, path, content_type=content_type, if_generation=if_generation, metadata=metadata
        )

    def get(self, name: str, *, generation: int | None = None) -> tuple[bytes, ObjectInfo]:
        """Return a whole object; see the port."""
        self._meter.count(operations=1)
        data, info = self._objects.get(name, generation=generation)
        self._meter.count(read=len(data))
        return data, info

    def info(self, name: str, *, generation: int | None = None) -> ObjectInfo:
        """Return what is known of an object; see the port."""
        self._meter.count(operations=1)
        return self._objects.info(name, generation=generation)

    def stream(self, name: str, *, generation: int, start: int = 0) -> Iterator[bytes]:
        """Yield an object's bytes; see the port."""
        self._meter.count(operations=1)
        for chunk in self._objects.stream(name, generation=generation, start=start):
            self._meter.count(read=len(chunk))
            yield chunk

    def read(self, name: str, *, generation: int, start: int, length: int) -> bytes:
        """Return some of an object's bytes; see the port."""
        self._meter.count(operations=1, read=length)
        return self._objects.read(name, generation=generation, start=start, length=length)

    def listing(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield objects by name; see the port."""
        self._meter.count(operations=1)
        return self._objects.listing(prefix)

    def compose(self, sources: list[str], target: str, *, content_type: str) -> ObjectInfo:
        """Join objects; see the port."""
        self._meter.count(operations=1)
        return self._objects.compose(sources, target, content_type=content_type)

    def delete(self, name: str, *, if_generation: int | None = None) -> bool:
        """Remove an object; see the port."""
        self._meter.count(operations=1)
        return self._objects.delete(name, if_generation=if_generation)

    def close(self) -> None:
        """Do nothing: the bucket belongs to whoever opened it."""
