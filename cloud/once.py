"""Writes that know their own bytes again, so that a lost answer is not mistaken for somebody else's write."""

from __future__ import annotations

from contextlib import suppress

from cloud.crc import crc32c, joined
from cloud.objects import ContentConflict, ObjectInfo, ObjectNotFound, Objects, PreconditionFailed, TransientError

__all__ = ["crc32c", "expect_same", "joined_digest", "put_once", "replace_once"]

_TRIES = 5


def put_once(objects: Objects, name: str, data: bytes, *, content_type: str) -> ObjectInfo:
    """Write an object that must not exist yet, and return it; safe to call again with the same bytes.

    A 412 says that the name is taken: by an earlier try of ours whose answer was lost, by another worker with the
    same rows, or by other content. Size and CRC32C tell the first two from the last (the client answers 412
    although its own write succeeded). Raises ContentConflict for other content. What is deleted between the 412 and
    the comparison (compaction deletes what it sealed) is written anew: nobody can say any more what it was.
    """
    for _ in range(_TRIES):
        try:
            return objects.put(name, data, content_type=content_type, if_generation=0)
        except PreconditionFailed:
            with suppress(ObjectNotFound):
                return expect_same(objects, name, size=len(data), crc32c=crc32c(data))
    raise TransientError(f"{objects.uri}/{name} was created and deleted again and again while it was written")


def replace_once(objects: Objects, name: str, data: bytes, *, content_type: str, if_generation: int) -> ObjectInfo:
    """Replace one generation of an object, and return the new one; safe to call again with the same bytes.

    Raises PreconditionFailed only when the object now holds other bytes than `data`: another writer was first.
    """
    try:
        return objects.put(name, data, content_type=content_type, if_generation=if_generation)
    except PreconditionFailed as error:
        try:
            there = objects.info(name)
        except ObjectNotFound:
            raise error from None
        if (there.size, there.crc32c) == (len(data), crc32c(data)):
            return there
        raise


def expect_same(objects: Objects, name: str, *, size: int, crc32c: str) -> ObjectInfo:
    """Return the object when it has this size and checksum. Raises ContentConflict, ObjectNotFound."""
    there = objects.info(name)
    if (there.size, there.crc32c) == (size, crc32c):
        return there
    raise ContentConflict(
        f"{objects.uri}/{name} already holds other bytes ({there.size:,}, crc32c {there.crc32c}) than the "
        f"{size:,} to be written (crc32c {crc32c}). Nothing was overwritten; compare the two by hand."
    )


def joined_digest(pieces: list[ObjectInfo]) -> tuple[int, str]:
    """Return the size and the CRC32C of objects in a row, from what is known of each."""
    size, checksum = 0, crc32c(b"")
    for piece in pieces:
        size, checksum = size + piece.size, joined(checksum, piece.crc32c, piece.size)
    return size, checksum
