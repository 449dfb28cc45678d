"""Where a large file is cut into ranges: at the start of a record, wherever quotes and bad records are.

A range ends before the first record that starts `range_bytes` or more after the range's own start. So every worker cuts
a file alike: one that goes through it from the beginning, and one that was told where its range starts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import msgspec
import numpy as np

from schemas.jobs import Dialect, Header
from schemas.ranges import MAX_RANGES
from worker.core.csv_blocks import Positions
from worker.core.csv_dialect import codec_name
from worker.core.csv_records import RecordReader
from worker.core.csv_walk import Regular, block_cutter, walk
from worker.core.jsonl_rows import json_lines
from worker.core.plain_bytes import is_as_stored
from worker.core.row_types import Place
from worker.core.rows import first_place

Starts = tuple[Positions, Positions]
"""Where consecutive records start: bytes in ascending order, and their lines."""

_IN_RECORDS = {"csv", "jsonl"}
"""Formats that can be entered at any record."""

_JSON_LINES = 1_000
"""Looked at in one go."""


def range_size(wanted: int, file_bytes: int, dialect: Dialect) -> int | msgspec.UnsetType:
    """Return the size of a file's ranges; UNSET for one that is worked on as a whole.

    That is a file no larger than `wanted` bytes, and one that can only be read from its first byte. 0 wants none.
    """
    if wanted == 0 or file_bytes <= wanted or dialect.format not in _IN_RECORDS or not is_as_stored(dialect):
        return msgspec.UNSET
    # One range may be longer than asked for by a record, and the file's last one shorter.
    return max(wanted, -(-file_bytes // MAX_RANGES))


def range_starts(chunks: Iterable[bytes], dialect: Dialect, header: Header, range_bytes: int) -> Iterator[Place]:
    """Yield where each range starts, at least the first one. `chunks` begin at the header's `first_byte`.

    The file is as it is stored (see `is_as_stored`). Memory does not grow with the file.
    """
    first = first_place(header)
    yield first
    wanted, row = first.byte + range_bytes, first.row
    starts_of = _json_starts if dialect.format == "jsonl" else _csv_starts
    for starts, lines in starts_of(chunks, dialect, first):
        at = int(np.searchsorted(starts, wanted))
        while at < len(starts):
            yield Place(int(starts[at]), int(lines[at]), row + at)
            wanted = int(starts[at]) + range_bytes
            at = int(np.searchsorted(starts, wanted))
        row += len(starts)


def _csv_starts(chunks: Iterable[bytes], dialect: Dialect, first: Place) -> Iterator[Starts]:
    delimiter = dialect.delimiter.encode(codec_name(dialect.encoding))
    quote = None if dialect.quote is None else dialect.quote.encode()
    records = RecordReader(chunks, delimiter=delimiter, quote=quote, byte=first.byte, line=first.line)
    for piece in walk(records, block_cutter(delimiter, quote)):
        if isinstance(piece, Regular):
            yield piece.block.starts + (piece.byte - piece.start), piece.block.lines + piece.line
        else:
            yield np.array([one.byte for one in piece], np.int64), np.array([one.line for one in piece], np.int64)


def _json_starts(chunks: Iterable[bytes], _dialect: Dialect, first: Place) -> Iterator[Starts]:
    lines = ((byte, line) for byte, line, data, _after in json_lines(chunks, byte=first.byte, line=first.line) if data)
    while some := list(islice(lines, _JSON_LINES)):
        starts = np.array(some, np.int64)
        yield starts[:, 0], starts[:, 1]
