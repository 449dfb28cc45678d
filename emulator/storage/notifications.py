"""Bucket notifications: their configuration, which changes they want, and the Pub/Sub message each change becomes.

Attributes and payload: https://cloud.google.com/storage/docs/pubsub-notifications
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import msgspec

from emulator.storage.errors import bad_request
from emulator.storage.records import ObjectRecord

FINALIZE = "OBJECT_FINALIZE"
DELETE = "OBJECT_DELETE"
METADATA_UPDATE = "OBJECT_METADATA_UPDATE"
EVENT_TYPES = frozenset({FINALIZE, DELETE, METADATA_UPDATE, "OBJECT_ARCHIVE"})
PAYLOAD_FORMATS = frozenset({"JSON_API_V1", "NONE"})

_TOPIC = re.compile(r"(?://pubsub\.googleapis\.com/)?(projects/[^/]+/topics/[^/]+)")


@dataclass(frozen=True, slots=True)
class NotificationConfig:
    """One `notificationConfigs` entry of a bucket; no event types means all of them."""

    id: str
    topic: str
    payload_format: str
    event_types: tuple[str, ...] = ()
    object_name_prefix: str = ""
    custom_attributes: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_resource(cls, config_id: str, resource: Mapping[str, Any]) -> NotificationConfig:
        """Read the JSON API's resource; raises StorageError 400 for what Cloud Storage would refuse."""
        topic = _TOPIC.fullmatch(str(resource.get("topic", "")))
        if topic is None:
            raise bad_request("Invalid topic: use //pubsub.googleapis.com/projects/PROJECT/topics/TOPIC.")
        payload_format = resource.get("payload_format")
        if payload_format not in PAYLOAD_FORMATS:
            raise bad_request("payload_format must be JSON_API_V1 or NONE.")
        event_types = tuple(resource.get("event_types") or ())
        if not EVENT_TYPES.issuperset(event_types):
            raise bad_request(f"Unknown event type; known are {', '.join(sorted(EVENT_TYPES))}.")
        prefix = resource.get("object_name_prefix") or ""
        attributes = resource.get("custom_attributes") or {}
        if not isinstance(attributes, dict) or not all(isinstance(value, str) for value in attributes.values()):
            raise bad_request("custom_attributes must be an object of strings.")
        return cls(config_id, topic[1], payload_format, event_types, str(prefix), attributes)

    def resource(self, bucket: str, base_url: str) -> dict[str, Any]:
        """Return the JSON API's resource; options that were not given are absent."""
        given = {key: value for key, value in asdict(self).items() if value}
        return {
            **given,
            "kind": "storage#notification",
            "topic": f"//pubsub.googleapis.com/{self.topic}",
            "etag": self.id,
            "selfLink": f"{base_url}/storage/v1/b/{bucket}/notificationConfigs/{self.id}",
        }

    def wants(self, event_type: str, name: str) -> bool:
        """Tell whether a change of the object `name` is to be announced."""
        return (not self.event_types or event_type in self.event_types) and name.startswith(self.object_name_prefix)


@dataclass(frozen=True, slots=True)
class Change:
    """Something that happened to an object: the record it happened to, and the other generation of an overwrite."""

    event_type: str
    record: ObjectRecord
    time: str
    overwrote: int | None = None
    overwritten_by: int | None = None


@dataclass(frozen=True, slots=True)
class Notification:
    """A Pub/Sub message to be: `topic` is projects/PROJECT/topics/TOPIC."""

    topic: str
    data: bytes
    attributes: dict[str, str]


Announce = Callable[[Notification], None]


def notifications_of(change: Change, configs: Iterable[NotificationConfig], base_url: str) -> Iterator[Notification]:
    """Yield one message for each configuration that wants the change."""
    for config in configs:
        if config.wants(change.event_type, change.record.name):
            data = b""
            if config.payload_format == "JSON_API_V1":
                data = msgspec.json.encode(change.record.resource(base_url))
            yield Notification(config.topic, data, _attributes(change, config))


def _attributes(change: Change, config: NotificationConfig) -> dict[str, str]:
    record = change.record
    attributes = {
        **config.custom_attributes,
        "notificationConfig": f"projects/_/buckets/{record.bucket}/notificationConfigs/{config.id}",
        "eventType": change.event_type,
        "payloadFormat": config.payload_format,
        "bucketId": record.bucket,
        "objectId": record.name,
        "objectGeneration": str(record.generation),
        "eventTime": change.time,
    }
    if change.overwrote is not None:
        attributes["overwroteGeneration"] = str(change.overwrote)
    if change.overwritten_by is not None:
        attributes["overwrittenByGeneration"] = str(change.overwritten_by)
    return attributes
