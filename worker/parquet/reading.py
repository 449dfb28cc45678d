"""Parquet → rows, by a process of its own (see `decoder`): this one serves it ranges of the file and takes its rows."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import msgspec

from cloud.objects import TransientError
from schemas.errors import InvalidInput
from schemas.jobs import Dialect, Header
from worker.core.parquet_frames import (
    BYTES,
    END,
    FAILURE,
    FILE,
    MAX_FRAME_BYTES,
    MAX_READ_BYTES,
    PLAN,
    READ,
    ROWS,
    SHAPE,
    Failure,
    FileOffered,
    Plan,
    Rows,
    Shape,
    Wanted,
)
from worker.core.parquet_rows import ParquetRules, parquet_dialect, parquet_header
from worker.core.row_batch import RowBatch
from worker.core.row_types import BadRow, Place
from worker.core.rows import RowReader
from worker.parquet.pipes import PipeClosed, Pipes, PipeSilent

MAX_RATIO = 1_000
"""The most text that a file may hold for each of its bytes. Runs of one value can do a million times."""

FREE_BYTES = 64 << 20
MAX_TEXT_BYTES = 16 << 30
"""So much is taken whatever the ratio, and no more than that from any file."""

_SILENCE_S = 120.0
"""A decoder that says nothing for so long is stuck: it asks for bytes or gives rows many times a second."""

_CRASHES = frozenset({signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE})

_CELL_BYTES = 8
"""What a cell counts for at least: runs of empty cells take time and no text."""

_MAGIC_BYTES = 4
_MAGICS = frozenset({b"PAR1", b"PARE"})

_ROOT = Path(__file__).parents[2]

T = TypeVar("T")


class ParquetFile:
    """One file: `read(start, length)` returns its bytes, of which there are `size`. A context manager; blocks.

    Raises InvalidInput from every method: `broken_parquet`, `unsupported_parquet`, `too_large_inflated`,
    `parquet_not_installed`; TransientError where the decoder was ended from outside; and what `read` raises.
    """

    def __init__(self, read: Callable[[int, int], bytes], size: int) -> None:
        self._read = read
        self._size = size
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "worker.parquet.decoder"],
            # Signals to the worker's group are the worker's affair.
            start_new_session=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # No credentials, no settings.
            env={"PYTHONPATH": str(_ROOT), "ARROW_DEFAULT_MEMORY_POOL": "system", "OPENBLAS_NUM_THREADS": "1"},
            bufsize=0,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._pipes = Pipes(
            self._process.stdout.fileno(),
            self._process.stdin.fileno(),
            max_bytes=MAX_FRAME_BYTES,
            silence_s=_SILENCE_S,
        )

    def shape(self) -> Shape:
        """Return the file's columns. Once, before `rows`."""
        self._send(FILE, FileOffered(self._size))
        letter, data = self._next()
        if letter != SHAPE:
            raise _broken("it could not be opened")
        return _decoded(data, Shape)

    def rows(self, plan: Plan) -> Iterator[Rows]:
        """Yield the rows that the plan asks for. Once, after `shape`."""
        self._send(PLAN, plan)
        taken = 0
        while True:
            letter, data = self._next()
            if letter == END:
                return
            if letter != ROWS:
                raise _broken("its rows could not be read")
            rows = _decoded(data, Rows)
            count = len(rows.cells[0]) if rows.cells and len(rows.cells) == len(plan.columns) else 0
            if not count or any(len(cells) != count for cells in rows.cells):
                raise _broken("its columns have different lengths")
            taken += len(data) + _CELL_BYTES * count * len(rows.cells)
            if taken > MAX_TEXT_BYTES or taken > max(FREE_BYTES, MAX_RATIO * self._size):
                raise InvalidInput(
                    "too_large_inflated",
                    f"The file holds more text than {MAX_TEXT_BYTES:,} bytes, or {MAX_RATIO:,} times its size. Upload "
                    "its rows in smaller files, or as CSV.",
                )
            yield rows

    def close(self) -> None:
        """End the process; safe to call twice."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _send(self, letter: bytes, message: msgspec.Struct) -> None:
        # A process that is gone has said why, or says it by its end: `_next` tells.
        with suppress(PipeClosed):
            self._pipes.send(letter, msgspec.msgpack.encode(message))

    def _next(self) -> tuple[bytes, bytes]:
        """Return the next frame, after every range of the file that is asked for before it."""
        while True:
            try:
                letter, data = self._pipes.receive()
            except PipeClosed:
                raise _ended(self._process.wait()) from None
            except PipeSilent:
                # It may be the machine that stands still, not the file: the job is tried again, as often as any is.
                raise TransientError(f"the decoder of a Parquet file did nothing for {_SILENCE_S:g} s") from None
            except ValueError:
                raise _broken("its decoder sent too much at once") from None
            if letter == FAILURE:
                failure = _decoded(data, Failure)
                raise InvalidInput(failure.code, f"The Parquet file cannot be read. {failure.reason}")
            if letter != READ:
                return letter, data
            wanted = _decoded(data, Wanted)
            inside = 0 <= wanted.start <= wanted.start + wanted.length <= self._size
            if not inside or not 0 < wanted.length <= MAX_READ_BYTES:
                raise _broken("its decoder asked for what the file does not have")
            piece = self._read(wanted.start, wanted.length)
            with suppress(PipeClosed):
                self._pipes.send(BYTES, piece)


@dataclass(frozen=True, slots=True)
class ParquetBytes:
    """Where a file's bytes are: `read(start, length)` returns some of them."""

    read: Callable[[int, int], bytes]
    size: int

    def open(self) -> ParquetFile:
        """Start a decoder; raises TransientError where no process can be started."""
        try:
            return ParquetFile(self.read, self.size)
        except OSError as error:
            raise TransientError(f"no decoder of Parquet can be started: {error.strerror}") from None


class ParquetRows:
    """The rows of a file from a place on, with the cells of the columns at `kept`, the text, the id and the model only.

    Iterate `batches` once.
    """

    def __init__(
        self, data: ParquetBytes, dialect: Dialect, header: Header, *, place: Place, kept: Sequence[int]
    ) -> None:
        self._data = data
        self._dialect = dialect
        self._header = header
        self._place = place
        self._kept = kept

    def end(self) -> Place:
        """Return where the file ends; only after the last row."""
        return self._place

    def batches(self) -> Iterator[RowBatch | BadRow]:
        """Yield each row in one RowBatch or as one BadRow, in order."""
        number = self._place.row
        with self._data.open() as file:
            rules = ParquetRules(self._dialect, self._header, _shape_again(file), self._kept)
            for rows in file.rows(Plan(rules.columns, number - 1)):
                if rows.first_row != number:
                    raise _broken("its rows come out of order")
                number += len(rows.cells[0])
                yield from rules.items(rows)
        self._place = Place(self._data.size, number, number)


def open_parquet(data: ParquetBytes, dialect: Dialect, said: Collection[str]) -> tuple[Dialect, Header]:
    """Return how a file is read and its columns, from its footer; `said` are the keys of its metadata.

    Raises InvalidInput for the file as a whole, as `ParquetFile` and `parquet_header`.
    """
    try:
        with data.open() as file:
            shape = file.shape()
    except InvalidInput as error:
        if error.code == "broken_parquet" and not _has_magic(data):
            raise _no_parquet() from None
        raise
    dialect = parquet_dialect(dialect, said, shape)
    return dialect, parquet_header(dialect, shape)


def _has_magic(data: ParquetBytes) -> bool:
    """Say whether a file begins as Parquet does, encrypted or not."""
    return data.size >= _MAGIC_BYTES and data.read(0, _MAGIC_BYTES) in _MAGICS


def _no_parquet() -> InvalidInput:
    return InvalidInput(
        "broken_parquet",
        "The file is not in Parquet format: it does not begin with PAR1. Leave --format out, so that it is read as "
        "what it is; a name that ends in .parquet or .pq asks for Parquet, too.",
    )


def parquet_rows(
    data: ParquetBytes, dialect: Dialect, header: Header, *, place: Place, kept: Sequence[int]
) -> RowReader:
    """Return the rows of a file that was opened before, from a place on; see `ParquetRows`."""
    return RowReader(header, ParquetRows(data, dialect, header, place=place, kept=kept))


def parquet_records(data: ParquetBytes, *, max_row_bytes: int) -> Iterator[list[str]]:
    """Yield the names of a file's columns, then the cells of each row as text, null as the empty text.

    Raises InvalidInput as `ParquetFile`, and for a row that is longer, or has a cell that is not UTF-8.
    """
    with data.open() as file:
        columns = file.shape().columns
        yield [column.name for column in columns]
        for rows in file.rows(Plan(list(range(len(columns))), 0, max_row_bytes)):
            if rows.faults:
                raise _broken(f"row {rows.first_row + min(rows.faults)} is not valid")
            for cells in zip(*rows.cells, strict=True):
                yield ["" if cell is None else cell for cell in cells]


def _shape_again(file: ParquetFile) -> Shape:
    """Return the columns of a file that was opened before: that pyarrow is not here now is no fault of the file."""
    try:
        return file.shape()
    except InvalidInput as error:
        if error.code != "parquet_not_installed":
            raise
        raise TransientError(f"this worker cannot go on. {error.reason}") from None


def _decoded(data: bytes, kind: type[T]) -> T:
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except msgspec.DecodeError:
        raise _broken("its decoder cannot be understood") from None


def _ended(status: int) -> Exception:
    """Return what it means that the decoder ended without a word: only some signals are the file's doing."""
    if -status in _CRASHES:
        return _broken(f"its decoder crashed with {signal.Signals(-status).name}")
    return TransientError(f"the decoder of a Parquet file was ended from outside, with status {status}")


def _broken(why: str) -> InvalidInput:
    return InvalidInput(
        "broken_parquet", f"The Parquet file cannot be read: {why}. It is damaged, or made to do harm. Write it anew."
    )
