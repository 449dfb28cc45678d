"""Tables for people, on stdout."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from publisher.console import say

_WIDTH_OF_A_PIPE = 240
"""Columns where stdout is no terminal: nothing is cut that a program might look for."""


def print_table(rows: Iterable[Mapping[str, object]], columns: Sequence[str], *, limit: int) -> int:
    """Print the named columns of the first `limit` rows, say on stderr when there are more, and return how many."""
    table = Table(*columns, box=None, pad_edge=False)
    total = 0
    for row in rows:
        total += 1
        if total <= limit:
            table.add_row(*(_plain(row.get(column)) for column in columns))
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH_OF_A_PIPE
    console.print(table)
    if total > limit:
        say(f"{limit:,} of {total:,} rows are shown; --limit shows more, --format jsonl or csv all.")
    return total


def _plain(value: object) -> Text:
    """Return a cell; control characters of foreign text must not reach the terminal."""
    if value is None:
        return Text()
    words = f"{value:.4f}" if isinstance(value, float) else str(value)
    return Text("".join(character if character.isprintable() else " " for character in words))
