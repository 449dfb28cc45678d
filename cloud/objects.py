"""The object port: a bucket of immutable generations, as far as Reviewmill needs one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

MAX_PUT_BYTES = 8 * 1024 * 1024
"""What `put` takes at most: the client library sends larger data in several requests, which is not atomic."""

MAX_NAME_BYTES = 1024
"""Length of an object's name in UTF-8 (https://cloud.google.com/storage/docs/objects#naming)."""


class ObjectNotFound(Exception):  # noqa: N818 - a fact, which callers expect
    """No object of that name, or not of that generation."""


class PreconditionFailed(Exception):  # noqa: N818 - a fact, which callers expect
    """The object's generation is not the one that the write demanded."""


class TransientError(Exception):
    """Storage or Pub/Sub did not do it now, after bounded retries; the same call may succeed later."""


class CloudSetupError(Exception):
    """A bucket, topic, subscription, permission or credential is missing: a person must act, trying again is vain.

    The message is a sentence for that person.
    """


class PermissionMissing(CloudSetupError):  # noqa: N818 - a fact
    """The credentials work and do not allow the call."""


class ContentConflict(Exception):  # noqa: N818 - a fact, raised as an alarm
    """A create-only name already holds other bytes: two different results claim to be the same one."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What is known of one generation of an object."""

    name: str
    generation: int
    size: int
    crc32c: str
    """Base64 of the big-endian CRC32C, as Cloud Storage shows it."""
    content_type: str = "application/octet-stream"
    content_encoding: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    updated: float = 0.0
    """Unix time of the last change, in seconds."""


class Objects(Protocol):
    """One bucket. Every method may block and is safe to call from several threads.

    Besides what it names, every method raises TransientError, CloudSetupError, and ValueError for a name that no
    object can have. Generations are whole numbers that only grow for a name.
    """

    @property
    def uri(self) -> str:
        """`gs://bucket`, or the folder's path."""

    def put(
        self,
        name: str,
        data: bytes,
        *,
        content_type: str,
        if_generation: int,
        metadata: Mapping[str, str] | None = None,
    ) -> ObjectInfo:
        """Write one object of at most MAX_PUT_BYTES in one atomic request (ValueError for more: use `put_file`).

        `if_generation` is the generation to replace, 0 for "must not exist". Raises PreconditionFailed, which
        also happens when an earlier try of this very call succeeded and its answer was lost (see `put_once`).
        """

    def put_file(
        self, name: str, path: Path, *, content_type: str, if_generation: int, metadata: Mapping[str, str] | None = None
    ) -> ObjectInfo:
        """Write a local file of any size, streamed. Raises PreconditionFailed."""

    def get(self, name: str, *, generation: int | None = None) -> tuple[bytes, ObjectInfo]:
        """Return a whole object (stored bytes, never decompressed). Raises ObjectNotFound."""

    def info(self, name: str, *, generation: int | None = None) -> ObjectInfo:
        """Return what is known of an object. Raises ObjectNotFound."""

    def stream(self, name: str, *, generation: int, start: int = 0) -> Iterator[bytes]:
        """Yield an object's stored bytes from `start`, in chunks of at most MAX_PUT_BYTES. Raises ObjectNotFound.

        Read from 0, the bytes are checked against the object's CRC32C at the end: a damaged transfer raises
        TransientError after the last chunk, and nothing made from the bytes may be kept.
        """

    def read(self, name: str, *, generation: int, start: int, length: int) -> bytes:
        """Return `length` stored bytes from `start`, all of them inside the object; at most MAX_PUT_BYTES.

        Raises ObjectNotFound. There is no checksum of a range: only a whole `stream` is checked.
        """

    def listing(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield the objects whose names begin with `prefix`, by ascending name (order of code points)."""

    def compose(self, sources: list[str], target: str, *, content_type: str) -> ObjectInfo:
        """Join objects, at least one, into a new one without moving their bytes; create-only, as `put_once`.

        A target that holds just these bytes already is returned; other bytes raise ContentConflict. Raises
        ObjectNotFound when a source is missing. Safe to call again.
        """

    def delete(self, name: str, *, if_generation: int | None = None) -> bool:
        """Remove an object, of that generation where one is given, and say whether this call removed something.

        It does nothing, and says False, where there is none of the name; also when an earlier try of this very call
        removed it and its answer was lost. One removal is never claimed by two calls. Raises PreconditionFailed when
        the object has another generation. Safe to call again.
        """

    def close(self) -> None:
        """Release connections; no other method may be called afterwards. Safe to call twice."""


def check_name(name: str) -> None:
    """Raise ValueError for a name that Cloud Storage refuses, so that every implementation refuses the same."""
    if name in {"", ".", ".."} or "\r" in name or "\n" in name or name.startswith(".well-known/acme-challenge/"):
        raise ValueError(f"{name!r} cannot be an object's name; see https://cloud.google.com/storage/docs/objects")
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        raise ValueError(f"{name!r} cannot be an object's name: it holds half a surrogate pair") from None
    if length > MAX_NAME_BYTES:
        raise ValueError(f"an object's name may hold {MAX_NAME_BYTES:,} bytes, this one holds {length:,}: {name!r}")


def check_put(name: str, data: bytes) -> None:
    """Raise ValueError for a name or a size that `put` does not take."""
    check_name(name)
    if len(data) > MAX_PUT_BYTES:
        raise ValueError(f"{name!r} holds {len(data):,} bytes; put takes {MAX_PUT_BYTES:,}, put_file takes any size")


def check_range(start: int, length: int) -> None:
    """Raise ValueError for a range that `read` does not take."""
    if start < 0 or not 0 < length <= MAX_PUT_BYTES:
        raise ValueError(f"{length:,} bytes from {start:,} cannot be read at once; read takes 1 to {MAX_PUT_BYTES:,}")
