"""Create-only writes that know their own bytes again."""

from __future__ import annotations

import base64
import struct

import google_crc32c

from cloud.objects import ContentConflict, ObjectInfo, Objects, PreconditionFailed


def crc32c(data: bytes) -> str:
    """Return base64 of the big-endian CRC32C of `data`, as Cloud Storage shows it."""
    return base64.b64encode(struct.pack(">I", google_crc32c.value(data))).decode()


def put_once(objects: Objects, name: str, data: bytes, *, content_type: str) -> ObjectInfo:
    """Write an object that must not exist yet, and return it; safe to call again with the same bytes.

    A 412 says that the name is taken: by an earlier try of ours whose answer was lost, by another worker with the
    same rows, or by other content. Size and CRC32C tell the first two from the last (traps: the client answers 412
    although its own write succeeded). Raises ContentConflict for other content.
    """
    try:
        return objects.put(name, data, content_type=content_type, if_generation=0)
    except PreconditionFailed:
        there = objects.info(name)
        if (there.size, there.crc32c) == (len(data), crc32c(data)):
            return there
        raise ContentConflict(
            f"{objects.uri}/{name} already holds other bytes ({there.size:,}, crc32c {there.crc32c}) than the "
            f"{len(data):,} to be written (crc32c {crc32c(data)}). Nothing was overwritten; compare the two by hand."
        ) from None
