"""Which bucket and object names Cloud Storage accepts."""

from __future__ import annotations

import re

from emulator.storage.errors import bad_request

MAX_OBJECT_NAME_BYTES = 1024
# https://cloud.google.com/storage/docs/buckets#naming; names with dots may be longer, each part up to 63.
_BUCKET_NAME = re.compile(
    r"(?=.{3,222}\Z)[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?)*"
)


def check_bucket_name(name: object) -> str:
    """Return the name, or raise StorageError 400."""
    if not isinstance(name, str) or _BUCKET_NAME.fullmatch(name) is None:
        raise bad_request(
            f"Invalid bucket name: {name!r}. Use 3 to 63 lower-case letters, digits, dashes, underscores and dots."
        )
    return name


def check_object_name(name: object) -> str:
    """Return the name, or raise StorageError 400.

    Rules: https://cloud.google.com/storage/docs/objects#naming
    """
    if not isinstance(name, str) or not name:
        raise bad_request("Required parameter: name", "required")
    if len(name.encode("utf-8")) > MAX_OBJECT_NAME_BYTES:
        raise bad_request(f"The object name is longer than {MAX_OBJECT_NAME_BYTES} bytes of UTF-8.")
    if name in {".", ".."} or "\r" in name or "\n" in name or name.startswith(".well-known/acme-challenge/"):
        raise bad_request(f"Invalid object name: {name!r}")
    return name
