"""A bucket that counts what is written, and a worker's view of it that dies at one chosen write."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TypeVar

from cloud.faults import Faults
from cloud.faulty import FaultyObjects
from cloud.memory import MemoryObjects
from cloud.objects import ObjectInfo, Objects

T = TypeVar("T")


class Killed(BaseException):
    """The end of a worker: no handler of ours may catch it."""


class CountingObjects(MemoryObjects):
    """Counts attempts to write, and writes, by object name."""

    def __init__(self) -> None:
        super().__init__("gs://results")
        self.asked: Counter[str] = Counter()
        self.written: Counter[str] = Counter()

    def put(
        self,
        name: str,
        data: bytes,
        *,
        content_type: str,
        if_generation: int,
        metadata: Mapping[str, str] | None = None,
    ) -> ObjectInfo:
        self.asked[name] += 1
        info = super().put(name, data, content_type=content_type, if_generation=if_generation, metadata=metadata)
        self.written[name] += 1
        return info

    def compose(self, sources: list[str], target: str, *, content_type: str) -> ObjectInfo:
        self.asked[target] += 1
        before = {info.name for info in self.listing(target)}
        info = super().compose(sources, target, content_type=content_type)
        self.written[target] += target not in before
        return info


class DyingObjects(FaultyObjects):
    """One worker's view of a bucket: it dies before or after the write that `dies_at` chooses by number and name.

    Dead, it does nothing more, whichever of the worker's threads asks.
    """

    def __init__(self, inner: Objects, dies_at: Callable[[int, str], bool], *, after: bool) -> None:
        super().__init__(inner, Faults())
        self._dies_at = dies_at
        self._after = after
        self._lock = threading.Lock()
        self._writes = 0
        self.dead = False

    def put(
        self,
        name: str,
        data: bytes,
        *,
        content_type: str,
        if_generation: int,
        metadata: Mapping[str, str] | None = None,
    ) -> ObjectInfo:
        return self._write(
            name,
            lambda: self._inner.put(
                name, data, content_type=content_type, if_generation=if_generation, metadata=metadata
            ),
        )

    def compose(self, sources: list[str], target: str, *, content_type: str) -> ObjectInfo:
        return self._write(target, lambda: self._inner.compose(sources, target, content_type=content_type))

    def get(self, name: str, *, generation: int | None = None) -> tuple[bytes, ObjectInfo]:
        self._die_again()
        return super().get(name, generation=generation)

    def info(self, name: str, *, generation: int | None = None) -> ObjectInfo:
        self._die_again()
        return super().info(name, generation=generation)

    def _write(self, name: str, work: Callable[[], T]) -> T:
        with self._lock:
            self._die_again()
            self._writes += 1
            last = self._dies_at(self._writes, name)
            if last and not self._after:
                self.dead = True
                raise Killed
            done = work()
            if last:
                self.dead = True
                raise Killed
            return done

    def _die_again(self) -> None:
        if self.dead:
            raise Killed
