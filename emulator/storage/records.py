"""Stored objects as frozen values, their JSON resource, and the metadata that a client may set."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from emulator.storage.content import Content
from emulator.storage.errors import bad_request, not_implemented
from emulator.storage.preconditions import Version

Settings = Mapping[str, Any]

DEFAULT_CONTENT_TYPE = "application/octet-stream"
_TEXT_SETTINGS = (
    "contentType",
    "contentEncoding",
    "contentDisposition",
    "contentLanguage",
    "cacheControl",
    "customTime",
    "storageClass",
)
# Asked for and not enforced would be a lie, so these are refused.
_UNSUPPORTED = ("temporaryHold", "eventBasedHold", "retention", "contexts", "kmsKeyName", "customerEncryption")


@dataclass(frozen=True, slots=True)
class ObjectRecord:
    """One generation of one object. Times are RFC 3339 in UTC; `settings` holds what the client chose."""

    bucket: str
    name: str
    generation: int
    metageneration: int
    content: Content
    time_created: str
    updated: str
    settings: Settings
    component_count: int | None = None

    @property
    def etag(self) -> str:
        """A tag that changes with the content and with the metadata."""
        return base64.b64encode(f"{self.generation}/{self.metageneration}".encode()).decode("ascii")

    @property
    def version(self) -> Version:
        """What preconditions are compared with."""
        return Version(self.generation, self.metageneration, self.etag)

    def resource(self, base_url: str, *, with_md5: bool = True) -> dict[str, Any]:
        """Return the JSON API's object resource; links start with `base_url`.

        Fields: https://cloud.google.com/storage/docs/json_api/v1/objects#resource
        """
        path = f"/storage/v1/b/{self.bucket}/o/{quote(self.name, safe='')}"
        fields: dict[str, Any] = {
            "kind": "storage#object",
            "id": f"{self.bucket}/{self.name}/{self.generation}",
            "selfLink": base_url + path,
            # The client downloads from this link when it has one: it must be absolute.
            "mediaLink": f"{base_url}/download{path}?generation={self.generation}&alt=media",
            "name": self.name,
            "bucket": self.bucket,
            "generation": str(self.generation),
            "metageneration": str(self.metageneration),
            "size": str(self.content.size),
            "crc32c": self.content.crc32c,
            "etag": self.etag,
            "timeCreated": self.time_created,
            "timeFinalized": self.time_created,
            "timeStorageClassUpdated": self.time_created,
            "updated": self.updated,
            "storageClass": "STANDARD",
            **self.settings,
        }
        if with_md5 and (md5 := self.content.md5) is not None:
            fields["md5Hash"] = md5
        if self.component_count is not None:
            fields["componentCount"] = self.component_count
        return fields


def timestamp() -> str:
    """Return the time now as Cloud Storage writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def settings_from(resource: Mapping[str, Any]) -> dict[str, Any]:
    """Pick what a client may set out of an object resource; read-only fields are ignored, as Cloud Storage does.

    Raises StorageError: 400 for a wrong type, 501 for a setting that the server does not enforce.
    """
    for key in _UNSUPPORTED:
        if resource.get(key):
            raise not_implemented(f"The embedded storage server does not support {key} on objects.")
    settings: dict[str, Any] = {
        key: _text(key, resource[key]) for key in _TEXT_SETTINGS if resource.get(key) is not None
    }
    metadata = resource.get("metadata")
    if metadata:
        settings["metadata"] = {key: _text(f"metadata.{key}", value) for key, value in _object(metadata).items()}
    return settings


def patched_settings(current: Settings, patch: Mapping[str, Any]) -> dict[str, Any]:
    """Merge a PATCH body into settings: null removes a field or one metadata entry, absence keeps it."""
    merged = {**current, **patch}
    if patch.get("metadata") is not None:
        entries = {**current.get("metadata", {}), **_object(patch["metadata"])}
        merged["metadata"] = {key: value for key, value in entries.items() if value is not None}
    return settings_from(merged)


def _text(key: str, value: object) -> str:
    if not isinstance(value, str):
        raise bad_request(f"Invalid value for {key}: a string is needed.")
    if key in _TEXT_SETTINGS and any(ord(character) < ord(" ") for character in value):
        raise bad_request(f"Invalid value for {key}: control characters are not allowed.")
    return value


def _object(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise bad_request("Invalid value for metadata: an object of strings is needed.")
    return value
