"""Rows → a table for people, JSON Lines or CSV for programs, on stdout and lazily."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Sequence

import msgspec

from schemas.codec import encode

FORMATS = ("table", "jsonl", "csv")
TABLE_ROWS = 50
"""Rows of a table where no limit is given."""

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def show_rows(
    rows: Iterable[msgspec.Struct], kind: type[msgspec.Struct], *, style: str, columns: Sequence[str], limit: int | None
) -> int:
    """Print rows of one type and return how many were printed. `columns` are those of the table."""
    if style == "table":
        from publisher.table import print_table  # noqa: PLC0415 - rich takes 0.1 s that other styles need not wait for

        return print_table(rows, columns, limit=TABLE_ROWS if limit is None else limit)
    shown = 0
    writer = None
    if style == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow([item.encode_name for item in msgspec.structs.fields(kind)])
    for row in rows:
        if limit is not None and shown >= limit:
            break
        shown += 1
        if writer is None:
            sys.stdout.write(encode(row).decode() + "\n")
        else:
            writer.writerow([_cell(value) for value in msgspec.structs.astuple(row)])
    return shown


def _cell(value: object) -> object:
    """Return a CSV cell; text that a spreadsheet would run as a formula gets an apostrophe in front."""
    if value is None:
        return ""
    return "'" + value if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value
