"""A bucket: its own resource, the objects in it in name order, and its notification configurations."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping
from typing import Any

from emulator.storage.errors import bad_request, not_found, not_implemented
from emulator.storage.notifications import NotificationConfig
from emulator.storage.preconditions import Version
from emulator.storage.records import ObjectRecord, timestamp

_READ_ONLY = frozenset({"kind", "id", "selfLink", "name", "metageneration", "timeCreated", "updated", "etag"})


class Bucket:
    """One bucket. Not safe for threads by itself: the store holds its lock around every use."""

    def __init__(self, name: str, fields: Mapping[str, Any], time_created: str) -> None:
        self.name = name
        self.fields = dict(fields)
        self.metageneration = 1
        self.time_created = time_created
        self.updated = time_created
        self.objects: dict[str, ObjectRecord] = {}
        self.names: list[str] = []
        self.notifications: dict[str, NotificationConfig] = {}
        self.notifications_made = 0

    @property
    def version(self) -> Version:
        """What a bucket's metageneration preconditions are compared with."""
        return Version(0, self.metageneration, f"CAE{self.metageneration}")

    def put(self, record: ObjectRecord) -> None:
        """Add an object or replace the one of the same name."""
        if record.name not in self.objects:
            insort(self.names, record.name)
        self.objects[record.name] = record

    def remove(self, name: str) -> None:
        """Take an object out."""
        del self.objects[name]
        del self.names[bisect_left(self.names, name)]

    def change(self, fields: Mapping[str, Any]) -> None:
        """Replace what the client chose, as one new metageneration."""
        self.fields = dict(fields)
        self.metageneration += 1
        self.updated = timestamp()

    def add_notification(self, resource: Mapping[str, Any]) -> NotificationConfig:
        """Add a configuration under an id that this bucket never gave before."""
        config = NotificationConfig.from_resource(str(self.notifications_made + 1), resource)
        self.notifications_made += 1
        self.notifications[config.id] = config
        return config

    def notification(self, config_id: str) -> NotificationConfig:
        """Return a configuration, or raise StorageError 404."""
        config = self.notifications.get(config_id)
        if config is None:
            raise not_found(f"No such notification configuration: {self.name}/{config_id}")
        return config

    def resource(self, base_url: str) -> dict[str, Any]:
        """Return the JSON API's bucket resource."""
        return {
            "location": "US",
            "locationType": "multi-region",
            "storageClass": "STANDARD",
            "projectNumber": "1",
            **self.fields,
            "kind": "storage#bucket",
            "id": self.name,
            "name": self.name,
            "selfLink": f"{base_url}/storage/v1/b/{self.name}",
            "metageneration": str(self.metageneration),
            "etag": self.version.etag,
            "timeCreated": self.time_created,
            "updated": self.updated,
        }


def bucket_fields(resource: Mapping[str, Any]) -> dict[str, Any]:
    """Pick what a client may set out of a bucket resource; StorageError 501 for what would need enforcing."""
    versioning = resource.get("versioning") or {}
    if not isinstance(versioning, Mapping):
        raise bad_request("Invalid value for versioning: an object is needed.")
    if versioning.get("enabled"):
        raise not_implemented("The embedded storage server keeps no noncurrent versions of objects.")
    for key in ("retentionPolicy", "defaultEventBasedHold", "encryption"):
        if resource.get(key):
            raise not_implemented(f"The embedded storage server does not support {key} on buckets.")
    return {key: value for key, value in resource.items() if key not in _READ_ONLY and value is not None}


def patched_fields(current: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Merge a PATCH body as RFC 7396 says: objects merge, null removes."""
    merged = dict(current)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            before = merged.get(key)
            merged[key] = patched_fields(before if isinstance(before, dict) else {}, value)
        else:
            merged[key] = value
    return merged
