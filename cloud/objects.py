"""The object port: a bucket of immutable generations, as far as Reviewmill needs one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


class ObjectNotFound(Exception):  # noqa: N818 - a fact, which callers expect
    """No object of that name, or not of that generation."""


class PreconditionFailed(Exception):  # noqa: N818 - a fact, which callers expect
    """The object's generation is not the one that the write demanded."""


class TransientError(Exception):
    """Storage or Pub/Sub did not do it now, after bounded retries; the same call may succeed later."""


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
    """One bucket. Every method may block, is safe to call from several threads, and raises TransientError."""

    uri: str
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
        """Write one object of at most 8 MiB in one atomic request.

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
        """Yield an object's stored bytes from `start`, in chunks of bounded size. Raises ObjectNotFound."""

    def listing(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield objects by ascending name."""

    def compose(self, sources: list[str], target: str, *, content_type: str) -> ObjectInfo:
        """Join objects, any number, into a new one without moving their bytes; create-only, as `put_once`."""

    def delete(self, name: str) -> None:
        """Remove an object; does nothing where there is none."""
