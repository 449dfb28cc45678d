"""The records of CSV and TSV in order: regular ones a block at a time, whatever breaks the rules one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from worker.core.csv_blocks import Block, cut_block
from worker.core.csv_records import MAX_RECORD_BYTES, Record, RecordReader

_BLOCK_BYTES = MAX_RECORD_BYTES  # not more: a record that is longer is none, however it is read
_LEAST_BLOCK_BYTES = 1 << 13
"""Regular records are split in blocks between these sizes: enough to be fast, little enough to stay in cache."""

_MOST_PATIENCE = 1024


class Cut(Protocol):
    """What is known of the regular records that were cut off."""

    @property
    def stop(self) -> int: ...  # noqa: D102 - see `Block`
    @property
    def line_count(self) -> int: ...  # noqa: D102
    @property
    def troubled(self) -> bool: ...  # noqa: D102
    def __len__(self) -> int: ...


B = TypeVar("B", bound=Cut)


@dataclass(frozen=True, slots=True)
class Regular(Generic[B]):
    """Regular records, and where in the file they begin."""

    data: bytes
    """The buffer that the block's positions are of."""
    start: int
    """Where in the buffer the block begins; in the file that is `byte`, on line `line`."""
    block: B
    byte: int
    line: int


def block_cutter(delimiter: bytes, quote: bytes | None) -> Callable[[bytes, int, int], Block | None]:
    """Return what cuts blocks for `walk`; of a delimiter of several bytes, nothing."""

    def cut(data: bytes, start: int, size: int) -> Block | None:
        if len(delimiter) > 1:
            return None
        return cut_block(data, start, size, delimiter=delimiter[0], quote=None if quote is None else quote[0])

    return cut


def walk(records: RecordReader, cut: Callable[[bytes, int, int], B | None]) -> Iterator[Regular[B] | list[Record]]:
    """Yield every record that is left, in order. After the last, `records` stands at the file's end.

    `cut` is given a buffer, where in it a record starts, and how many bytes it may look at. How records are put
    together depends on the chunks and says nothing.
    """
    size, patience = _BLOCK_BYTES, 1
    while (found := records.buffer())[0]:
        data, start = found
        block = cut(data, start, size)
        if block is None:
            # Trouble seldom comes alone: the more there was, the more is read exactly before the next look.
            yield _some(records, patience)
            size, patience = _LEAST_BLOCK_BYTES, min(2 * patience, _MOST_PATIENCE)
            continue
        regular = Regular(data, start, block, records.byte, records.line)
        records.advance(block.stop, lines=block.line_count)
        yield regular
        patience = 1 if len(block) > patience else patience
        size = _LEAST_BLOCK_BYTES if block.troubled else min(4 * size, _BLOCK_BYTES)


def _some(records: RecordReader, count: int) -> list[Record]:
    """Read up to `count` records exactly."""
    found = (records.one() for _ in range(count))
    return [record for record in found if record is not None]
