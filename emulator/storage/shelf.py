"""The interface of what keeps objects between requests, and the one that keeps them only in memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from emulator.storage.buckets import Bucket
from emulator.storage.content import Sink
from emulator.storage.memory import MemorySink
from emulator.storage.records import ObjectRecord


class Shelf(Protocol):
    """Saves what the store commits. The store calls it under its lock, before a change becomes visible."""

    def open_sink(self, *, with_md5: bool) -> Sink:
        """Return where the bytes of a new object go; called without the lock."""
        ...

    def load(self) -> Iterable[Bucket]:
        """Return the buckets, with objects and notifications, of an earlier run."""
        ...

    def save_bucket(self, bucket: Bucket) -> None:
        """Save a new or changed bucket without its objects."""
        ...

    def remove_bucket(self, bucket: Bucket) -> None:
        """Remove an empty bucket."""
        ...

    def save_object(self, record: ObjectRecord) -> None:
        """Save a record in place of an earlier one of its name, in one step: a crash leaves the old or the new."""
        ...

    def remove_object(self, record: ObjectRecord) -> None:
        """Forget a record; its bytes are discarded by the store."""
        ...

    def generation_limit(self) -> int:
        """Return a number that every generation of earlier runs is at or below."""
        ...

    def reserve_generations(self, limit: int) -> None:
        """Remember that generations up to `limit` may be given."""
        ...

    def close(self) -> None:
        """Let another process use what is kept; safe to call twice."""
        ...


class MemoryShelf:
    """Keeps nothing: the store's own memory is all there is."""

    def open_sink(self, *, with_md5: bool) -> Sink:
        """Return a sink in memory."""
        return MemorySink(with_md5=with_md5)

    def load(self) -> Iterable[Bucket]:
        """Return nothing: there was no earlier run."""
        return ()

    def save_bucket(self, bucket: Bucket) -> None:
        """Do nothing."""

    def remove_bucket(self, bucket: Bucket) -> None:
        """Do nothing."""

    def save_object(self, record: ObjectRecord) -> None:
        """Do nothing."""

    def remove_object(self, record: ObjectRecord) -> None:
        """Do nothing."""

    def generation_limit(self) -> int:
        """Return 0: no generation was ever given."""
        return 0

    def reserve_generations(self, limit: int) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""
