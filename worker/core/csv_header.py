"""The first record of a file: the names of its columns, and which of them hold the text and the id."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from schemas.errors import InvalidInput
from schemas.jobs import Dialect
from worker.core.csv_fields import split_fields
from worker.core.csv_records import Record

_SHOWN_NAMES = 20
_SHOWN_CHARS = 40
_OTHER_DELIMITERS = {";": "';'", "\t": "a TAB", "|": "'|'", ",": "','"}


def header_columns(record: Record, dialect: Dialect, encoding: str) -> list[str]:
    """Return the column names. Raises InvalidInput: `unreadable_header`, `wrong_encoding`, `duplicate_column`."""
    try:
        columns = split_fields(record, dialect.delimiter, encoding)
    except InvalidInput as error:
        code = "wrong_encoding" if error.code == "invalid_encoding" else "unreadable_header"
        raise InvalidInput(code, f"The header cannot be read. {error.reason}") from None
    repeated = [name for name, count in Counter(columns).items() if count > 1 and name]
    if repeated:
        raise InvalidInput(
            "duplicate_column", f"The header names {_shown(repeated)} more than once. Give each column its own name."
        )
    return columns


def find_column(name: str, columns: Sequence[str]) -> int | None:
    """Return the position of the column of this name, else of the only one that differs from it in case alone."""
    if name in columns:
        return columns.index(name)
    alike = [place for place, column in enumerate(columns) if column.casefold() == name.casefold()]
    return alike[0] if len(alike) == 1 else None


def column_index(name: str, role: str, columns: Sequence[str], dialect: Dialect) -> int:
    """Return the position of a column, from 0, as `find_column`; without a header `name` may be its number, from 1.

    Raises InvalidInput("missing_column"), naming the columns found and the likely fix.
    """
    if not dialect.header and name.isascii() and name.isdigit():
        name = f"column_{int(name)}"
    place = find_column(name, columns)
    if place is not None:
        return place
    missing = f"There is no {role} column {_shown([name])}; the columns are {_shown(columns)}."
    raise InvalidInput("missing_column", f"{missing} {_fix(name, role, columns, dialect)}")


def _fix(name: str, role: str, columns: Sequence[str], dialect: Dialect) -> str:
    option = f"--{role}-column (metadata key {role}-column)"
    if dialect.format == "csv" and columns[0].lstrip("\ufeff \t").startswith("{"):
        return "The file seems to hold JSON lines: set --format jsonl (metadata key format)."
    if dialect.format == "csv" and len(columns) == 1:
        others = [other for other in _OTHER_DELIMITERS if other != dialect.delimiter and other in columns[0]]
        if others:
            return _other_delimiter(max(others, key=columns[0].count), name, option, columns[0], dialect)
    if not dialect.header:
        return f"Set {option} to one of the numbers 1 to {len(columns)}."
    fix = f"Set {option} to the name that it has."
    if dialect.format != "csv":
        return fix
    return f"{fix} If the first line is a row and names no columns, say --no-header (header=false), and a number there."


def _other_delimiter(delimiter: str, name: str, option: str, line: str, dialect: Dialect) -> str:
    """Return all that must be set where the first line has one column and seems to have several."""
    fix = f"The delimiter seems to be {_OTHER_DELIMITERS[delimiter]}: set --delimiter (metadata key delimiter) so"
    columns = [column.strip(dialect.quote or "") for column in line.split(delimiter)]
    if not dialect.header:
        return f"{fix}, and {option} to one of the numbers 1 to {len(columns)}."
    if find_column(name, columns) is not None:
        return f"{fix}, or leave it out."
    return f"{fix} or leave it out, and set {option} to one of the columns that there are then: {_shown(columns)}."


def _shown(names: Sequence[str]) -> str:
    """Return names as people read them, cut short: a header can hold anything."""
    shown = ", ".join(repr(name[:_SHOWN_CHARS]) for name in names[:_SHOWN_NAMES])
    return shown if len(names) <= _SHOWN_NAMES else f"{shown} and {len(names) - _SHOWN_NAMES} more"
