"""Bytes → delimited records: where each one starts, and what it holds, in bounded memory.

The rules are RFC 4180's, read strictly: a quote opens a quoted field only as the field's first byte, and a closing
quote must be followed by a delimiter or a line end. What breaks them becomes a `Broken` record, and reading goes on
at the next line, so that one bad quote cannot swallow a file. How the bytes are cut into chunks never matters.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

from schemas.errors import InvalidInput
from worker.core.byte_blocks import ByteBlocks
from worker.core.csv_lines import LINE_END, Finder, closing_quote, lines

MAX_RECORD_BYTES = 1 << 20
"""The longest record. A review of 100,000 characters, each of them a doubled quote or four bytes long, fits in it."""
_LEAST_BYTES = 1 << 16
"""A buffer with fewer bytes than this gets the next ones, though more records may be in it."""

Fault = Literal["unclosed_quote", "text_after_quote", "record_too_long"]

_BOM = b"\xef\xbb\xbf"
_BLOCK_BYTES = 1 << 18
"""Lines without quotes are split this many bytes at a time: enough to be fast, little enough to stay in cache."""


class Plain(msgspec.Struct, frozen=True, gc=False):
    """A record without quoted fields."""

    byte: int
    line: int
    raw: bytes


class Quoted(msgspec.Struct, frozen=True):
    """A record with at least one quoted field; the quotes are already taken off."""

    byte: int
    line: int
    fields: list[bytes]


class Broken(msgspec.Struct, frozen=True, gc=False):
    """A record whose fields cannot be told."""

    byte: int
    line: int
    fault: Fault


Record = Plain | Quoted | Broken


class RecordReader:
    """Yields the records of a stream of bytes that starts at byte `byte` and line `line` of its file.

    `byte` and `line` say where the next record may start; after the last one, where the file ends. Empty lines are
    no records. Line ends are CRLF, LF and CR in any mixture. A UTF-8 byte order mark at byte 0 is skipped. Iterate
    once. Holds at most six times `limit` plus one chunk, beside what it gave and somebody still holds.
    """

    def __init__(
        self,
        chunks: Iterable[bytes],
        *,
        delimiter: bytes,
        quote: bytes | None,
        byte: int = 0,
        line: int = 1,
        limit: int = MAX_RECORD_BYTES,
    ) -> None:
        self.byte = byte
        self.line = line
        self._chunks = iter(chunks)
        self._blocks = ByteBlocks()
        self._delimiter = delimiter
        self._quote = quote
        self._limit = limit
        self._data = b""
        self._pos = 0
        self._ended = False
        self._damage: InvalidInput | None = None
        self._near = Finder()
        self._far = Finder()
        self._hopeless_to = 0
        self._open_to = 0

    def head(self, size: int) -> bytes:
        """Return the first bytes of what is not read yet, for looking at the file's signature."""
        self._fill()
        return self._data[self._pos : self._pos + size]

    def one(self) -> Record | None:
        """Return the next record, and read nothing behind it; None after the last."""
        self._skip_mark()
        while self._fill():
            record = self._one()
            if record is not None:
                return record
        return None

    def buffer(self) -> tuple[bytes, int]:
        """Return a buffer and where in it starts what is not read yet; (b"", 0) at the end.

        For readers that take many records at once; they say with `advance` how far they got. A record that is not
        whole, perhaps because the rest of it is not there yet, is for `one` to read.
        """
        self._skip_mark()
        return (self._data, self._pos) if self._fill(_LEAST_BYTES) else (b"", 0)

    def advance(self, to: int, *, lines: int) -> None:
        """Go on at the start of a record in what `buffer` gave, `lines` lines later."""
        self.byte += to - self._pos
        self.line += lines
        self._pos = to

    def __iter__(self) -> Iterator[Record]:
        """Yield every record once, in order."""
        self._skip_mark()
        while self._fill():
            end = self._plain_block_end()
            if end > self._pos:
                yield from self._plain_block(end)
            else:
                record = self._one()
                if record is not None:
                    yield record

    # The buffer. Every decision about a record looks at most `limit` + 2 bytes past its start, and so many are
    # always there (or the file's end): that is why no result depends on the chunks.

    def _fill(self, least: int | None = None) -> bool:
        """Have enough bytes for one decision, or `least`; say if any are left. What can be read before damage is."""
        decided = self._limit + 2
        wanted = decided if least is None or self._damage is not None else least
        if not self._ended and len(self._data) - self._pos < wanted:
            if self._damage is not None:
                raise self._damage
            parts = [self._data[self._pos :]]
            size = len(parts[0])
            while size < (3 if least is None else 2) * self._limit:
                try:
                    chunk = next(self._chunks, None)
                except InvalidInput as error:
                    if size < decided:
                        raise
                    self._damage = error
                    break
                if chunk is None:
                    self._ended = True
                    break
                parts.append(chunk)
                size += len(chunk)
            self._data, self._near, self._far = b"", Finder(), Finder()  # the memory may serve for what comes now
            self._data, self._pos = self._blocks.join(parts), 0
            self._near, self._far = Finder(self._data), Finder(self._data)
        return self._pos < len(self._data)

    def _skip_mark(self) -> None:
        if self.byte == 0 and self.head(len(_BOM)) == _BOM:
            self.advance(len(_BOM), lines=0)

    def _after_line_end(self, end: int) -> int:
        if self._data[end : end + 2] == b"\r\n":
            return end + 2
        return min(end + 1, len(self._data))

    # Lines before the next quote are split together: that is most of the work in most files.

    def _plain_block_end(self) -> int:
        stop = min(self._pos + _BLOCK_BYTES, len(self._data))
        if self._quote is not None:
            stop = min(stop, self._near.find(self._quote, self._pos))
        if self._near.find(b"\n", self._pos) >= stop:
            return 0
        return self._data.rfind(b"\n", self._pos, stop) + 1

    def _plain_block(self, end: int) -> Iterator[Record]:
        byte, line = self.byte, self.line
        for raw, size in lines(self._data[self._pos : end]):
            if len(raw) > self._limit:
                yield Broken(byte, line, "record_too_long")
            elif raw:
                yield Plain(byte, line, raw)
            byte += size
            line += 1
        self.advance(end, lines=line - self.line)

    def _one(self) -> Record | None:
        """Read one record, or one empty line (None)."""
        byte, line, start = self.byte, self.line, self._pos
        end = self._near.line_end(start)
        if end - start > self._limit:
            self._skip_line(start)
            return Broken(byte, line, "record_too_long")
        if self._quote is not None and self._near.find(self._quote, start) < end:
            return self._quoted(start, end)
        self.advance(self._after_line_end(end), lines=1)
        return Plain(byte, line, self._data[start:end]) if end > start else None

    def _skip_line(self, start: int) -> None:
        """Pass over the rest of the line at `start`, however long it is, without keeping it."""
        while True:
            end = self._near.line_end(start)
            # A CR at the very end of the buffer may be half of a CRLF.
            if self._ended or end + 1 < len(self._data):
                self.advance(self._after_line_end(end), lines=1)
                return
            self.advance(end, lines=0)
            self._fill()
            start = self._pos

    def _quoted(self, start: int, line_end: int) -> Record:
        """Read the record at `start`, whose first line holds a quote and ends at `line_end`."""
        byte, line = self.byte, self.line
        stop = min(start + self._limit, len(self._data))
        if self._known_unclosed(start, line_end, stop):
            return self._reject_line(line_end, "unclosed_quote")
        fields: list[bytes] = []
        verdict, at = self._scan(start, stop, fields, self._far)
        if verdict == "closed":
            after = self._after_line_end(at)
            self.advance(after, lines=1 if at <= line_end else len(LINE_END.findall(self._data, start, at)) + 1)
            return Quoted(byte, line, fields)
        if verdict == "long":
            before = len(LINE_END.findall(self._data, start, at))
            self.advance(at, lines=before)
            self._skip_line(at)
            return Broken(byte, line, "record_too_long")
        if verdict == "after" and at <= line_end:
            return self._reject_line(line_end, "text_after_quote")
        # The quote runs past its line and is never closed rightly: most likely it was never meant to open a field.
        self._hopeless_to = max(self._hopeless_to, byte + at - start if verdict == "after" else 0)
        self._open_to = max(self._open_to, byte + at - start if verdict == "open" else 0)
        return self._reject_line(line_end, "unclosed_quote")

    def _reject_line(self, line_end: int, fault: Fault) -> Broken:
        broken = Broken(self.byte, self.line, fault)
        self.advance(self._after_line_end(line_end), lines=1)
        return broken

    def _known_unclosed(self, start: int, line_end: int, stop: int) -> bool:
        """Say whether an earlier scan already tells that a quote left open at `line_end` is not closed by `stop`.

        Without this memory a file can be written on which every line is scanned to the limit, and a megabyte takes
        hours. Between two line ends inside one open quote the state is the same, whichever record began it.
        """
        offset = self.byte - start
        if line_end + offset >= max(self._hopeless_to, self._open_to):
            return False
        verdict, at = self._scan(start, line_end, [], self._near)
        if verdict != "open":
            return False
        if line_end + offset < self._hopeless_to:
            return True
        verdict, at = self._scan(self._open_to - offset, stop, [], self._far, inside=True)
        if verdict == "open":
            self._open_to = at + offset
        elif verdict == "after":
            self._hopeless_to = at + offset
        return verdict in {"open", "after"}

    def _scan(
        self, start: int, stop: int, fields: list[bytes], finder: Finder, *, inside: bool = False
    ) -> tuple[Literal["closed", "open", "after", "long"], int]:
        """Follow the fields from `start`, and say how the record ends and where.

        closed: at the line end there. open: still inside quotes at `stop`; go on from there. after: text follows a
        closing quote there. long: outside quotes, and no line end before `stop`. `inside` starts within quotes.
        """
        data, delimiter, quote = self._data, self._delimiter, self._quote or b""
        at = start
        while True:
            if inside or data.startswith(quote, at):
                begin = at if inside else at + 1
                at = closing_quote(data, quote, begin, stop)
                if at >= stop:
                    return "open", at
                fields.append(data[begin:at].replace(quote * 2, quote))
                inside = False
                at += 1
                if not data.startswith(delimiter, at):
                    if at < len(data) and data[at] not in b"\r\n":
                        return "after", at
                    return "closed", at
            else:
                line_end = finder.line_end(at)
                end = data.find(delimiter, at, line_end)
                fields.append(data[at : line_end if end < 0 else end])
                at = line_end if end < 0 else end
                if at > stop:
                    return "long", stop
                if end < 0:
                    return "closed", at
            at += len(delimiter)
