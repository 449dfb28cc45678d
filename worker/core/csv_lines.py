"""Searching in a buffer of bytes: line ends and closing quotes."""

from __future__ import annotations

import re
from collections.abc import Iterator

LINE_END = re.compile(rb"\r\n|\r|\n")


class Finder:
    """Finds bytes in a buffer and remembers where, so that questions in ascending order search it only once."""

    def __init__(self, data: bytes = b"") -> None:
        self._data = data
        self._known: dict[bytes, tuple[int, int]] = {}

    def find(self, wanted: bytes, start: int) -> int:
        """Return where `wanted` is next, from `start` on; the buffer's length where it is not."""
        asked, at = self._known.get(wanted, (0, -1))
        if not asked <= start <= at:
            at = self._data.find(wanted, start)
            at = len(self._data) if at < 0 else at
            self._known[wanted] = (start, at)
        return at

    def line_end(self, start: int) -> int:
        """Return where the line at `start` ends, before its line end."""
        return min(self.find(b"\n", start), self.find(b"\r", start))


def closing_quote(data: bytes, quote: bytes, start: int, stop: int) -> int:
    """Return where the quote is that closes the field, passing over doubled ones; `stop` or more where none is."""
    at = start
    while True:
        at = data.find(quote, at, stop)
        if at < 0:
            return max(start, stop)
        if not data.startswith(quote, at + 1):
            return at
        at += 2
        if at >= stop:
            return at


def lines(block: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield each line of a block that ends with LF, and its size with its line end."""
    returns = block.count(b"\r")
    if returns == 0:
        for raw in block[:-1].split(b"\n"):
            yield raw, len(raw) + 1
    elif returns == block.count(b"\r\n") == block.count(b"\n"):
        for raw in block[:-2].split(b"\r\n"):
            yield raw, len(raw) + 2
    else:
        start = 0
        for match in LINE_END.finditer(block):
            yield block[start : match.start()], match.end() - start
            start = match.end()
