"""Looks at what is sealed of a partition: the manifests, their objects, and what no manifest lists."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from cloud.objects import ObjectInfo, ObjectNotFound, Objects
from publisher.console import NotDone
from schemas.codec import decode
from schemas.errors import InvalidInput
from schemas.sealed import MAX_SEALED_BYTES, SealedPartition
from worker.core.naming import reviews_folder, sealed_folder, sealed_object
from worker.core.pack import Kind

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Partition:
    """One hour of reviews or rejections."""

    kind: Kind
    where: str
    """`dt=YYYY-MM-DD/hr=HH`."""

    @property
    def folder(self) -> str:
        """The prefix of what workers wrote."""
        return reviews_folder(self.kind, self.where)

    def __str__(self) -> str:
        return f"{self.kind} {self.where}"


@dataclass(frozen=True, slots=True)
class Sequence:
    """One sealed sequence, and its objects, which are there with the size and checksum that the manifest says."""

    manifest: SealedPartition
    objects: tuple[ObjectInfo, ...]


@dataclass(frozen=True, slots=True)
class Sealed:
    """What was sealed of a partition at one moment."""

    sequences: tuple[Sequence, ...] = ()
    strays: tuple[ObjectInfo, ...] = ()
    """In the folder of a sealed sequence and not in its manifest, which cannot change: nobody will ever read them."""
    sources: frozenset[tuple[str, int]] = field(default=frozenset())
    """Names and generations of the objects whose rows are sealed."""

    def holds(self, info: ObjectInfo) -> bool:
        """Say whether the rows of a worker's object are sealed."""
        return (info.name, info.generation) in self.sources


class SealedReader:
    """Reads each manifest once: they never change. Not safe to use from several threads."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._manifests: dict[str, SealedPartition] = {}

    def look(self, partition: Partition) -> Sealed:
        """Return what is sealed now. Raises NotDone when a manifest or an object that it lists is damaged."""
        folder = sealed_folder(partition.kind, partition.where)
        found = {info.name: info for info in self._objects.listing(folder)}
        sequences: list[Sequence] = []
        strays: list[ObjectInfo] = []
        for number in _sequences(folder, found):
            manifest = self._manifest(partition, number)
            listed = {_name(manifest, item.object): item for item in manifest.objects}
            sequences.append(
                Sequence(
                    manifest,
                    tuple(self._present(name, found, item.size, item.crc32c) for name, item in listed.items()),
                )
            )
            keep = {*listed, _name(manifest, MANIFEST)}
            inside = sealed_object(partition.kind, partition.where, number, "")
            strays += [info for name, info in found.items() if name.startswith(inside) and name not in keep]
        sources = frozenset(
            (partition.folder + source.object, source.generation)
            for sequence in sequences
            for source in sequence.manifest.sources
        )
        return Sealed(tuple(sequences), tuple(strays), sources)

    def _manifest(self, partition: Partition, number: int) -> SealedPartition:
        name = sealed_object(partition.kind, partition.where, number, MANIFEST)
        if name not in self._manifests:
            try:
                manifest = decode(self._objects.get(name)[0], SealedPartition, max_bytes=MAX_SEALED_BYTES)
            except (InvalidInput, ObjectNotFound) as error:
                raise damaged(name, str(error)) from None
            _check(name, manifest, partition, number)
            self._manifests[name] = manifest
        return self._manifests[name]

    def _present(self, name: str, found: dict[str, ObjectInfo], size: int, crc32c: str) -> ObjectInfo:
        try:
            # A listing of several pages can have passed the object's name before it was written.
            info = found.get(name) or self._objects.info(name)
        except ObjectNotFound:
            raise damaged(name, "its manifest lists it, and it is not there") from None
        if (info.size, info.crc32c) != (size, crc32c):
            raise damaged(name, "its size or checksum is not what its manifest says")
        return info


def damaged(name: str, why: str) -> NotDone:
    """Return what is to be raised about an object that cannot be relied on."""
    return NotDone(f"The sealed object {name} is damaged ({why}). Nothing was deleted. Look at it by hand.")


def _sequences(folder: str, found: dict[str, ObjectInfo]) -> Iterator[int]:
    """Yield the numbers of the sealed sequences, which follow each other from 1."""
    number = 1
    while f"{folder}{number:06d}/{MANIFEST}" in found:
        yield number
        number += 1


def _check(name: str, manifest: SealedPartition, partition: Partition, number: int) -> None:
    told = (manifest.kind, manifest.partition, manifest.sequence)
    if told != (partition.kind, partition.where, number):
        raise damaged(name, f"it is of another place: {told[0]} {told[1]}, sequence {told[2]}")
    counts = manifest.counts
    rows = sum(item.rows for item in manifest.objects)
    if counts.read != counts.rows + counts.repeats or counts.rows != rows:
        raise damaged(name, "its counts do not add up")


def _name(manifest: SealedPartition, name: str) -> str:
    return sealed_object(manifest.kind, manifest.partition, manifest.sequence, name)
