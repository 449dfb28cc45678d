"""Upload of one large file in pieces, continued at the byte that the service has when a connection breaks.

The protocol is https://cloud.google.com/storage/docs/performing-resumable-uploads. The client library has it too, but
repeats only what its own retry repeats; ours has one retry for all calls (see `gcs_calls`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO

import requests
from google.api_core import exceptions as api

from cloud.crc import Checksum
from cloud.gcs_calls import Calls
from cloud.objects import MAX_PUT_BYTES, TransientError

# A multiple of 256 KiB, as the protocol demands.
_PIECE_BYTES = MAX_PUT_BYTES
_READ_BYTES = 1024 * 1024
_DONE = {HTTPStatus.OK, HTTPStatus.CREATED}
_LOST_SESSION = {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}


@dataclass(frozen=True, slots=True)
class _State:
    """How far the service is: the bytes it has, and the object's generation once the object exists."""

    received: int
    generation: int | None


class ResumableUpload:
    """The bytes of one file on their way to one object. For one thread; the file must not change meanwhile."""

    def __init__(self, path: Path, session: requests.Session, calls: Calls, what: str) -> None:
        self._path = path
        self._session = session
        self._calls = calls
        self._what = what
        self.size, self.crc32c = _measure(path)

    def send(self, url: str) -> int:
        """Send the file to the upload session at `url`; return the object's generation. Blocks until it exists.

        Raises PreconditionFailed, and TransientError when the session is lost or a piece does not get through.
        """
        state = _State(received=0, generation=None)
        with self._path.open("rb") as file:
            while state.generation is None:
                state = self._send_piece(url, file, state.received)
        return state.generation

    def _send_piece(self, url: str, file: BinaryIO, start: int) -> _State:
        tries = 0

        def attempt(timeout_s: float) -> _State:
            nonlocal tries
            tries += 1
            state = _State(received=start, generation=None)
            if tries > 1:  # what arrived of the broken try is not sent again
                state = self._put(url, b"", f"bytes */{self.size}", timeout_s)
            if state.generation is not None:
                return state
            file.seek(state.received)
            piece = file.read(_PIECE_BYTES)
            last = state.received + len(piece) - 1
            return self._put(url, piece, f"bytes {state.received}-{last}/{self.size}", timeout_s)

        return self._calls.run(self._what, attempt)

    def _put(self, url: str, data: bytes, content_range: str, timeout_s: float) -> _State:
        answer = self._session.put(url, data=data, headers={"Content-Range": content_range}, timeout=timeout_s)
        if answer.status_code in _DONE:
            return _State(received=self.size, generation=int(answer.json()["generation"]))
        if answer.status_code == HTTPStatus.PERMANENT_REDIRECT:
            held = re.fullmatch(r"bytes=0-(\d+)", answer.headers.get("Range", ""))
            return _State(received=int(held[1]) + 1 if held else 0, generation=None)
        if answer.status_code in _LOST_SESSION:
            raise TransientError(f"{self._what}: the upload session was lost; upload again")
        raise api.from_http_response(answer)


def _measure(path: Path) -> tuple[int, str]:
    """Return the size and the CRC32C of a file, read in bounded pieces."""
    checksum, size = Checksum(), 0
    with path.open("rb") as file:
        while piece := file.read(_READ_BYTES):
            checksum.update(piece)
            size += len(piece)
    return size, checksum.text()
