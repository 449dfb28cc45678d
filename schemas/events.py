"""How a storage event looks in each of the shapes it arrives in, and a Pub/Sub message inside a CloudEvent."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from schemas.codec import decode
from schemas.errors import InvalidInput
from schemas.requests import MAX_REQUEST_BYTES

FINALIZE = "OBJECT_FINALIZE"
_MAX_EVENT_BYTES = 1_000_000
_MAX_NAME_BYTES = 1_024
"""Longest object name (https://cloud.google.com/storage/docs/objects#naming)."""


class Upload(msgspec.Struct, frozen=True):
    """One uploaded object, whatever the event's shape was."""

    bucket: str
    name: str
    generation: int


class _Resource(msgspec.Struct, frozen=True):
    """The fields that matter of a storage#object resource; Google adds others freely."""

    bucket: str
    name: str
    generation: str | int


class PubSubMessage(msgspec.Struct, frozen=True, rename="camel"):
    """The message inside a push body or a `messagePublished` CloudEvent; Google adds other fields freely."""

    message_id: str
    publish_time: str
    data: bytes = b""
    """Base64 on the wire; decoded here."""
    attributes: dict[str, str] = {}


class MessagePublished(msgspec.Struct, frozen=True, rename="camel"):
    """The body of a push request, and the data of a `messagePublished` CloudEvent."""

    message: PubSubMessage
    subscription: str | None = None
    delivery_attempt: int | None = None


def is_notification(attributes: Mapping[str, str]) -> bool:
    """Say whether a Pub/Sub message is a bucket notification rather than a review request."""
    return "eventType" in attributes and "bucketId" in attributes


def upload_from_notification(attributes: Mapping[str, str]) -> Upload | None:
    """Return the upload that a bucket notification announces, None for other events; raises InvalidInput."""
    if attributes.get("eventType") != FINALIZE:
        return None
    return checked_upload(
        attributes.get("bucketId", ""), attributes.get("objectId", ""), attributes.get("objectGeneration", "")
    )


def notification_attributes(upload: Upload) -> dict[str, str]:
    """Return those attributes of the notification of an upload that are read here."""
    return {
        "eventType": FINALIZE,
        "bucketId": upload.bucket,
        "objectId": upload.name,
        "objectGeneration": str(upload.generation),
    }


def upload_from_cloud_event(data: bytes) -> Upload:
    """Return the upload in the data of a storage `finalized` CloudEvent; raises InvalidInput."""
    resource = decode(data, _Resource, max_bytes=_MAX_EVENT_BYTES)
    return checked_upload(resource.bucket, resource.name, str(resource.generation))


def decode_push(data: bytes) -> MessagePublished:
    """Return the Pub/Sub message in a push body; raises InvalidInput."""
    return decode(data, MessagePublished, max_bytes=2 * MAX_REQUEST_BYTES)


def checked_upload(bucket: str, name: str, generation: str) -> Upload:
    """Return the upload that a message names; raises InvalidInput.

    Names in messages are hostile until checked: they become parts of object names and log lines.
    """
    if not bucket or not name or len(name.encode(errors="replace")) > _MAX_NAME_BYTES or not name.isprintable():
        raise InvalidInput("invalid_event", "The storage event names no usable bucket and object. Send it unchanged.")
    if not (generation.isascii() and generation.isdigit() and 0 < len(generation) <= 19):  # noqa: PLR2004 - int64
        raise InvalidInput("invalid_event", "The storage event's generation is not a number. Send it unchanged.")
    return Upload(bucket=bucket, name=name, generation=int(generation))
