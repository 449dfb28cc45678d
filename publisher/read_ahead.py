"""Reading many objects, several at once, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from cloud.objects import ObjectInfo, ObjectNotFound, Objects

READERS = 8
"""Most objects are small, so reading them takes round trips rather than bytes."""

_WINDOW_OBJECTS = 32
_WINDOW_BYTES = 32 * 1024 * 1024


def contents(
    objects: Objects, infos: Iterable[ObjectInfo], *, readers: int = READERS
) -> Iterator[tuple[ObjectInfo, bytes | None]]:
    """Yield each object's bytes in order; None for a generation that is no longer there.

    Holds about 32 MiB (objects are at most 8 MiB each). Raises what the object port raises.
    """

    def read(info: ObjectInfo) -> bytes | None:
        try:
            return objects.get(info.name, generation=info.generation)[0]
        except ObjectNotFound:
            return None

    with ThreadPoolExecutor(readers) as pool:
        for some in _windows(infos):
            yield from zip(some, pool.map(read, some), strict=True)


def _windows(infos: Iterable[ObjectInfo]) -> Iterator[list[ObjectInfo]]:
    window: list[ObjectInfo] = []
    size = 0
    for info in infos:
        if window and (len(window) == _WINDOW_OBJECTS or size + info.size > _WINDOW_BYTES):
            yield window
            window, size = [], 0
        window.append(info)
        size += info.size
    if window:
        yield window
