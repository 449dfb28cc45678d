"""Reads the outcomes of review messages out of the results bucket."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Literal

from cloud.objects import Objects
from publisher.console import NotDone
from schemas.codec import decode
from schemas.errors import InvalidInput
from schemas.outcomes import Prediction, Rejection
from worker.core.reading import Outcome, read_lines

Kind = Literal["reviews", "rejections"]
KINDS: tuple[Kind, ...] = ("reviews", "rejections")

_ROOT = "{kind}/v1/"
_MAX_LINE_BYTES = 100_000
_READ_AT_ONCE = 32
_READERS = 8
"""Objects are small, so reading them takes round trips rather than bytes."""


class StoredReviews:
    """The rows of a results bucket. Remembers which objects it read: they never change, so `fresh` reads each once."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._seen: set[str] = set()

    def fresh(self, partitions: Iterable[str], kinds: Iterable[Kind] = KINDS) -> Iterator[tuple[str, Outcome]]:
        """Yield (partition, row) of every object in the partitions that was not read before."""
        for where in partitions:
            for kind in kinds:
                prefix = f"{_ROOT.format(kind=kind)}{where}/"
                names = (info.name for info in self._objects.listing(prefix) if info.name not in self._seen)
                for name, data in self._contents(names):
                    self._seen.add(name)
                    yield from ((where, outcome) for outcome in rows_of(name, data, kind))

    def partitions(self, days: Iterable[str] | None, kind: Kind) -> list[str]:
        """Return the partitions that exist, ascending: of the days given as `YYYY-MM-DD`, or all."""
        root = _ROOT.format(kind=kind)
        prefixes = [root] if days is None else [f"{root}dt={day}/" for day in days]
        names = (info.name for prefix in prefixes for info in self._objects.listing(prefix))
        return sorted({name.removeprefix(root).rpartition("/")[0] for name in names})

    def _contents(self, names: Iterator[str]) -> Iterator[tuple[str, bytes]]:
        with ThreadPoolExecutor(_READERS) as pool:
            while some := list(islice(names, _READ_AT_ONCE)):
                read = pool.map(lambda name: self._objects.get(name)[0], some)
                yield from zip(some, read, strict=True)


def rows_of(name: str, data: bytes, kind: Kind) -> Iterator[Outcome]:
    """Yield the rows of one object; raises NotDone for one that holds something else."""
    row_type: type[Prediction | Rejection] = Prediction if kind == "reviews" else Rejection
    try:
        for number, line in enumerate(read_lines([data], max_bytes=_MAX_LINE_BYTES), 1):
            try:
                yield decode(line, row_type, max_bytes=_MAX_LINE_BYTES)
            except InvalidInput as error:
                raise ValueError(f"line {number}: {error.reason}") from None
    except ValueError as error:
        raise NotDone(
            f"The stored object {name} is damaged ({error}). It may hold rows of other receipts: those of an hour "
            "are stored together. Look at it by hand."
        ) from None
