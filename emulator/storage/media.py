"""Downloads: ranges, checksums, and gzip objects inflated for clients that cannot (decompressive transcoding)."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from email.utils import format_datetime
from http import HTTPStatus

from emulator.storage.content import CHUNK_BYTES
from emulator.storage.errors import StorageError
from emulator.storage.messages import Headers, Request, Response
from emulator.storage.preconditions import Preconditions, optional_number
from emulator.storage.records import ObjectRecord
from emulator.storage.store import Store

_HEADER_TOKEN = re.compile(r"[A-Za-z0-9._~-]+")
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_GZIP_WINDOW_BITS = 31
_PASSED_ON = (
    ("contentType", "Content-Type"),
    ("contentDisposition", "Content-Disposition"),
    ("contentLanguage", "Content-Language"),
    ("cacheControl", "Cache-Control"),
)


def download(store: Store, request: Request, bucket: str, name: str) -> Response:
    """Return an object's content, whole or the range asked for."""
    when = Preconditions.for_reading(request.query, request.headers)
    record, reader = store.open(bucket, name, optional_number(request.query, "generation"), when)
    size = record.content.size
    if _to_inflate(record, request):
        # The stored length and any range speak of other bytes than those sent: Cloud Storage drops both.
        warning = ("Warning", "214 UploadServer gunzipped")
        stream = inflated(reader.chunks(0, size))
        return Response(HTTPStatus.OK, (*object_headers(record), warning), stream=stream, close=reader.close)
    try:
        asked = byte_range(request.headers.get("Range"), size)
    except StorageError:
        reader.close()
        raise
    headers = (*object_headers(record), *_encoding(record), ("Accept-Ranges", "bytes"))
    status = HTTPStatus.OK
    start, stop = 0, size
    if asked is not None:
        start, stop = asked
        status = HTTPStatus.PARTIAL_CONTENT
        headers = (*headers, ("Content-Range", f"bytes {start}-{stop - 1}/{size}"))
    return Response(status, headers, stream=reader.chunks(start, stop), length=stop - start, close=reader.close)


def byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return start and stop (exclusive) of a Range header, or None when the whole object is to be sent.

    Malformed and multiple ranges are ignored (RFC 9110, section 14.2). StorageError 416 for one past the end.
    """
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if first and last and int(last) < int(first):
        return None
    start, stop = (int(first), int(last) + 1 if last else size) if first else (max(0, size - int(last)), size)
    if start >= size or (not first and int(last) == 0):
        status = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
        message = "The requested range cannot be satisfied."
        raise StorageError(status, "requestedRangeNotSatisfiable", message, (("Content-Range", f"bytes */{size}"),))
    return start, min(stop, size)


def object_headers(record: ObjectRecord) -> Headers:
    """Return the headers that describe the stored object, whatever part of it is sent."""
    content = record.content
    hashes = [f"crc32c={content.crc32c}"] + ([f"md5={content.md5}"] if content.md5 is not None else [])
    headers = [(header, record.settings[key]) for key, header in _PASSED_ON if record.settings.get(key)]
    headers += [
        ("ETag", record.etag),
        ("Last-Modified", format_datetime(datetime.fromisoformat(record.updated), usegmt=True)),
        ("X-Goog-Generation", str(record.generation)),
        ("X-Goog-Metageneration", str(record.metageneration)),
        ("X-Goog-Hash", ",".join(hashes)),
        ("X-Goog-Storage-Class", record.settings.get("storageClass", "STANDARD")),
        ("X-Goog-Stored-Content-Encoding", record.settings.get("contentEncoding", "identity")),
        ("X-Goog-Stored-Content-Length", str(content.size)),
    ]
    headers += [
        (f"X-Goog-Meta-{key}", value)
        for key, value in record.settings.get("metadata", {}).items()
        if _HEADER_TOKEN.fullmatch(key)
    ]
    return tuple(headers)


def inflated(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield gunzipped bytes of all members in pieces of at most CHUNK_BYTES; zlib.error when they are no gzip."""
    stream = zlib.decompressobj(_GZIP_WINDOW_BITS)
    for chunk in chunks:
        data = chunk
        while data:
            piece = stream.decompress(data, CHUNK_BYTES)
            if piece:
                yield piece
            data = stream.unconsumed_tail
            if stream.eof:
                data = stream.unused_data
                stream = zlib.decompressobj(_GZIP_WINDOW_BITS)
    yield stream.flush()


def _to_inflate(record: ObjectRecord, request: Request) -> bool:
    """Follow https://cloud.google.com/storage/docs/transcoding#decompressive_transcoding."""
    return (
        record.settings.get("contentEncoding") == "gzip"
        and "no-transform" not in record.settings.get("cacheControl", "")
        and "gzip" not in request.headers.get("Accept-Encoding", "")
    )


def _encoding(record: ObjectRecord) -> Headers:
    encoding = record.settings.get("contentEncoding")
    return (("Content-Encoding", encoding),) if encoding else ()
