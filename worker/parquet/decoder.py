"""The process that decodes a Parquet file: `python -m worker.parquet.decoder`, with frames on its standard streams.

A Parquet file is a program of sorts: pages say how much they unpack to, dictionaries and runs repeat values any number
of times, and the decoder is C++. So it runs here, with a bound on memory, without credentials, and without any more of
the file than it asks for; what goes wrong ends this process and not the worker.
"""

from __future__ import annotations

import io
import os
import resource
import sys
from collections.abc import Iterator
from typing import Any

import msgspec

from worker.core.parquet_frames import (
    BYTES,
    END,
    FAILURE,
    FILE,
    MAX_READ_BYTES,
    PLAN,
    READ,
    ROWS,
    SHAPE,
    Column,
    Failure,
    FileOffered,
    Group,
    Plan,
    Rows,
    Shape,
    Wanted,
)
from worker.parquet.pipes import PipeClosed, Pipes

MEMORY_BYTES = 512 << 20
"""What decoding may take beyond the program itself."""

_BUFFER_BYTES = 1 << 20
_BUFFERS_BYTES = 64 << 20
"""Bytes of one column chunk, and of all columns together, that are read ahead."""

_BATCH_BYTES = 1 << 20
_MOST_BATCH_ROWS = 4096
_FRAME_BYTES = 4 << 20

_MAX_THRIFT_STRING = 16 << 20
_MAX_THRIFT_ITEMS = 1_000_000
"""Bounds of what the footer may hold."""

_NO_PYARROW = "Parquet is read by pyarrow, which is not installed. Install it: pip install 'reviewmill[parquet]'."
_MEMORY = (
    f"Unpacking it takes more than {MEMORY_BYTES >> 20} MiB at once. Write it with smaller pages and row groups, and "
    "without values of many megabytes."
)


class RemoteFile(io.RawIOBase):
    """The file, whose bytes the other process has."""

    def __init__(self, pipes: Pipes, size: int) -> None:
        super().__init__()
        self._pipes = pipes
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        """Say that it is."""
        return True

    def seekable(self) -> bool:
        """Say that it is."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move the position."""
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence])
        return self._at

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes, up to the file's end."""
        left = max(0, self._size - self._at)
        left = left if size < 0 else min(size, left)
        pieces = []
        while left:
            piece = self._piece(min(left, MAX_READ_BYTES))
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)

    def _piece(self, length: int) -> bytes:
        self._pipes.send(READ, msgspec.msgpack.encode(Wanted(self._at, length)))
        letter, data = self._pipes.receive()
        if letter != BYTES or len(data) != length:
            raise PipeClosed
        self._at += length
        return data


def main() -> int:
    """Serve one file; the exit status says nothing that a frame does not."""
    # What libraries print must not get between the frames.
    pipes = Pipes(os.dup(0), os.dup(1), max_bytes=MAX_READ_BYTES)
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(2, 1)
    try:
        pipes.send(*_served(pipes))
    except PipeClosed:
        return 1
    return 0


def _served(pipes: Pipes) -> tuple[bytes, bytes]:
    """Send everything but the last frame, and return that."""
    try:
        import pyarrow as pa  # noqa: PLC0415 - an optional extra, whose absence is told
        import pyarrow.parquet  # noqa: PLC0415 - the same
    except ImportError:
        return _failure("parquet_not_installed", _NO_PYARROW)
    bound_memory()
    try:
        _serve(pipes)
    except PipeClosed:
        raise
    except MemoryError:
        return _failure("too_large_inflated", _MEMORY)
    except pa.ArrowNotImplementedError:
        return _failure("unsupported_parquet", "It uses a feature of Parquet that is not read here. Write it without.")
    except Exception as error:  # noqa: BLE001 - whatever decoding raises on a file, the job must be told
        # The type's name only: an error's text can repeat cells.
        return _failure("broken_parquet", f"It is damaged, or no Parquet file ({type(error).__name__}). Write it anew.")
    return END, b""


def bound_memory() -> None:
    """Let no allocation take this process further than it may go; where the system has no such bound, do nothing."""
    try:
        with open("/proc/self/statm") as stream:  # noqa: PTH123 - no Path for a pseudo-file
            used = int(stream.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_BYTES, resource.RLIM_INFINITY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (OSError, ValueError):
        return


def _serve(pipes: Pipes) -> None:
    from pyarrow.parquet import ParquetFile  # noqa: PLC0415 - optional

    letter, data = pipes.receive()
    if letter != FILE:
        raise PipeClosed
    source = RemoteFile(pipes, msgspec.msgpack.decode(data, type=FileOffered).size)
    options = {"thrift_string_size_limit": _MAX_THRIFT_STRING, "thrift_container_size_limit": _MAX_THRIFT_ITEMS}
    file = ParquetFile(source, pre_buffer=False, buffer_size=_BUFFER_BYTES, **options)
    buffer = max(1 << 16, min(_BUFFER_BYTES, _BUFFERS_BYTES // max(1, file.metadata.num_columns)))
    if buffer != _BUFFER_BYTES:
        file = ParquetFile(source, metadata=file.metadata, pre_buffer=False, buffer_size=buffer, **options)
    pipes.send(SHAPE, msgspec.msgpack.encode(_shape(file)))
    letter, data = pipes.receive()
    if letter != PLAN:
        raise PipeClosed
    for rows in _rows(file, msgspec.msgpack.decode(data, type=Plan)):
        pipes.send(ROWS, msgspec.msgpack.encode(rows))


def _shape(file: Any) -> Shape:  # noqa: ANN401 - pyarrow has no types
    from worker.parquet.cells import kind_of  # noqa: PLC0415 - imports pyarrow

    fields = [file.schema_arrow.field(place) for place in range(len(file.schema_arrow))]
    return Shape(
        [Column(field.name, kind_of(field.type), str(field.type)[:100]) for field in fields], file.metadata.num_rows
    )


def _rows(file: Any, plan: Plan) -> Iterator[Rows]:  # noqa: ANN401 - pyarrow has no types
    first_row = 1
    for number in range(file.metadata.num_row_groups):
        group = _group(file.metadata.row_group(number), first_row)
        first_row += group.rows
        if first_row <= plan.skip_rows + 1:
            continue
        at = group.first_row
        for batch in _batches(file, number, group, plan):
            begin = min(max(0, plan.skip_rows + 1 - at), len(batch))
            if begin < len(batch):
                yield from _frames(batch.slice(begin), at + begin, group, plan)
            at += len(batch)
        if at != first_row:
            raise ValueError(f"row group {number} has {at - group.first_row} rows, not {group.rows}")


def _group(about: Any, first_row: int) -> Group:  # noqa: ANN401 - pyarrow has no types
    if not 0 <= about.num_rows < 1 << 62:
        raise ValueError("a row group with an impossible number of rows")
    columns = [about.column(place) for place in range(about.num_columns)]
    starts = [
        min(
            offset
            for offset in (one.dictionary_page_offset, one.data_page_offset)
            if offset is not None and offset >= 0
        )
        for one in columns
        if one.data_page_offset >= 0
    ]
    length = sum(max(0, one.total_compressed_size) for one in columns)
    return Group(first_row, about.num_rows, min(starts, default=0), length)


def _batches(file: Any, number: int, group: Group, plan: Plan) -> Iterator[Any]:  # noqa: ANN401 - the same
    names = file.schema_arrow.names
    wanted = [names[place] for place in plan.columns]
    # A dot also means a field of a struct, and a name can stand twice: then all are read, and taken by position.
    by_name = len(set(names)) == len(names) and not any("." in name for name in names)
    about = file.metadata.row_group(number)
    size = max(1, max(about.total_byte_size, 0) // max(1, group.rows))
    batches = file.iter_batches(
        batch_size=max(1, min(_MOST_BATCH_ROWS, _BATCH_BYTES // size)),
        row_groups=[number],
        columns=wanted if by_name else None,
        use_threads=False,
    )
    for batch in batches:
        yield batch.select(wanted) if by_name else batch.select(plan.columns)


def _frames(batch: Any, first_row: int, group: Group, plan: Plan) -> Iterator[Rows]:  # noqa: ANN401 - the same
    """Yield a batch's rows in frames that are not too long; rows that are too long without their cells."""
    from worker.parquet.cells import NOT_UTF_8, cells_of  # noqa: PLC0415 - imports pyarrow

    if batch.nbytes > _FRAME_BYTES and len(batch) > 1:
        half = len(batch) // 2
        yield from _frames(batch.slice(0, half), first_row, group, plan)
        yield from _frames(batch.slice(half), first_row + half, group, plan)
        return
    cells, faults = [], {}
    for place, column in enumerate(batch.columns):
        found, bad = cells_of(column)
        cells.append(found)
        faults.update(dict.fromkeys(bad, (NOT_UTF_8, place)))
    if sum(map(_most_bytes, cells)) > plan.max_row_bytes:
        for position, row in enumerate(zip(*cells, strict=True)):
            if sum(len(cell.encode()) for cell in row if cell) > plan.max_row_bytes:
                faults[position] = ("record_too_long", -1)
                for column in cells:
                    column[position] = None
    yield Rows(first_row, group, cells, faults)


def _most_bytes(cells: list[str | None]) -> int:
    """Return a bound of what the longest of the cells takes in UTF-8."""
    return 4 * max((len(cell) for cell in cells if cell), default=0)


def _failure(code: str, reason: str) -> tuple[bytes, bytes]:
    return FAILURE, msgspec.msgpack.encode(Failure(code, reason))


if __name__ == "__main__":
    sys.exit(main())
