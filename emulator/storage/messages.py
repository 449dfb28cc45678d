"""HTTP requests and responses as the routes see them: no socket, bodies as streams."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote

import msgspec

from emulator.storage.content import CHUNK_BYTES
from emulator.storage.errors import StorageError, bad_request
from emulator.storage.partial import Fields
from schemas.nesting import nests_too_deep

MAX_JSON_BYTES = 8 << 20
MAX_HEADER_LINE_BYTES = 65_536

# Calls inside a batch name the whole address.
_ABSOLUTE = re.compile(r"^https?://[^/?]*")

Headers = tuple[tuple[str, str], ...]


class ClientGone(Exception):  # noqa: N818 - a fact about the client, not a fault of ours
    """The connection ended in the middle of a request body."""


class Body(Protocol):
    """A request body that is read once, front to back."""

    def chunks(self) -> Iterator[bytes]:
        """Yield what is left, in pieces of at most CHUNK_BYTES as they arrive; raises ClientGone."""
        ...


class Source(Protocol):
    """What a body is read from: a buffered binary stream."""

    def read1(self, size: int, /) -> bytes:
        """Return what is there, at most `size` bytes, or wait for some; nothing at the end."""
        ...

    def readline(self, size: int, /) -> bytes:
        """Return a line with its end."""
        ...


class SizedBody:
    """A body of a known length."""

    def __init__(self, source: Source, length: int) -> None:
        self._source = source
        self._left = length

    def chunks(self) -> Iterator[bytes]:
        """Yield what is left."""
        # read1 hands over what is there, so that an interrupted resumable upload keeps all that arrived.
        while self._left:
            chunk = self._source.read1(min(self._left, CHUNK_BYTES))
            if not chunk:
                raise ClientGone
            self._left -= len(chunk)
            yield chunk


class ChunkedBody:
    """A body in HTTP/1.1 chunked transfer coding (RFC 9112, section 7.1)."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._ended = False

    def chunks(self) -> Iterator[bytes]:
        """Yield what is left."""
        while not self._ended:
            size = self._size_line()
            if size == 0:
                self._skip_trailers()
                return
            yield from SizedBody(self._source, size).chunks()
            self._source.readline(MAX_HEADER_LINE_BYTES)

    def _size_line(self) -> int:
        line = self._source.readline(MAX_HEADER_LINE_BYTES)
        if not line.endswith(b"\n"):
            raise ClientGone
        try:
            return int(line.split(b";")[0].strip(), 16)
        except ValueError as error:
            self._ended = True
            raise bad_request("Malformed chunk size.") from error

    def _skip_trailers(self) -> None:
        self._ended = True
        while self._source.readline(MAX_HEADER_LINE_BYTES) not in {b"\r\n", b"\n", b""}:
            pass


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `path` is still percent-encoded; `query` holds the last value of each parameter, decoded.

    `fields` is what the query wants of the JSON that answers it.
    """

    method: str
    target: str
    path: str
    query: Mapping[str, str]
    fields: Fields
    headers: Mapping[str, str]
    body: Body
    base_url: str

    @classmethod
    def parse(cls, method: str, target: str, headers: Mapping[str, str], body: Body, base_url: str) -> Request:
        """Split the request target; StorageError 400 when its query is no UTF-8, or its `fields` are none."""
        path, _, encoded = _ABSOLUTE.sub("", target, count=1).partition("?")
        try:
            query = dict(parse_qsl(encoded, keep_blank_values=True, errors="strict"))
        except ValueError as error:
            raise bad_request("The query is not valid UTF-8.") from error
        return cls(method, target, path, query, Fields(query), headers, body, base_url)

    def bytes(self, limit: int = MAX_JSON_BYTES) -> bytes:
        """Return the whole body; StorageError 413 above `limit`."""
        collected = bytearray()
        for chunk in self.body.chunks():
            collected += chunk
            if len(collected) > limit:
                message = f"The request body is larger than {limit} bytes."
                raise StorageError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "uploadTooLarge", message)
        return bytes(collected)

    def json(self) -> dict[str, Any]:
        """Return the body as a JSON object; an empty body is an empty object."""
        return json_object(self.bytes())


@dataclass(frozen=True, slots=True)
class Response:
    """One response: a body of bytes, or a stream with its length (None: unknown), closed by `close` at the end."""

    status: int = HTTPStatus.OK
    headers: Headers = ()
    body: bytes = b""
    stream: Iterable[bytes] | None = None
    length: int | None = None
    close: Callable[[], None] | None = None


def json_response(resource: object, status: int = HTTPStatus.OK) -> Response:
    """Return a JSON response."""
    return Response(status, (("Content-Type", "application/json; charset=UTF-8"),), msgspec.json.encode(resource))


def partial_response(request: Request, resource: Mapping[str, Any]) -> Response:
    """Return a JSON response of what the request wants of a resource."""
    return json_response(request.fields.of(resource))


def error_response(error: StorageError) -> Response:
    """Return the response that an error stands for; a 304 has no body."""
    if error.status == HTTPStatus.NOT_MODIFIED:
        return Response(error.status, error.headers)
    response = json_response(error.resource(), error.status)
    return Response(error.status, response.headers + error.headers, response.body)


def json_object(data: bytes) -> dict[str, Any]:
    """Decode a JSON object; StorageError 400 for anything else."""
    if not data.strip():
        return {}
    if nests_too_deep(data):
        raise bad_request("Parse Error: the JSON is nested too deeply.", "parseError")
    try:
        decoded = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise bad_request(f"Parse Error: {error}", "parseError") from error
    if not isinstance(decoded, dict):
        raise bad_request("Parse Error: a JSON object is needed.", "parseError")
    return decoded


def decode_segment(text: str) -> str:
    """Undo percent-encoding; StorageError 400 when the result is no UTF-8."""
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError as error:
        raise bad_request("The path is not valid UTF-8.") from error
