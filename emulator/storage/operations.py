"""What makes objects out of stored objects: compose, copy, move."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from emulator.storage.content import Content, Reader
from emulator.storage.errors import StorageError, bad_request, precondition_failed
from emulator.storage.names import check_object_name
from emulator.storage.preconditions import ALWAYS, Preconditions, optional_number
from emulator.storage.records import ObjectRecord, Settings, settings_from
from emulator.storage.store import Draft, Store

MAX_SOURCES = 32


@dataclass(frozen=True, slots=True)
class Source:
    """An object to read from: perhaps one generation of it, perhaps only under conditions."""

    bucket: str
    name: str
    generation: int | None = None
    when: Preconditions = ALWAYS


@dataclass(frozen=True, slots=True)
class Composition:
    """A compose request: its sources in order and the object they become."""

    bucket: str
    name: str
    sources: tuple[Source, ...]
    settings: Settings
    delete_sources: bool = False

    @classmethod
    def from_resource(cls, bucket: str, name: str, body: Mapping[str, Any]) -> Composition:
        """Read the JSON body of a compose request; StorageError 400 when it is none."""
        listed = body.get("sourceObjects")
        if not isinstance(listed, list) or not 1 <= len(listed) <= MAX_SOURCES:
            raise bad_request(f"The number of source components must be from 1 to {MAX_SOURCES}.")
        sources = tuple(_composed_source(bucket, item) for item in listed)
        settings = settings_from(body.get("destination") or {})
        return cls(bucket, name, sources, settings, delete_sources=bool(body.get("deleteSourceObjects")))


def source_of(bucket: str, name: str, query: Mapping[str, str]) -> Source:
    """Read the source of a copy, rewrite or move from a request's query."""
    return Source(bucket, name, optional_number(query, "sourceGeneration"), Preconditions.from_query(query, "ifSource"))


def compose(store: Store, composition: Composition, when: Preconditions) -> ObjectRecord:
    """Join the sources byte by byte, streaming; component counts add up and there is no md5.

    The sources are opened first, so that the destination may be one of them.
    """
    store.check_destination(composition.bucket, composition.name, when)
    with ExitStack() as opened, store.writer(with_md5=False) as writer:
        with store.transaction():
            parts = [opened.enter_context(_open(store, source)) for source in composition.sources]
        for record, reader in parts:
            writer.write_all(reader.chunks(0, record.content.size))
        components = sum(record.component_count or 1 for record, _ in parts)
        draft = Draft(composition.bucket, composition.name, writer.finish(), composition.settings, components)
        composed = store.commit(draft, when)
        if composition.delete_sources:
            _delete_sources(store, [record for record, _ in parts])
    return composed


def copy(
    store: Store, source: Source, target: tuple[str, str], body: Mapping[str, Any], when: Preconditions
) -> ObjectRecord:
    """Copy without reading the bytes. Metadata comes from the source unless the body sets some."""
    check_object_name(target[1])
    with store.transaction():
        record = _get(store, source)
        return _commit_copy(store, record, target, settings_from(body) or record.settings, when)


def move(store: Store, source: Source, to_name: str, when: Preconditions) -> ObjectRecord:
    """Rename an object in its bucket: nobody sees both names or none."""
    if source.name == to_name:
        raise bad_request("The source and destination object names must differ.")
    with store.transaction():
        record = _get(store, source)
        moved = _commit_copy(store, record, (source.bucket, to_name), record.settings, when)
        store.delete(source.bucket, source.name, record.generation)
        return moved


def _commit_copy(
    store: Store, record: ObjectRecord, target: tuple[str, str], settings: Settings, when: Preconditions
) -> ObjectRecord:
    store.check_destination(*target, when)
    content = record.content
    shared = Content(content.data.share(), content.size, content.crc32c)
    return store.commit(Draft(*target, shared, settings, record.component_count), when)


def _composed_source(bucket: str, item: object) -> Source:
    if not isinstance(item, Mapping):
        raise bad_request("Each of sourceObjects must be an object with a name.")
    conditions = item.get("objectPreconditions") or {}
    if not isinstance(conditions, Mapping):
        raise bad_request("objectPreconditions must be an object.")
    name = check_object_name(item.get("name"))
    return Source(bucket, name, optional_number(item, "generation"), Preconditions.from_query(conditions))


def _get(store: Store, source: Source) -> ObjectRecord:
    """Return the source's record; a condition that does not hold is a 412 here, never a 304."""
    try:
        return store.get(source.bucket, source.name, source.generation, source.when)
    except StorageError as error:
        if error.status == HTTPStatus.NOT_MODIFIED:
            raise precondition_failed() from error
        raise


def _open(store: Store, source: Source) -> AbstractContextManager[tuple[ObjectRecord, Reader]]:
    _get(store, source)
    return store.opened(source.bucket, source.name, source.generation)


def _delete_sources(store: Store, records: list[ObjectRecord]) -> None:
    """Delete the generations that were composed; one that is gone or replaced meanwhile stays as it is."""
    for record in records:
        try:
            store.delete(record.bucket, record.name, record.generation)
        except StorageError:
            continue
