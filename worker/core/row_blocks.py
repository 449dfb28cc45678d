"""A block of regular records → rows, a column at a time; the few records that may be no rows are looked at singly."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from schemas.requests import MAX_TEXT_CHARS
from worker.core.csv_blocks import Block, Positions, find_fields
from worker.core.row_batch import RowBatch, batch_of
from worker.core.row_rules import RowRules
from worker.core.row_types import BadRow, Place, Row, valid_id


def rows_of_block(data: bytes, block: Block, start: int, place: Place, rules: RowRules) -> Iterator[RowBatch | BadRow]:
    """Yield what becomes of each record, in order.

    `start` is where in `data` the block starts, `place` where that is in the file.
    """
    if not len(block.starts):
        return
    columns = _Columns(data, block, start, place, rules)
    good, odd = columns.sort()
    batch = columns.batch(good) if len(good) else None
    taken = 0
    for number, at in enumerate(odd.tolist()):
        if batch is not None and at - number > taken:
            yield batch.part(taken, at - number, first_row=place.row + taken + number)
            taken = at - number
        yield columns.single(at)
    if batch is not None and taken < len(batch):
        yield batch.part(taken, len(batch), first_row=place.row + taken + len(odd))


class _Columns:
    """The columns of one block."""

    def __init__(self, data: bytes, block: Block, start: int, place: Place, rules: RowRules) -> None:
        self._data = data
        self._bytes = np.frombuffer(data, np.uint8)
        self._block = block
        self._start = start
        self._place = place
        self._rules = rules
        self._piece = data[start : block.stop]
        self._text = self._one_character_a_byte()
        self._fields = find_fields(data, block, rules.delimiter.encode(rules.encoding)[0])

    def sort(self) -> tuple[Positions, Positions]:
        """Return the records that are rows beyond doubt, and the others."""
        block, rules = self._block, self._rules
        odd = self._fields.counts != rules.columns
        if b"\0" in self._piece:
            zeros = np.flatnonzero(self._bytes[self._start : block.stop] == 0) + self._start
            odd[np.searchsorted(block.starts, zeros, side="right") - 1] = True
        if self._text is None and not _decodes(self._piece, rules.encoding):
            bounds = zip(block.starts.tolist(), block.ends.tolist(), strict=True)
            odd |= [not _decodes(self._data[first:last], rules.encoding) for first, last in bounds]
        likely = np.flatnonzero(~odd)
        if len(likely):
            starts, ends = self._bounds(rules.text, likely)
            odd[likely[(starts == ends) | (ends - starts > MAX_TEXT_CHARS)]] = True
        return np.flatnonzero(~odd), np.flatnonzero(odd)

    def batch(self, good: Positions) -> RowBatch:
        """Return records that are rows."""
        block, rules, place = self._block, self._rules, self._place
        columns = [self._strings(number, good) for number in range(rules.columns)]
        ids: list[str | None] = [None] * len(good)
        if rules.id is not None:
            ids = list(map(valid_id, columns[rules.id]))
        return RowBatch(
            place.row,
            (block.lines[good] + place.line).tolist(),
            (block.starts[good] + (place.byte - self._start)).tolist(),
            columns[rules.text],
            ids,
            columns,
        )

    def single(self, at: int) -> RowBatch | BadRow:
        """Return what becomes of one record, read exactly."""
        block, place = self._block, self._place
        start = int(block.starts[at])
        raw = self._data[start : int(block.ends[at])]
        record = self._rules.record(raw, place.byte + start - self._start, place.line + int(block.lines[at]))
        item = self._rules.item(record, place.row + at)
        return batch_of([item]) if isinstance(item, Row) else item

    def _one_character_a_byte(self) -> str | None:
        """Return the block as a string whose positions are those of its bytes, where there is one."""
        encoding = "ascii" if self._piece.isascii() else self._rules.encoding
        try:
            return None if encoding == "utf-8" else self._piece.decode(encoding)
        except UnicodeDecodeError:
            return None

    def _bounds(self, column: int, records: Positions) -> tuple[Positions, Positions]:
        """Return where the fields of a column start and end, without their quotes."""
        starts, ends = self._fields.column(column, self._rules.columns)
        starts, ends = starts[records], ends[records]
        if len(self._block.quotes):
            # A field that is empty at the end of the buffer starts behind it.
            opening = self._bytes[np.minimum(starts, len(self._bytes) - 1)]
            quoted = (starts < ends) & (opening == self._data[self._block.quotes[0]])
            starts, ends = starts + quoted, ends - quoted
        return starts, ends

    def _strings(self, column: int, records: Positions) -> list[str]:
        starts, ends = self._bounds(column, records)
        if self._text is None:
            encoding, data = self._rules.encoding, self._data
            bounds = zip(starts.tolist(), ends.tolist(), strict=True)
            strings = [data[first:last].decode(encoding) for first, last in bounds]
        else:
            text = self._text
            bounds = zip((starts - self._start).tolist(), (ends - self._start).tolist(), strict=True)
            strings = [text[first:last] for first, last in bounds]
        quotes, quote = self._block.quotes, self._rules.quote
        if quote is not None and len(quotes):
            doubled = np.searchsorted(quotes, ends) > np.searchsorted(quotes, starts)
            for at in np.flatnonzero(doubled).tolist():
                strings[at] = strings[at].replace(quote * 2, quote)
        return strings


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
