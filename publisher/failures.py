"""What could not be published: a file that can be fed again, and beside it why each line is there."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import msgspec

from publisher.console import say
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
    """Writes failed requests to `path`, and their faults, in the same order, to `<path>.faults.jsonl`.

    The requests are as they came, one JSON line each, so that the file is input for `publish reviews` once what is
    wrong with it is mended. Both files are made at the first failure, so a run without failures leaves none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.faults_path = path.with_name(path.name + ".faults.jsonl")
        self.codes: Counter[str] = Counter()
        self._requests: BinaryIO | None = None
        self._faults: BinaryIO | None = None

    @property
    def count(self) -> int:
        """How many requests failed."""
        return self.codes.total()

    def add(self, request: bytes, fault: Fault) -> None:
        """Write one failed request (JSON without a line end; empty when it cannot be kept) and say why, at first."""
        if self._requests is None or self._faults is None:
            self._requests = self.path.open("wb", buffering=0)
            self._faults = self.faults_path.open("wb", buffering=0)
        if request:
            self._requests.write(request + b"\n")
        self._faults.write(msgspec.json.encode(fault) + b"\n")
        self.codes[fault.code] += 1
        if self.count <= _SHOWN:
            say(f"  line {fault.line}: {fault.code}: {fault.reason}")
        elif self.count == _SHOWN + 1:
            say(f"  … further failures are in {self.faults_path}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for stream in (self._requests, self._faults):
            if stream is not None:
                stream.close()
