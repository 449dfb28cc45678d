"""Responses as a broken network or service sends them: slow, cut short, or with a checksum of other bytes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from http import HTTPStatus

from emulator.storage.messages import ClientGone, Response

_PIECES = 10
_HASH = re.compile(r"(crc32c|md5)=([A-Za-z0-9+/])")


@dataclass(frozen=True, slots=True)
class Slow:
    """Send the response's body in pieces, over so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Truncated:
    """End the connection after this share of the body, although its length said more."""

    share: float = 0.5


@dataclass(frozen=True, slots=True)
class WrongChecksum:
    """Send a checksum header that does not fit the bytes, as if they were damaged on their way."""


Broken = Slow | Truncated | WrongChecksum


def broken(response: Response, how: Broken, wait: Callable[[float], object]) -> Response:
    """Return the spoiled response; `wait` sleeps for so many seconds, or less when the server stops."""
    if isinstance(how, WrongChecksum):
        headers = tuple(
            (key, _other_hashes(value) if key == "X-Goog-Hash" else value) for key, value in response.headers
        )
        return replace(response, headers=headers)
    if response.status == HTTPStatus.NO_CONTENT:
        return response
    length = len(response.body) if response.stream is None else response.length
    pieces = _slowly(response, how.seconds, wait) if isinstance(how, Slow) else _cut(response, how.share, length)
    return replace(response, body=b"", stream=pieces, length=length)


def _chunks(response: Response) -> Iterator[bytes]:
    if response.body:
        yield response.body
    yield from response.stream or ()


def _slowly(response: Response, seconds: float, wait: Callable[[float], object]) -> Iterator[bytes]:
    for chunk in _chunks(response):
        size = max(1, -(-len(chunk) // _PIECES))
        for start in range(0, len(chunk), size):
            wait(seconds / _PIECES)
            yield chunk[start : start + size]


def _cut(response: Response, share: float, length: int | None) -> Iterator[bytes]:
    """Yield the first part; ClientGone then ends the connection without an error of the server's own."""
    left = int((length or 0) * share)
    for chunk in _chunks(response):
        if len(chunk) >= left:
            yield chunk[:left]
            break
        yield chunk
        left -= len(chunk)
    raise ClientGone


def _other_hashes(value: str) -> str:
    """Change the first character of each digest."""
    return _HASH.sub(lambda match: f"{match[1]}={'B' if match[2] == 'A' else 'A'}", value)
