"""Seals a partition: many small objects of result rows into few, each outcome once, with a manifest written last.

The steps are in an order in which each leaves readers whole: the sealed objects, their manifest, and only then the
deletion, by name and generation, of what the manifest lists. Whoever is killed leaves work that the next run finds; of
several at once the first to write a sequence's manifest decides, and the others look again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from cloud.objects import MAX_PUT_BYTES, ObjectInfo, ObjectNotFound, Objects, PreconditionFailed
from cloud.once import put_once
from publisher.console import NotDone
from publisher.read_ahead import READERS, contents
from publisher.sealed import MANIFEST, Partition, Sealed, SealedReader, Sequence, damaged
from publisher.sorted_runs import RUN_BYTES, SortedRuns
from publisher.stored_reviews import row_of, rows_of
from schemas.codec import encode
from schemas.sealed import SealedObject, SealedPartition, SealedSource
from worker.core.naming import sealed_object
from worker.core.sealing import Chunk, Entry, Sealing, chunks, content_name, entry, line_of

_LOOKS = 100
_WORKERS_NAME = re.compile(r"/hr=(?:[0-9]{2}|unknown)/[0-9a-f]{64}\.jsonl$")
_JSON, _JSON_LINES = "application/json", "application/x-ndjson"


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much one sequence takes, and how much of it is in memory at once."""

    sources: int = 20_000
    """Objects; the manifest names each in about 170 bytes, and must fit into one write of 8 MiB."""
    source_bytes: int = 2 * 1024**3
    """Bytes of rows, which go through temporary files."""
    run_bytes: int = RUN_BYTES
    object_bytes: int = MAX_PUT_BYTES
    threads: int = READERS


@dataclass(slots=True)
class Report:
    """What a run did to one partition, and no other run at the same time.

    Where the answer to a write or a deletion was lost on the way, the run cannot know that it was its own, and counts
    it not: over all runs, `sealed`, `deleted` and `strays` can be too few, never too many.
    """

    sealed: list[SealedPartition] = field(default_factory=list)
    deleted: int = 0
    """Workers' objects whose rows are sealed."""
    strays: int = 0
    """Leftovers of interrupted runs that were deleted."""
    foreign: list[str] = field(default_factory=list)
    """Objects that no worker named: left where they are, and still read."""
    damaged: dict[str, str] = field(default_factory=dict)
    """Objects that cannot be read, with the reason: left where they are."""


class Compactor:
    """Seals partitions of one results bucket. With `keep`, workers' objects are not deleted.

    Holds about 32 MiB of objects that are being read, one run of rows, 8 MiB for each earlier sequence of the
    partition, and what is known of each object; the rows of a sequence go through temporary files.
    """

    def __init__(self, objects: Objects, *, keep: bool = False, bounds: Bounds | None = None) -> None:
        self._objects = objects
        self._keep = keep
        self._bounds = bounds or Bounds()

    def compact(self, partition: Partition) -> Report:
        """Seal what workers wrote until now, and delete what is sealed. Safe to call again, and from several processes.

        What arrives meanwhile is left for the next run. Raises NotDone, also when the partition's sealed objects are
        damaged: then nothing was deleted.
        """
        reader, report, done = SealedReader(self._objects), Report(), False
        for _ in range(_LOOKS):
            # Workers' objects first: see `StoredReviews`.
            written = list(self._objects.listing(partition.folder))
            sealed = reader.look(partition)
            report.strays += self._delete(sealed.strays)
            if not self._keep:
                report.deleted += self._delete(info for info in written if sealed.holds(info))
            waiting = [info for info in written if not sealed.holds(info) and info.name not in report.damaged]
            report.foreign = [info.name for info in waiting if not is_workers(info)]
            waiting = [info for info in waiting if is_workers(info)]
            if done or not waiting:
                return report
            some = self._fitting(waiting)
            done = self._seal(partition, sealed, some, report) and len(some) == len(waiting)
        raise NotDone(f"{partition} changes faster than it can be sealed. Try again.")

    def _fitting(self, waiting: list[ObjectInfo]) -> list[ObjectInfo]:
        """Return the first objects that fit into one sequence; one at least."""
        size = 0
        for number, info in enumerate(waiting):
            size += info.size
            if number and (number == self._bounds.sources or size > self._bounds.source_bytes):
                return waiting[:number]
        return waiting

    def _seal(self, partition: Partition, sealed: Sealed, waiting: list[ObjectInfo], report: Report) -> bool:
        """Write the next sequence; False when one of its number is there by now: then look again.

        Mostly another run's, perhaps with just these bytes. After a lost answer it is this run's own.
        """
        number = len(sealed.sequences) + 1
        with TemporaryDirectory(prefix="reviewmill-compact-") as folder:
            runs = SortedRuns(Path(folder), row_of(partition.kind), run_bytes=self._bounds.run_bytes)
            sources = self._gather(partition, waiting, runs, report)
            if sources is None:
                return False
            if not sources:
                return True
            sealing = Sealing()
            merged = runs.merged(self._entries(partition, sequence) for sequence in sealed.sequences)
            lines = map(line_of, sealing.kept(merged))
            stored = [
                self._store(partition, number, chunk) for chunk in chunks(lines, max_bytes=self._bounds.object_bytes)
            ]
        manifest = SealedPartition(partition.kind, partition.where, number, sources, stored, sealing.counts)
        name = sealed_object(partition.kind, partition.where, number, MANIFEST)
        try:
            self._objects.put(name, encode(manifest), content_type=_JSON, if_generation=0)
        except PreconditionFailed:
            return False
        report.sealed.append(manifest)
        return True

    def _gather(
        self, partition: Partition, waiting: list[ObjectInfo], runs: SortedRuns, report: Report
    ) -> list[SealedSource] | None:
        """Read workers' objects into runs and return what was read; None when one has vanished."""
        sources: list[SealedSource] = []
        for info, data in contents(self._objects, waiting, readers=self._bounds.threads):
            if data is None:
                return None
            short = info.name.removeprefix(partition.folder)
            try:
                if content_name(data) != short:
                    raise NotDone(f"The stored object {info.name} does not hold the bytes that it is named by.")
                rows = list(rows_of(info.name, data, partition.kind))
            except NotDone as error:
                report.damaged[info.name] = str(error)
            else:
                runs.add(rows)
                sources.append(SealedSource(short, info.generation, info.size, info.crc32c))
        return sources

    def _entries(self, partition: Partition, sequence: Sequence) -> Iterator[Entry]:
        """Yield the rows of an earlier sequence in order, one object after the other."""
        for info in sequence.objects:
            try:
                data, _ = self._objects.get(info.name, generation=info.generation)
            except ObjectNotFound:
                raise damaged(info.name, "it vanished while it was read") from None
            for row in rows_of(info.name, data, partition.kind):
                yield entry(row, new=False)

    def _store(self, partition: Partition, number: int, chunk: Chunk) -> SealedObject:
        name = sealed_object(partition.kind, partition.where, number, chunk.name)
        info = put_once(self._objects, name, chunk.data, content_type=_JSON_LINES)
        return SealedObject(chunk.name, info.size, info.crc32c, chunk.rows)

    def _delete(self, infos: Iterable[ObjectInfo]) -> int:
        """Delete these generations, and count those that this run removed; another one, written since, stays."""

        def delete(info: ObjectInfo) -> bool:
            with suppress(PreconditionFailed):
                return self._objects.delete(info.name, if_generation=info.generation)
            return False

        with ThreadPoolExecutor(self._bounds.threads) as pool:
            return sum(pool.map(delete, infos))


def is_workers(info: ObjectInfo) -> bool:
    """Say whether an object can be one that a worker wrote: named by a digest, and small enough for one write."""
    return _WORKERS_NAME.search(info.name) is not None and info.size <= MAX_PUT_BYTES
