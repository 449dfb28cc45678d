"""Sorts more rows than memory should hold: sorted runs in temporary files, merged when they are read."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from worker.core.reading import Outcome
from worker.core.sealing import Entry, entry, line_of

RUN_BYTES = 8 * 1024 * 1024
"""A run is written when it has so many bytes of rows; in memory that is several times as much."""


class SortedRuns:
    """The new rows of one sequence. Holds one run in memory, and a line of each when they are merged."""

    def __init__(self, folder: Path, parse: Callable[[bytes], Outcome], *, run_bytes: int = RUN_BYTES) -> None:
        self._folder = folder
        self._parse = parse
        self._run_bytes = run_bytes
        self._run: list[Entry] = []
        self._size = 0
        self._paths: list[Path] = []

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Take rows in, in any order."""
        for outcome in outcomes:
            item = entry(outcome, new=True)
            self._run.append(item)
            self._size += len(line_of(item))
        if self._size >= self._run_bytes:
            self._write()

    def merged(self, others: Iterable[Iterator[Entry]]) -> Iterator[Entry]:
        """Yield all entries in order, those of `others` among them, which are sorted already."""
        last = sorted(self._run)
        self._run = []
        return heapq.merge(last, *map(self._read, self._paths), *others)

    def _write(self) -> None:
        path = self._folder / f"{len(self._paths):06d}"
        with path.open("wb") as file:
            file.writelines(map(line_of, sorted(self._run)))
        self._paths.append(path)
        self._run, self._size = [], 0

    def _read(self, path: Path) -> Iterator[Entry]:
        with path.open("rb") as file:
            for line in file:
                yield entry(self._parse(line.removesuffix(b"\n")), new=True)
