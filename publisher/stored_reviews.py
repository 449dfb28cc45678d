"""Reads the outcomes of review messages out of the results bucket."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from cloud.objects import ObjectInfo, Objects
from publisher.console import NotDone
from publisher.read_ahead import contents
from publisher.sealed import Partition, Sealed, SealedReader
from schemas.codec import decode
from schemas.errors import InvalidInput
from schemas.outcomes import Prediction, Rejection
from worker.core.naming import reviews_folder, sealed_folder
from worker.core.pack import Kind
from worker.core.reading import Outcome, read_lines

KINDS: tuple[Kind, ...] = ("reviews", "rejections")

_MAX_LINE_BYTES = 100_000
_LOOKS = 100
"""How often a partition is listed anew because objects vanished while it was read: each time somebody sealed some."""


class StoredReviews:
    """The rows of a results bucket: what workers wrote and nobody sealed yet, and what is sealed.

    Remembers which objects it read: they never change, so `fresh` reads each once. Not safe to use from several
    threads.
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._sealed = SealedReader(objects)
        self._seen: set[str] = set()

    def fresh(self, partitions: Iterable[str], kinds: Iterable[Kind] = KINDS) -> Iterator[tuple[str, Outcome]]:
        """Yield (partition, row) of every object in the partitions that was not read before.

        A row that is sealed meanwhile can come a second time, as one that was stored twice does. Raises NotDone for
        what is damaged.
        """
        for where in partitions:
            for kind in kinds:
                yield from ((where, outcome) for outcome in self._fresh_of(Partition(kind, where)))

    def partitions(self, days: Iterable[str] | None, kind: Kind) -> list[str]:
        """Return the partitions that exist, ascending: of the days given as `YYYY-MM-DD`, or all."""
        found: set[str] = set()
        wanted = ["dt="] if days is None else [f"dt={day}/" for day in days]
        # What is sealed comes second: between the two listings rows can only move there.
        for root in (reviews_folder(kind), sealed_folder(kind)):
            names = (info.name for prefix in wanted for info in self._objects.listing(root + prefix))
            found |= {"/".join(name.removeprefix(root).split("/")[:2]) for name in names}
        return sorted(found)

    def _fresh_of(self, partition: Partition) -> Iterator[Outcome]:
        """Read what workers wrote and no manifest lists, and what is sealed.

        Workers' objects are listed first: those that vanish before or while they are read are sealed by then, so a
        look at the manifests afterwards finds their rows.
        """
        gone: list[ObjectInfo] = []
        for _ in range(_LOOKS):
            written = list(self._objects.listing(partition.folder))
            sealed = self._sealed.look(partition)
            _require_sealed(gone, written, sealed)
            gone = []
            for info, data in contents(self._objects, self._unread(written, sealed, partition)):
                if data is None:
                    gone.append(info)
                else:
                    self._seen.add(info.name)
                    yield from rows_of(info.name, data, partition.kind)
            if not gone:
                return
        raise NotDone(f"{partition} is being sealed faster than it can be read. Try again.")

    def _unread(self, written: list[ObjectInfo], sealed: Sealed, partition: Partition) -> list[ObjectInfo]:
        unread = [
            info
            for sequence in sealed.sequences
            # What was read before it was sealed need not be read again.
            if not all(partition.folder + source.object in self._seen for source in sequence.manifest.sources)
            for info in sequence.objects
        ]
        unread += [info for info in written if not sealed.holds(info)]
        return [info for info in unread if info.name not in self._seen]


def _require_sealed(gone: list[ObjectInfo], written: list[ObjectInfo], sealed: Sealed) -> None:
    """Raise NotDone where an object vanished whose rows are nowhere else."""
    there = {info.name for info in written}
    for info in gone:
        if not sealed.holds(info) and info.name not in there:
            raise NotDone(
                f"The stored object {info.name} was deleted while it was read, and no sealed manifest lists it: its "
                "rows are lost, unless the bucket keeps old versions."
            )


def row_of(kind: Kind) -> Callable[[bytes], Outcome]:
    """Return what decodes a stored line; it raises InvalidInput."""
    row_type: type[Prediction | Rejection] = Prediction if kind == "reviews" else Rejection
    return lambda line: decode(line, row_type, max_bytes=_MAX_LINE_BYTES)


def rows_of(name: str, data: bytes, kind: Kind) -> Iterator[Outcome]:
    """Yield the rows of one object; raises NotDone for one that holds something else."""
    parse = row_of(kind)
    try:
        for number, line in enumerate(read_lines([data], max_bytes=_MAX_LINE_BYTES), 1):
            try:
                yield parse(line)
            except InvalidInput as error:
                raise ValueError(f"line {number}: {error.reason}") from None
    except ValueError as error:
        raise NotDone(
            f"The stored object {name} is damaged ({error}). It may hold rows of other receipts: those of an hour "
            "are stored together. Look at it by hand."
        ) from None
