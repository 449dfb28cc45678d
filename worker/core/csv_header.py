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


def column_index(name: str, role: str, columns: Sequence[str], dialect: Dialect) -> int:
    """Return the position of a column, from 0; without a header `name` may be its number, from 1.

    Raises InvalidInput("missing_column"), naming the columns found and the likely fix.
    """
    if not dialect.header and name.isascii() and name.isdigit():
        name = f"column_{int(name)}"
    if name in columns:
        return columns.index(name)
    missing = f"There is no {role} column {_shown([name])}; the columns are {_shown(columns)}."
    raise InvalidInput("missing_column", f"{missing} {_fix(role, columns, dialect)}")


def _fix(role: str, columns: Sequence[str], dialect: Dialect) -> str:
    if len(columns) == 1:
        for delimiter, shown in _OTHER_DELIMITERS.items():
            if delimiter != dialect.delimiter and delimiter in columns[0]:
                return f"The delimiter seems to be {shown}: set it so."
    if not dialect.header:
        return f"Set the {role} column to one of the numbers 1 to {len(columns)}."
    return f"Rename the column, or set the {role} column to the name it has."


def _shown(names: Sequence[str]) -> str:
    """Return names as people read them, cut short: a header can hold anything."""
    shown = ", ".join(repr(name[:_SHOWN_CHARS]) for name in names[:_SHOWN_NAMES])
    return shown if len(names) <= _SHOWN_NAMES else f"{shown} and {len(names) - _SHOWN_NAMES} more"
