"""Rows → a table for people, JSON Lines or CSV for programs, on stdout and lazily."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec

from worker.core.csv_cells import safe_cell

FORMATS = ("table", "jsonl", "csv")
TABLE_ROWS = 50
"""Rows of a table where no limit is given."""

PREDICTION_COLUMNS = ("key", "label", "probability", "model", "version")
REJECTION_COLUMNS = ("key", "code", "stage", "reason")

Row = Mapping[str, Any]


def rows_as_mappings(rows: Iterable[msgspec.Struct]) -> Iterator[Row]:
    """Yield the rows as they are stored: what has its default is left out."""
    for row in rows:
        fields: Row = msgspec.to_builtins(row)
        yield fields


def field_names(kind: type[msgspec.Struct]) -> list[str]:
    """Return the names of all fields of a row type."""
    return [item.encode_name for item in msgspec.structs.fields(kind)]


def show_rows(
    rows: Iterable[Row], *, style: str, columns: Sequence[str], table_columns: Sequence[str], limit: int | None
) -> int:
    """Print rows and return how many there were, up to the limit.

    `columns` are those of a CSV, `table_columns` those of a table; JSON lines hold what is there.
    """
    if style == "table":
        from publisher.table import print_table  # noqa: PLC0415 - rich takes 0.1 s that other styles need not wait for

        return print_table(rows, table_columns, limit=TABLE_ROWS if limit is None else limit)
    writer = csv.writer(sys.stdout, lineterminator="\n")
    if style == "csv":
        writer.writerow(columns)
    shown = 0
    for row in islice(rows, limit):
        shown += 1
        if style == "csv":
            writer.writerow([_cell(row.get(column)) for column in columns])
        else:
            sys.stdout.write(msgspec.json.encode(row).decode() + "\n")
    return shown


def _cell(value: object) -> object:
    """Return a CSV cell, safe to open in a spreadsheet."""
    if value is None:
        return ""
    return safe_cell(value) if isinstance(value, str) else value
