"""Reading multipart bodies part by part, without holding a part in memory."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from emulator.storage.errors import bad_request

MAX_PART_HEADER_BYTES = 65_536

_BOUNDARY = re.compile(r'boundary="?([^";,]+)"?')


def boundary_of(content_type: str) -> bytes:
    """Return the boundary that a multipart Content-Type names; StorageError 400 when it names none."""
    match = _BOUNDARY.search(content_type)
    if match is None:
        raise bad_request("The Content-Type of a multipart request must name a boundary.")
    return match[1].encode("latin-1")


class MultipartReader:
    """Reads a multipart stream: call `next_part`, then take all of `part`, and so on until there is none.

    Lines may end in CRLF or in LF alone: Python's email package writes LF.
    """

    def __init__(self, chunks: Iterable[bytes], boundary: bytes) -> None:
        self._chunks = iter(chunks)
        # A line break before the first boundary lets all boundaries be found alike.
        self._buffer = bytearray(b"\r\n")
        self._delimiter = b"\n--" + boundary
        for _ in self.part():
            pass

    def next_part(self) -> dict[str, str] | None:
        """Return the headers of the next part, names in lower case; None after the last part."""
        while len(self._buffer) < len(b"--") and self._fill():
            pass
        if self._buffer.startswith(b"--"):
            return None
        # What is left of the boundary's line, the headers, an empty line.
        while (match := re.search(rb"\n\r?\n", self._buffer)) is None:
            if len(self._buffer) > MAX_PART_HEADER_BYTES or not self._fill():
                raise bad_request("Malformed multipart body: a part has no end of headers.")
        block = bytes(self._buffer[: match.start()])
        del self._buffer[: match.end()]
        lines = (line.partition(":") for line in block.decode("latin-1").splitlines() if ":" in line)
        return {name.strip().lower(): value.strip() for name, _, value in lines}

    def part(self) -> Iterator[bytes]:
        """Yield the content of the part that `next_part` announced."""
        # What may be the beginning of a delimiter is held back, with the CR before it.
        held = len(self._delimiter)
        while (at := self._buffer.find(self._delimiter)) < 0:
            ready = len(self._buffer) - held
            if ready > 0:
                with memoryview(self._buffer) as view:
                    content = bytes(view[:ready])
                yield content
                del self._buffer[:ready]
            if not self._fill():
                raise bad_request("Malformed multipart body: the closing boundary is missing.")
        with memoryview(self._buffer) as view:
            content = bytes(view[:at])
        del self._buffer[: at + len(self._delimiter)]
        yield content.removesuffix(b"\r")

    def _fill(self) -> bool:
        chunk = next(self._chunks, None)
        if chunk is None:
            return False
        self._buffer += chunk
        return True
