"""The object store: buckets, objects, generations and preconditions. Knows nothing of HTTP."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from emulator.storage.buckets import Bucket, bucket_fields, patched_fields
from emulator.storage.content import Checksums, Content, ContentWriter, Reader
from emulator.storage.errors import conflict, no_such_bucket, no_such_object
from emulator.storage.generations import Generations
from emulator.storage.listing import ListingQuery, Page, page_of
from emulator.storage.names import check_bucket_name, check_object_name
from emulator.storage.notifications import (
    DELETE,
    FINALIZE,
    METADATA_UPDATE,
    Announce,
    Change,
    NotificationConfig,
    notifications_of,
)
from emulator.storage.preconditions import ALWAYS, Preconditions
from emulator.storage.records import DEFAULT_CONTENT_TYPE, ObjectRecord, Settings, settings_from, timestamp
from emulator.storage.shelf import Shelf


@dataclass(frozen=True, slots=True)
class Draft:
    """An object that is written and not yet committed."""

    bucket: str
    name: str
    content: Content
    settings: Settings
    component_count: int | None = None


class Store:
    """All buckets of one server; every method may be called from any thread.

    Each change of an object is saved on the shelf, then made visible, then announced, under one lock: no reader sees
    a change that a crash could take back, and announcements leave in the order of the commits. `announce`, and
    `on_commit`, which is told of every change before the client is, must not block.
    """

    def __init__(
        self,
        shelf: Shelf,
        announce: Announce | None = None,
        base_url: str = "",
        on_commit: Callable[[Change], None] | None = None,
    ) -> None:
        self._lock = threading.RLock()
        self._shelf = shelf
        self._announce = announce
        self._on_commit = on_commit
        self._base_url = base_url
        self._buckets = {bucket.name: bucket for bucket in shelf.load()}
        self._generations = Generations(shelf.generation_limit(), shelf.reserve_generations)

    # Buckets

    def create_bucket(self, resource: Mapping[str, Any]) -> Bucket:
        """Create a bucket; StorageError 400 for a bad name, 409 when it exists."""
        name = check_bucket_name(resource.get("name"))
        bucket = Bucket(name, bucket_fields(resource), timestamp())
        with self._lock:
            if name in self._buckets:
                raise conflict("Your previous request to create the named bucket succeeded and you already own it.")
            self._shelf.save_bucket(bucket)
            self._buckets[name] = bucket
        return bucket

    def bucket(self, name: str, when: Preconditions = ALWAYS) -> Bucket:
        """Return a bucket; StorageError 404, 412 or 304."""
        with self._lock:
            bucket = self._bucket(name)
            when.check_read(bucket.version)
            return bucket

    def buckets(self) -> list[Bucket]:
        """Return all buckets in name order."""
        with self._lock:
            return [self._buckets[name] for name in sorted(self._buckets)]

    def change_bucket(
        self, name: str, resource: Mapping[str, Any], when: Preconditions = ALWAYS, *, merge: bool
    ) -> Bucket:
        """Set a bucket's fields: merged into the present ones for a PATCH, in place of them otherwise."""
        with self._lock:
            bucket = self._bucket(name)
            when.check_write(bucket.version)
            bucket.change(bucket_fields(patched_fields(bucket.fields if merge else {}, resource)))
            self._shelf.save_bucket(bucket)
            return bucket

    def delete_bucket(self, name: str, when: Preconditions = ALWAYS) -> None:
        """Delete an empty bucket; StorageError 409 when objects are left."""
        with self._lock:
            bucket = self._bucket(name)
            when.check_write(bucket.version)
            if bucket.objects:
                raise conflict("The bucket you tried to delete is not empty.")
            self._shelf.remove_bucket(bucket)
            del self._buckets[name]

    def add_notification(self, bucket_name: str, resource: Mapping[str, Any]) -> NotificationConfig:
        """Add a notification configuration to a bucket."""
        with self._lock:
            bucket = self._bucket(bucket_name)
            config = bucket.add_notification(resource)
            self._shelf.save_bucket(bucket)
            return config

    def remove_notification(self, bucket_name: str, config_id: str) -> None:
        """Remove a notification configuration; StorageError 404."""
        with self._lock:
            bucket = self._bucket(bucket_name)
            del bucket.notifications[bucket.notification(config_id).id]
            self._shelf.save_bucket(bucket)

    # Objects

    def get(self, bucket: str, name: str, generation: int | None = None, when: Preconditions = ALWAYS) -> ObjectRecord:
        """Return an object; StorageError 404 (also when only another generation is stored), 412 or 304."""
        with self._lock:
            record = self._object(bucket, name, generation)
            when.check_read(record.version)
            return record

    @contextmanager
    def opened(
        self, bucket: str, name: str, generation: int | None = None, when: Preconditions = ALWAYS
    ) -> Iterator[tuple[ObjectRecord, Reader]]:
        """Open an object for a `with` block; errors as of `get`."""
        record, reader = self.open(bucket, name, generation, when)
        try:
            yield record, reader
        finally:
            reader.close()

    def open(
        self, bucket: str, name: str, generation: int | None = None, when: Preconditions = ALWAYS
    ) -> tuple[ObjectRecord, Reader]:
        """Open an object; the caller closes the reader. Record and bytes are of the same generation."""
        with self._lock:
            record = self.get(bucket, name, generation, when)
            return record, record.content.data.open()

    def list(self, bucket: str, query: ListingQuery) -> Page:
        """Return one page of a bucket's objects."""
        with self._lock:
            home = self._bucket(bucket)
            return page_of(home.names, home.objects, query)

    def writer(self, *, with_md5: bool = True) -> ContentWriter:
        """Return a writer for the content of a new object."""
        return ContentWriter(self._shelf.open_sink(with_md5=with_md5))

    def check_destination(self, bucket: str, name: str, when: Preconditions = ALWAYS) -> None:
        """Raise what `commit` would raise now, before bytes are sent; `commit` checks again."""
        check_object_name(name)
        with self._lock:
            current = self._bucket(bucket).objects.get(name)
            when.check_write(current.version if current else None)

    def commit(self, draft: Draft, when: Preconditions = ALWAYS, expected: Checksums | None = None) -> ObjectRecord:
        """Make a draft the object of its name, or raise and discard its content.

        StorageError: 400 for a checksum or name, 404 for the bucket, 412.
        """
        with ExitStack() as unless_stored:
            unless_stored.callback(draft.content.data.discard)
            check_object_name(draft.name)
            if expected is not None:
                expected.verify(draft.content)
            if self._is_announced(draft.bucket):
                draft.content.data.md5()  # taken here: under the lock all other requests would wait for it
            with self._lock:
                home = self._bucket(draft.bucket)
                old = home.objects.get(draft.name)
                when.check_write(old.version if old else None)
                record = self._record(draft)
                self._shelf.save_object(record)
                unless_stored.pop_all()
                home.put(record)
                self._emit(Change(FINALIZE, record, record.updated, overwrote=old.generation if old else None))
                if old is not None:
                    old.content.data.discard()
                    self._emit(Change(DELETE, old, record.updated, overwritten_by=record.generation))
                return record

    def update(
        self, bucket: str, name: str, settings: Settings, generation: int | None, when: Preconditions
    ) -> ObjectRecord:
        """Replace an object's settings, as a new metageneration of the same generation."""
        with self._lock:
            current = self._object(bucket, name, generation)
            when.check_write(current.version)
            record = replace(
                current,
                settings={"contentType": DEFAULT_CONTENT_TYPE, **settings_from(settings)},
                metageneration=current.metageneration + 1,
                updated=timestamp(),
            )
            self._shelf.save_object(record)
            self._buckets[bucket].put(record)
            self._emit(Change(METADATA_UPDATE, record, record.updated))
            return record

    def delete(
        self, bucket: str, name: str, generation: int | None = None, when: Preconditions = ALWAYS
    ) -> ObjectRecord:
        """Delete an object and return what it was; StorageError 404 or 412."""
        with self._lock:
            record = self._object(bucket, name, generation)
            when.check_write(record.version)
            self._shelf.remove_object(record)
            self._buckets[bucket].remove(name)
            record.content.data.discard()
            self._emit(Change(DELETE, record, timestamp()))
            return record

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold the lock over several calls, so that no other request comes between."""
        with self._lock:
            yield

    def _is_announced(self, bucket: str) -> bool:
        """Say whether the objects of a bucket are described to whoever is notified of them."""
        home = self._buckets.get(bucket)
        return self._announce is not None and home is not None and bool(home.notifications)

    # Inside the lock

    def _bucket(self, name: str) -> Bucket:
        bucket = self._buckets.get(name)
        if bucket is None:
            raise no_such_bucket(name)
        return bucket

    def _object(self, bucket: str, name: str, generation: int | None) -> ObjectRecord:
        record = self._bucket(bucket).objects.get(name)
        if record is None or generation not in {None, record.generation}:
            raise no_such_object(bucket, name)
        return record

    def _record(self, draft: Draft) -> ObjectRecord:
        now = timestamp()
        return ObjectRecord(
            bucket=draft.bucket,
            name=draft.name,
            generation=self._generations.next(),
            metageneration=1,
            content=draft.content,
            time_created=now,
            updated=now,
            settings={"contentType": DEFAULT_CONTENT_TYPE, **draft.settings},
            component_count=draft.component_count,
        )

    def _emit(self, change: Change) -> None:
        if self._on_commit is not None:
            self._on_commit(change)
        if self._announce is None:
            return
        configs: Iterable[NotificationConfig] = self._buckets[change.record.bucket].notifications.values()
        for notification in notifications_of(change, configs, self._base_url):
            self._announce(notification)
