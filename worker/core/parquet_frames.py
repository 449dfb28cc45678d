"""What a process that decodes a Parquet file and the one that wants its rows say to each other, frame by frame.

The decoder asks for bytes of the file (`READ`) and is answered (`BYTES`); it says what columns there are (`SHAPE`), is
told what to give (`PLAN`), and gives rows (`ROWS`) until the file ends (`END`) or cannot be read further (`FAILURE`).
"""

from __future__ import annotations

from typing import Literal

import msgspec

FILE, READ, BYTES, SHAPE, PLAN, ROWS, END, FAILURE = b"F", b"R", b"B", b"S", b"P", b"W", b"E", b"X"

MAX_READ_BYTES = 8 << 20
"""The most that one `READ` may ask for."""

MAX_FRAME_BYTES = 64 << 20
"""The most that a decoder may send at once."""

MAX_ROW_BYTES = 1 << 20
"""The most that the cells of one row may hold, as in a CSV: a longer one is a bad row."""

Kind = Literal["text", "scalar", "nested"]


class FileOffered(msgspec.Struct, frozen=True):
    """`FILE`: what the decoder is to open."""

    size: int


class Wanted(msgspec.Struct, frozen=True):
    """`READ`: a range of the file."""

    start: int
    length: int


class Column(msgspec.Struct, frozen=True):
    """One column of the file."""

    name: str
    kind: Kind
    type: str
    """As pyarrow names it, for people."""


class Shape(msgspec.Struct, frozen=True):
    """`SHAPE`: what the file's footer says."""

    columns: list[Column]
    rows: int


class Plan(msgspec.Struct, frozen=True):
    """`PLAN`: which columns to decode, by position, how many rows to pass over first, and how long a row may be."""

    columns: list[int]
    skip_rows: int
    max_row_bytes: int = MAX_ROW_BYTES


class Group(msgspec.Struct, frozen=True):
    """Where a row group is: its first row, from 1, how many there are, and its bytes in the file."""

    first_row: int
    rows: int
    start: int
    length: int


class Rows(msgspec.Struct, frozen=True):
    """`ROWS`: consecutive rows of one group, at least one."""

    first_row: int
    group: Group
    cells: list[list[str | None]]
    """Of each planned column, a cell for every row: text, or null."""
    faults: dict[int, tuple[str, int]]
    """By position of the row: a code, and the planned column that it is about, -1 for the row as a whole."""


class Failure(msgspec.Struct, frozen=True):
    """`FAILURE`: why the file cannot be read (further)."""

    code: str
    reason: str
