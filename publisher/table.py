"""Tables for people, on stdout."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

from publisher.console import say

_WIDTH_OF_A_PIPE = 240
"""Columns where stdout is no terminal: nothing is cut that a program might look for."""


def print_table(rows: Iterable[object], columns: Sequence[str], *, limit: int) -> int:
    """Print the named attributes of the first `limit` rows, count the rest, and return how many were printed."""
    table = Table(*columns, box=None, pad_edge=False)
    total = 0
    for row in rows:
        total += 1
        if total <= limit:
            table.add_row(*(_plain(getattr(row, column)) for column in columns))
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH_OF_A_PIPE
    console.print(table)
    if total > limit:
        say(f"{limit:,} of {total:,} rows are shown; --limit shows more, --format jsonl or csv all.")
    return min(total, limit)


def _plain(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" if isinstance(value, float) else str(value)
