"""How the outcomes of a local file are written: as CSV, as JSON lines, or as a table for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO, Literal, Protocol

from schemas.codec import encode
from worker.core.csv_cells import csv_line, number_cells, safe_cell
from worker.core.output_lines import result_columns
from worker.score_rows import Predicted

Format = Literal["csv", "jsonl", "table"]

TABLE_ROWS = 20
"""How many rows a table shows."""

_TEXT_CHARS = 60


class Writer(Protocol):
    """Takes predictions in order."""

    def write(self, predicted: Predicted) -> None:
        """Write one row."""

    def finish(self) -> None:
        """Write what was kept back."""


def open_writer(kind: Format, columns: Sequence[str], stream: BinaryIO, *, keep_formulas: bool = False) -> Writer:
    """Return the writer of a format. Cells that a spreadsheet would run are made safe unless they are to be kept."""
    if kind == "csv":
        return CsvWriter(columns, stream, keep_formulas=keep_formulas)
    return JsonlWriter(stream) if kind == "jsonl" else TableWriter(stream)


class CsvWriter:
    """The file's columns and ours: the same bytes as `predictions.csv` of a CSV job."""

    def __init__(self, columns: Sequence[str], stream: BinaryIO, *, keep_formulas: bool) -> None:
        self._cell = str if keep_formulas else safe_cell
        self._stream = stream
        names = [self._cell(name) for name in columns]
        self._put([*names, *result_columns(names)])

    def write(self, predicted: Predicted) -> None:
        """Write one row."""
        one = predicted.prediction
        probability = "" if one.probability is None else number_cells([one.probability])[0]
        cells = [self._cell(cell) for cell in predicted.review.cells]
        self._put([*cells, str(one.row), one.label, probability, one.model, one.version])

    def finish(self) -> None:
        """Keep nothing back."""

    def _put(self, cells: list[str]) -> None:
        self._stream.write(f"{csv_line(cells)}\n".encode())


class JsonlWriter:
    """One prediction of the contract a line, without the text."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, predicted: Predicted) -> None:
        """Write one row."""
        self._stream.write(encode(predicted.prediction) + b"\n")

    def finish(self) -> None:
        """Keep nothing back."""


class TableWriter:
    """The first rows, with the beginning of each text."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._rows: list[list[str]] = []
        self._models: set[str] = set()
        self._count = 0

    def write(self, predicted: Predicted) -> None:
        """Keep one row if it will be shown."""
        one = predicted.prediction
        self._count += 1
        self._models.add(f"{one.model} {one.version}")
        if self._count > TABLE_ROWS:
            return
        probability = "" if one.probability is None else f"{one.probability:.4f}"
        shown = [str(one.row), one.label, probability, predicted.review.text]
        self._rows.append([_printable(cell) for cell in shown])

    def finish(self) -> None:
        """Print the table."""
        from rich.console import Console  # noqa: PLC0415 - not for the other formats
        from rich.table import Table  # noqa: PLC0415 - the same
        from rich.text import Text  # noqa: PLC0415 - the same

        table = Table("row", "label", "probability", box=None, pad_edge=False)
        table.add_column("text", no_wrap=True, overflow="ellipsis")
        for row in self._rows:
            table.add_row(*(Text(cell) for cell in row))
        console = Console(highlight=False)
        with console.capture() as capture:
            console.print(table)
            console.print(f"scored by {', '.join(sorted(self._models)) or 'no model: there are no rows'}")
            if self._count > TABLE_ROWS:
                console.print(f"… and {self._count - TABLE_ROWS:,} more; --format csv or jsonl writes all of them.")
        self._stream.write(capture.get().encode())


def _printable(cell: str) -> str:
    """Cut a cell short; control characters of foreign text must not reach the terminal."""
    short = cell if len(cell) <= _TEXT_CHARS else f"{cell[: _TEXT_CHARS - 1]}…"
    return "".join(character if character.isprintable() else " " for character in short)
