"""The bytes of an object: interfaces of the two places they can live in, and digests taken while they arrive."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, Self

import google_crc32c

from emulator.storage.errors import bad_request

CHUNK_BYTES = 1 << 20


class Reader(Protocol):
    """An opened object. It stays readable when the object is overwritten or deleted meanwhile."""

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the bytes from `start` up to `stop` (exclusive) in pieces of at most CHUNK_BYTES."""
        ...

    def close(self) -> None:
        """Release the file, if any; safe to call twice."""
        ...


class Data(Protocol):
    """Finished, immutable bytes in memory or in a file."""

    def open(self) -> Reader:
        """Open the bytes for reading."""
        ...

    def share(self) -> Data:
        """Return the same bytes under an independent life, without reading them."""
        ...

    def md5(self) -> str | None:
        """Return the digest in base64, None where none is kept. The first call can take as long as reading it all."""
        ...

    def discard(self) -> None:
        """Free the bytes; opened readers go on; safe to call twice."""
        ...


class Sink(Protocol):
    """Where arriving bytes go until the object is finished."""

    def write(self, chunk: bytes) -> None:
        """Append."""
        ...

    def finish(self) -> Data:
        """End writing; the data belongs to the caller."""
        ...

    def discard(self) -> None:
        """Forget everything written; safe to call twice."""
        ...


@dataclass(frozen=True, slots=True)
class Content:
    """Finished bytes with their size and base64 digests; composed objects have no md5."""

    data: Data
    size: int
    crc32c: str

    @property
    def md5(self) -> str | None:
        """The MD5, in memory taken when first asked for: it costs more than all else that is done with the bytes."""
        return self.data.md5()


@dataclass(frozen=True, slots=True)
class Checksums:
    """Digests that a client supplied, in base64; None where it gave none."""

    crc32c: str | None = None
    md5: str | None = None

    def verify(self, content: Content) -> None:
        """Raise StorageError 400 when the content is not what the client sent."""
        if self.crc32c is not None and self.crc32c != content.crc32c:
            raise bad_request(f'Provided CRC32C "{self.crc32c}" doesn\'t match calculated CRC32C "{content.crc32c}".')
        if self.md5 is not None and content.md5 not in {None, self.md5}:
            raise bad_request(f'Provided MD5 hash "{self.md5}" doesn\'t match calculated MD5 hash "{content.md5}".')


class ContentWriter:
    """Writes to a sink while it counts and digests; use as a context manager, which discards unless finished."""

    def __init__(self, sink: Sink) -> None:
        self.size = 0
        self._sink = sink
        self._crc32c = google_crc32c.Checksum()  # type: ignore[no-untyped-call]  # ships no types
        self._finished = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()

    def write(self, chunk: bytes) -> None:
        """Append a chunk."""
        self._sink.write(chunk)
        self._crc32c.update(chunk)  # type: ignore[no-untyped-call]  # ships no types
        self.size += len(chunk)

    def write_all(self, chunks: Iterable[bytes]) -> None:
        """Append every chunk."""
        for chunk in chunks:
            self.write(chunk)

    def finish(self) -> Content:
        """End writing and return the content, which now belongs to the caller."""
        data = self._sink.finish()
        self._finished = True
        crc32c = self._crc32c.digest()  # type: ignore[no-untyped-call]  # ships no types
        return Content(data, self.size, base64_of(crc32c))

    def discard(self) -> None:
        """Forget what was written, unless it was finished."""
        if not self._finished:
            self._sink.discard()


def base64_of(digest: bytes) -> str:
    """Return a digest as the JSON API and the headers write it."""
    return base64.b64encode(digest).decode("ascii")
