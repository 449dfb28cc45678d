"""What reading a file gives: rows that can be scored, rows that cannot, and places between them."""

from __future__ import annotations

import msgspec


class Place(msgspec.Struct, frozen=True):
    """A point between records of a file: where the next record may start, and the number of its row."""

    byte: int = 0
    line: int = 1
    row: int = 1


class Row(msgspec.Struct, frozen=True, gc=False):
    """One data row that can be scored."""

    row: int
    """1-based number of the data row."""
    line: int
    """1-based physical line on which the record starts."""
    byte: int
    """Offset of the record's first byte."""
    text: str
    id: str | None
    """None where no id column is named, or its cell is empty."""
    fields: list[str]
    """All columns, in the file's order."""


class BadRow(msgspec.Struct, frozen=True, gc=False):
    """One data row that cannot be scored, and why. Never holds the row's content."""

    row: int
    line: int
    byte: int
    code: str
    reason: str
