"""Scored rows → lines of predictions, as CSV or as JSON lines, a block at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.jobs import JobSpec
from worker.core.csv_cells import cells_bytes, csv_line, number_cells, quoted_column, safe_cell, safe_column
from worker.core.line_buffer import LineBuffer
from worker.core.output_options import kept_columns, part_format
from worker.core.record_lines import RecordLines
from worker.core.row_batch import RowBatch
from worker.core.scorer import Scores

RESULT_COLUMNS = ("row", "label", "probability", "model", "version")
"""Always the last columns of the predictions, after the file's own."""

_NUMBER_CHARS = 26
"""The longest text of a float in 0..1, with a comma."""


def result_columns(columns: Sequence[str]) -> list[str]:
    """Return the names of the columns that are added; `reviewmill_` stands before a name the file has itself."""
    names = []
    for name in RESULT_COLUMNS:
        free = name
        while free in columns:
            free = f"reviewmill_{free}"
        names.append(free)
    return names


def output_columns(spec: JobSpec) -> list[str]:
    """Return the names of all columns of a job's predictions, as they are stored.

    In JSON lines and Parquet, where a name can stand only once, the second column of a name gets `_2` behind it, and
    so on.
    """
    kept = [spec.header.columns[place] for place in kept_columns(spec.output, spec.header)]
    if part_format(spec.output) == "jsonl":
        kept = _distinct(kept)
    elif spec.output.formulas == "safe":
        kept = [safe_cell(name) for name in kept]
    return [*kept, *result_columns(kept)]


class Lines(Protocol):
    """Writes predictions in one format."""

    def header(self) -> bytes:
        """Return what stands once, before the first row."""

    def sizes(self, rows: RowBatch) -> NDArray[np.int64]:
        """Return a bound of the bytes that each row takes."""

    def write(self, rows: RowBatch, scores: Scores, target: LineBuffer) -> None:
        """Write the lines of scored rows, for which the target must have the room that `sizes` says."""


def lines_of(spec: JobSpec, labels: Sequence[str]) -> Lines:
    """Return the writer that a job asks for."""
    return JsonLines(spec, labels) if part_format(spec.output) == "jsonl" else CsvLines(spec, labels)


class CsvLines:
    """`predictions.csv`: the columns that are kept, and ours."""

    def __init__(self, spec: JobSpec, labels: Sequence[str]) -> None:
        self._columns = output_columns(spec)
        self._kept = kept_columns(spec.output, spec.header)
        self._safe = spec.output.formulas == "safe"
        self._tail = f",{csv_line([spec.model, spec.version])}\n"
        longest = max((len(csv_line([label]).encode()) for label in labels), default=0)
        self._added_bytes = _NUMBER_CHARS + longest + len(self._tail.encode()) + 1
        keeps_all = len(self._kept) == len(spec.header.columns)
        self._records = RecordLines(self._kept, keeps_all=keeps_all, safe=self._safe, tail=self._tail)

    def header(self) -> bytes:
        """Return the line of the columns' names."""
        return f"{csv_line(self._columns)}\n".encode()

    def sizes(self, rows: RowBatch) -> NDArray[np.int64]:
        """Return a bound of the bytes that each row takes."""
        numbers = _row_number_bytes(rows)
        if rows.records is not None:
            return self._records.sizes(rows.records, self._added_bytes) + numbers
        return cells_bytes([rows.columns[place] for place in self._kept], len(rows)) + self._added_bytes + numbers

    def write(self, rows: RowBatch, scores: Scores, target: LineBuffer) -> None:
        """Write the lines of scored rows: column by column, because that is several times as fast as row by row."""
        numbers = scores.chosen_probabilities()
        if rows.records is not None:
            self._records.write(rows.records, rows.first_row, scores.classes, scores.chosen, numbers, target)
            return
        columns = [self._column(list(rows.columns[place])) for place in self._kept]
        columns.append(list(map(str, range(rows.first_row, rows.first_row + len(rows)))))
        labels = quoted_column(list(scores.classes))
        columns.append([labels[column] for column in scores.chosen.tolist()])
        columns.append([""] * len(rows) if numbers is None else number_cells(numbers.tolist()))
        # The tail between the lines and after the last one.
        target.add((self._tail.join(map(",".join, zip(*columns, strict=True))) + self._tail).encode())

    def _column(self, cells: list[str]) -> list[str]:
        return quoted_column(safe_column(cells) if self._safe else cells)


class JsonLines:
    """`predictions.jsonl`: one flat object a row; the file's cells are strings and stay as they are."""

    def __init__(self, spec: JobSpec, labels: Sequence[str]) -> None:
        self._names = output_columns(spec)
        self._kept = kept_columns(spec.output, spec.header)
        self._model = (spec.model, spec.version)
        longest = max((len(msgspec.json.encode(label)) for label in labels), default=0)
        keys = len(msgspec.json.encode(dict.fromkeys(self._names, "")))
        self._added_bytes = keys + _NUMBER_CHARS + longest + len(msgspec.json.encode(self._model)) + 1

    def header(self) -> bytes:
        """Return nothing: every line names its cells."""
        return b""

    def sizes(self, rows: RowBatch) -> NDArray[np.int64]:
        """Return a bound of the bytes that each row takes."""
        encode = msgspec.json.Encoder().encode
        cells = np.array([len(encode(cells)) for cells in self._cells(rows)], dtype=np.int64)
        return cells + self._added_bytes + _row_number_bytes(rows)

    def write(self, rows: RowBatch, scores: Scores, target: LineBuffer) -> None:
        """Write the lines of scored rows."""
        found = scores.chosen_probabilities()
        numbers = repeat(None, len(rows)) if found is None else found.tolist()
        lines = [
            dict(zip(self._names, (*cells, row, label, number, *self._model), strict=True))
            for row, (cells, label, number) in enumerate(
                zip(self._cells(rows), scores.labels, numbers, strict=True), rows.first_row
            )
        ]
        target.add(msgspec.json.Encoder().encode_lines(lines))

    def _cells(self, rows: RowBatch) -> Iterator[tuple[str, ...]]:
        """Yield the kept cells of each row."""
        if not self._kept:
            return repeat((), len(rows))
        return zip(*(rows.columns[place] for place in self._kept), strict=True)


def _row_number_bytes(rows: RowBatch) -> NDArray[np.int64]:
    """Return how many bytes each row's number takes, with a comma."""
    digits = len(str(rows.first_row))
    sizes = np.full(len(rows), digits + 1, dtype=np.int64)
    while 10**digits < rows.first_row + len(rows):
        sizes[10**digits - rows.first_row :] += 1
        digits += 1
    return sizes


def _distinct(names: list[str]) -> list[str]:
    """Return the names, each once."""
    distinct: list[str] = []
    for name in names:
        free, number = name, 1
        while free in distinct or (number > 1 and free in names):
            number += 1
            free = f"{name}_{number}"
        distinct.append(free)
    return distinct
