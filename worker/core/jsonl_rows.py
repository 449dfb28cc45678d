"""The rows of a file with a JSON object on each line (JSON Lines, https://jsonlines.org)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from schemas.jobs import Dialect, Header
from schemas.requests import MAX_REQUEST_BYTES
from worker.core.json_fields import JsonRules, field_names, head_lines, json_columns
from worker.core.plain_bytes import HEAD_BYTES
from worker.core.row_batch import RowBatch, batch_of
from worker.core.row_types import BadRow, Place, Row

_BATCH_ROWS = 1000
_BATCH_CHARS = 1 << 20
_BOM = b"\xef\xbb\xbf"
_KEPT_BYTES = MAX_REQUEST_BYTES + 4
"""So much of a line is kept, however long it is: enough to see that it is too long."""


def open_lines(chunks: Iterable[bytes], dialect: Dialect) -> tuple[Header, Iterable[bytes]]:
    """Return the columns of a file, which the fields of its first lines are, and its bytes from the first on.

    Raises InvalidInput for the file as a whole: `json_array`, `json_over_lines`, `missing_column`.
    """
    source, taken = iter(chunks), list[bytes]()
    lines = json_lines(_kept(source, taken))
    columns = json_columns(field_names(head_lines(lines, HEAD_BYTES)), dialect)
    return Header(columns=columns, first_byte=0, first_line=1), chain(taken, source)


def _kept(source: Iterator[bytes], taken: list[bytes]) -> Iterator[bytes]:
    """Yield chunks, and keep them, until every line that starts in the head was seen as far as it is read."""
    size = 0
    for chunk in source:
        taken.append(chunk)
        size += len(chunk)
        yield chunk
        if size >= HEAD_BYTES + _KEPT_BYTES:
            return


class JsonRows:
    """The rows from a place on. Blank lines are no rows. Iterate `batches` once."""

    def __init__(self, chunks: Iterable[bytes], dialect: Dialect, header: Header, place: Place) -> None:
        self._chunks = chunks
        self._rules = JsonRules(dialect, header)
        self._place = place

    def end(self) -> Place:
        """Return where the file ends; only after the last row."""
        return self._place

    def batches(self) -> Iterator[RowBatch | BadRow]:
        """Yield each line in one RowBatch or as one BadRow, in order."""
        rows: list[Row] = []
        chars = 0
        for item in self._items():
            if isinstance(item, Row):
                rows.append(item)
                chars += sum(map(len, item.fields))
            if rows and (isinstance(item, BadRow) or len(rows) == _BATCH_ROWS or chars > _BATCH_CHARS):
                yield batch_of(rows)
                rows, chars = [], 0
            if isinstance(item, BadRow):
                yield item
        if rows:
            yield batch_of(rows)

    def _items(self) -> Iterator[Row | BadRow]:
        row = self._place.row
        for byte, line, data, after in json_lines(self._chunks, byte=self._place.byte, line=self._place.line):
            if data:
                yield self._rules.item(data, row, line, byte)
                row += 1
            self._place = Place(after, line + 1, row)


def json_lines(chunks: Iterable[bytes], *, byte: int = 0, line: int = 1) -> Iterator[tuple[int, int, bytes, int]]:
    """Yield each line: where it starts, its number, what it holds without blanks around, and where the next starts.

    A byte order mark at byte 0 is skipped. Of a line that is too long only so much is kept that it is seen to be.
    """
    kept, size = bytearray(), 0
    for chunk in chunks:
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            kept += chunk[start : min(end, start + _KEPT_BYTES - len(kept))]
            size += end + 1 - start
            yield byte, line, _bare(kept, byte), byte + size
            byte, line, start = byte + size, line + 1, end + 1
            kept.clear()
            size = 0
        kept += chunk[start : start + _KEPT_BYTES - len(kept)]
        size += len(chunk) - start
    if size:
        yield byte, line, _bare(kept, byte), byte + size


def _bare(data: bytearray, byte: int) -> bytes:
    mark = len(_BOM) if byte == 0 and data.startswith(_BOM) else 0
    return bytes(data[mark:]).strip(b" \t\r\n")
