"""What could not be published: files that can be fed again, and beside them why each line is there."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import msgspec

from publisher.console import say
from publisher.raw_records import RawRecord
from schemas.errors import InvalidInput

_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Fault:
    """Why one line of the input was not published."""

    line: int
    """Of the input, from 1; the number of the data row for a CSV."""
    code: str
    reason: str
    id: str | None = None

    @classmethod
    def of(cls, line: int, error: InvalidInput) -> Fault:
        """Return the fault of an input line that is not a valid request."""
        return cls(line, error.code, error.reason, error.key)


class FailuresFile:
    """Writes failed requests to `path`, rows that are no requests to `rows_path`, and the faults of both.

    The requests are as they came, one JSON line each; rows of a CSV that could not be read are as they came, too,
    under the header of their file. So both files are input for `publish reviews` once what is wrong with them is
    mended. `faults_path` has a line for each failure, in the input's order. A file is made when there is something to
    write, so a run without failures leaves none.
    """

    def __init__(self, path: Path, *, rows_suffix: str = ".csv", unit: str = "line") -> None:
        self.path = path
        self.rows_path = path.with_name(f"{path.name}.rows{rows_suffix}")
        self.faults_path = path.with_name(f"{path.name}.faults.jsonl")
        self.codes: Counter[str] = Counter()
        self._unit = unit
        self._streams: dict[Path, BinaryIO] = {}

    @property
    def count(self) -> int:
        """How many requests failed."""
        return self.codes.total()

    @property
    def written(self) -> list[Path]:
        """The files that can be fed again."""
        return [path for path in (self.path, self.rows_path) if path in self._streams]

    def add(self, request: bytes, fault: Fault) -> None:
        """Write one failed request (JSON without a line end; empty when it cannot be kept) and say why, at first."""
        if request:
            self._stream(self.path).write(request + b"\n")
        self._note(fault)

    def add_row(self, record: RawRecord, fault: Fault) -> None:
        """Write one row of a CSV as it stands there, and say why it failed, at first."""
        if record.raw:
            new = self.rows_path not in self._streams
            end = b"" if record.raw.endswith((b"\n", b"\r")) else b"\n"
            self._stream(self.rows_path).write((record.head if new else b"") + record.raw + end)
        self._note(fault)

    def _note(self, fault: Fault) -> None:
        self._stream(self.faults_path).write(msgspec.json.encode(fault) + b"\n")
        self.codes[fault.code] += 1
        if self.count <= _SHOWN:
            say(f"  {self._unit} {fault.line}: {fault.code}: {fault.reason}")
        elif self.count == _SHOWN + 1:
            say(f"  … further failures are in {self.faults_path}")

    def _stream(self, path: Path) -> BinaryIO:
        if path not in self._streams:
            self._streams[path] = path.open("wb", buffering=0)
        return self._streams[path]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for stream in self._streams.values():
            stream.close()
