"""Objects in a folder: bytes in one file each, what is known of them in another, every change one rename.

    FOLDER/lock                       held by the process that uses the folder
    FOLDER/generations                no generation above this number was given
    FOLDER/content/<random>           the bytes of an object
    FOLDER/buckets/<digest>/bucket    a bucket and its notification configurations, JSON
    FOLDER/buckets/<digest>/<digest>  an object, JSON, which names its file under content/

File names are digests of bucket and object names: any name of up to 1,024 bytes fits, and none can lead elsewhere.
A killed process leaves the old state or the new one, and content files that nothing names, which the next start
removes. Files are not synced to the disk: a power cut can lose what was written seconds before.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from emulator.storage.buckets import Bucket
from emulator.storage.content import Content, Sink
from emulator.storage.files import FileData, FileSink
from emulator.storage.notifications import NotificationConfig
from emulator.storage.records import ObjectRecord

_BUCKET_FILE = "bucket"
_TEMPORARY_SUFFIX = ".new"


class FolderError(Exception):
    """The folder cannot be used; the message names the cause and the fix."""


class FolderShelf:
    """Keeps a store in a folder, which is made if needed. Raises FolderError when another process uses it."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._content = root / "content"
        self._buckets = root / "buckets"
        try:
            self._content.mkdir(parents=True, exist_ok=True)
            self._buckets.mkdir(exist_ok=True)
            self._lock: BinaryIO = (root / "lock").open("wb")
        except OSError as error:
            raise FolderError(f"The folder {root} cannot be used: {error}. Name one that can be written.") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            message = f"The folder {root} is in use by another storage server. Stop it, or name another folder."
            raise FolderError(message) from error

    def open_sink(self, *, with_md5: bool) -> Sink:
        """Return a sink that writes a new file."""
        return FileSink(self._content / uuid.uuid4().hex, with_md5=with_md5)

    def load(self) -> list[Bucket]:
        """Read everything back and remove what a killed process left behind; FolderError for a damaged file."""
        buckets = []
        named: set[str] = set()
        for folder in sorted(self._buckets.iterdir()):
            if not (folder / _BUCKET_FILE).exists():
                # A bucket whose creation or removal was cut short.
                shutil.rmtree(folder)
                continue
            bucket = _bucket_from(_read(folder / _BUCKET_FILE))
            for record in self._records(folder):
                bucket.put(record)
                named.add(_content_name(record))
            buckets.append(bucket)
        for path in self._content.iterdir():
            if path.name not in named:
                path.unlink()
        return buckets

    def save_bucket(self, bucket: Bucket) -> None:
        """Save a bucket without its objects."""
        folder = self._folder(bucket.name)
        folder.mkdir(exist_ok=True)
        _write(folder / _BUCKET_FILE, _bucket_fields(bucket))

    def remove_bucket(self, bucket: Bucket) -> None:
        """Remove an empty bucket."""
        folder = self._folder(bucket.name)
        (folder / _BUCKET_FILE).unlink()
        shutil.rmtree(folder)

    def save_object(self, record: ObjectRecord) -> None:
        """Save a record in one step."""
        _write(self._object_file(record), _object_fields(record))

    def remove_object(self, record: ObjectRecord) -> None:
        """Forget a record."""
        self._object_file(record).unlink(missing_ok=True)

    def generation_limit(self) -> int:
        """Return the limit that was reserved last."""
        path = self._root / "generations"
        return int(_read(path)["limit"]) if path.exists() else 0

    def reserve_generations(self, limit: int) -> None:
        """Remember that generations up to `limit` may be given."""
        _write(self._root / "generations", {"limit": limit})

    def close(self) -> None:
        """Let another process use the folder."""
        self._lock.close()

    def _folder(self, bucket: str) -> Path:
        return self._buckets / _digest(bucket)

    def _object_file(self, record: ObjectRecord) -> Path:
        return self._folder(record.bucket) / _digest(record.name)

    def _records(self, folder: Path) -> Iterator[ObjectRecord]:
        for path in sorted(folder.iterdir()):
            if path.suffix == _TEMPORARY_SUFFIX:
                path.unlink()
            elif path.name != _BUCKET_FILE:
                record = self._record_from(_read(path))
                file = self._content / _content_name(record)
                if not file.exists() or file.stat().st_size != record.content.size:
                    raise FolderError(
                        f"The file {file} of object {record.bucket}/{record.name} is missing or cut short. "
                        f"Restore it, or remove {path} to give the object up."
                    )
                yield record

    def _record_from(self, fields: Mapping[str, Any]) -> ObjectRecord:
        content = fields["content"]
        data = FileData(self._content / content["file"], content["md5"])
        stored = Content(data, content["size"], content["crc32c"])
        return ObjectRecord(**{**fields, "content": stored})


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8")).hexdigest()


def _content_name(record: ObjectRecord) -> str:
    data = record.content.data
    if not isinstance(data, FileData):
        raise TypeError("a folder keeps only contents that were written to its own sinks")
    return data.path.name


def _object_fields(record: ObjectRecord) -> dict[str, Any]:
    content = record.content
    stored = {"file": _content_name(record), "size": content.size, "crc32c": content.crc32c, "md5": content.md5}
    names = ("bucket", "name", "generation", "metageneration", "time_created", "updated", "settings", "component_count")
    return {**{name: getattr(record, name) for name in names}, "content": stored}


def _bucket_fields(bucket: Bucket) -> dict[str, Any]:
    names = ("name", "fields", "metageneration", "time_created", "updated", "notifications_made")
    notifications = [asdict(config) for config in bucket.notifications.values()]
    return {**{name: getattr(bucket, name) for name in names}, "notifications": notifications}


def _bucket_from(fields: Mapping[str, Any]) -> Bucket:
    bucket = Bucket(fields["name"], fields["fields"], fields["time_created"])
    bucket.metageneration = fields["metageneration"]
    bucket.updated = fields["updated"]
    bucket.notifications_made = fields["notifications_made"]
    for stored in fields["notifications"]:
        config = NotificationConfig(**{**stored, "event_types": tuple(stored["event_types"])})
        bucket.notifications[config.id] = config
    return bucket


def _write(path: Path, fields: Mapping[str, Any]) -> None:
    """Write a JSON file in one step."""
    temporary = path.with_name(path.name + _TEMPORARY_SUFFIX)
    temporary.write_bytes(msgspec.json.encode(fields))
    temporary.replace(path)


def _read(path: Path) -> dict[str, Any]:
    try:
        decoded = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise FolderError(f"The file {path} is damaged: {error}. Restore or remove it.") from error
    return decoded
