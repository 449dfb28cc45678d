"""Stored bytes → the bytes that rows are read from: inflated, and in an encoding whose records can be cut unread."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from itertools import chain

import msgspec

from schemas.errors import InvalidInput
from schemas.jobs import Dialect
from worker.core.csv_dialect import is_utf_16
from worker.core.inflate import inflate

HEAD_BYTES = 1 << 16
"""So much of a file is looked at to tell how it is read."""

_UTF_16 = "utf-16"
_NO_UTF_8 = b"\xff"
"""Stands for the half of a character: the row that holds it is rejected as wrongly encoded."""


def is_as_stored(dialect: Dialect) -> bool:
    """Say whether places in the file are places in the stored object, so that reading can start at any of them."""
    return dialect.compression is None and not is_utf_16(dialect.encoding)


def plain_bytes(chunks: Iterable[bytes], dialect: Dialect, *, skip: int = 0) -> tuple[Iterable[bytes], Dialect]:
    """Return the bytes to read rows from without the first `skip`, and the dialect they are in.

    Where the dialect `is_as_stored`, `chunks` are returned untouched and must start there already. While they are
    read, raises InvalidInput: `too_large_inflated`, `broken_gzip`, `wrong_encoding`.
    """
    if is_as_stored(dialect):
        return chunks, dialect
    if dialect.compression is not None:
        chunks = inflate(chunks)
    if is_utf_16(dialect.encoding):
        chunks = _from_utf_16(chunks)
        dialect = msgspec.structs.replace(dialect, encoding="utf-8")
    return without(chunks, skip), msgspec.structs.replace(dialect, compression=None)


def _from_utf_16(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield UTF-8. Halves of surrogate pairs and of characters become bytes that are no UTF-8."""
    source = iter(chunks)
    data = b""
    while len(data) < len(codecs.BOM_UTF16) and (chunk := next(source, None)) is not None:
        data += chunk
    if data and not data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InvalidInput(
            "wrong_encoding",
            "The file has no byte order mark, so it cannot be told which UTF-16 it is. Save it as UTF-8.",
        )
    decoder = codecs.getincrementaldecoder(_UTF_16)("surrogatepass")
    for chunk in chain([data], source):
        yield decoder.decode(chunk).encode("utf-8", "surrogatepass")
    if decoder.getstate()[0]:
        yield _NO_UTF_8


def without(chunks: Iterable[bytes], skip: int) -> Iterator[bytes]:
    """Yield the bytes without the first `skip`."""
    for chunk in chunks:
        if skip < len(chunk):
            yield chunk[skip:]
        skip = max(skip - len(chunk), 0)
