"""The records of CSV and TSV in order: regular ones a block at a time, whatever breaks the rules one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from worker.core.csv_blocks import Block, cut_block
from worker.core.csv_records import Record, RecordReader

_BLOCK_BYTES = 1 << 19
_LEAST_BLOCK_BYTES = 1 << 13
"""Regular records are split in blocks between these sizes: enough to be fast, little enough to stay in cache."""

_MOST_PATIENCE = 1024


@dataclass(frozen=True, slots=True)
class Regular:
    """Regular records, and where in the file they begin."""

    data: bytes
    """The buffer that the block's positions are of."""
    start: int
    """Where in the buffer the block begins; in the file that is `byte`, on line `line`."""
    block: Block
    byte: int
    line: int


def walk(records: RecordReader, *, delimiter: bytes, quote: bytes | None) -> Iterator[Regular | list[Record]]:
    """Yield every record that is left, in order. After the last, `records` stands at the file's end.

    How records are put together depends on the chunks and says nothing.
    """
    size, patience = _BLOCK_BYTES, 1
    single = delimiter[0] if len(delimiter) == 1 else None
    while (found := records.buffer())[0]:
        data, start = found
        block = None
        if single is not None:
            block = cut_block(data, start, size, delimiter=single, quote=None if quote is None else quote[0])
        if block is None:
            # Trouble seldom comes alone: the more there was, the more is read exactly before the next look.
            yield _some(records, patience)
            size, patience = _LEAST_BLOCK_BYTES, min(2 * patience, _MOST_PATIENCE)
            continue
        regular = Regular(data, start, block, records.byte, records.line)
        records.advance(block.stop, lines=block.line_count)
        yield regular
        patience = 1 if len(block.starts) > patience else patience
        size = _LEAST_BLOCK_BYTES if block.troubled else min(4 * size, _BLOCK_BYTES)


def _some(records: RecordReader, count: int) -> list[Record]:
    """Read up to `count` records exactly."""
    found = (records.one() for _ in range(count))
    return [record for record in found if record is not None]
