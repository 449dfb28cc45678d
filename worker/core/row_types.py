"""What reading a file gives: rows that can be scored, rows that cannot, and places between them."""

from __future__ import annotations

import msgspec

from schemas.requests import ID_PATTERN


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
    """None where no id column is named, or its cell holds no id (see `valid_id`)."""
    fields: list[str]
    """All columns, in the file's order."""


class BadRow(msgspec.Struct, frozen=True, gc=False):
    """One data row that cannot be scored, and why. Never holds the row's content."""

    row: int
    line: int
    byte: int
    code: str
    reason: str
    id: str | None = None
    """As in `Row`, where it could be read: whoever sent the row finds it again by it."""


def valid_id(cell: str) -> str | None:
    """Return a cell as the id of its row; None where it is empty, or not one that rows are stored under.

    Such a row is named by its number, and its cell is repeated like any other.
    """
    return cell if ID_PATTERN.fullmatch(cell) else None
