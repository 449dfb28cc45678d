"""What makes a line of JSON a row: an object with a text. Its other fields are columns, like those of a CSV."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from schemas.codec import decode_object
from schemas.errors import InvalidInput
from schemas.jobs import Dialect, Header
from schemas.names import canonical_model
from schemas.requests import MAX_REQUEST_BYTES, MAX_TEXT_CHARS
from worker.core.csv_header import column_index
from worker.core.csv_records import MAX_RECORD_BYTES
from worker.core.row_types import BadRow, Row, valid_id

MAX_FIELDS = 1_000
"""So many fields become columns; those that a file has beyond are not repeated."""

_ID, _MODEL, _VERSION = "id", "model", "version"
_SURELY_SHORT = MAX_RECORD_BYTES // 4
"""Characters; each has four bytes of UTF-8 at most."""


def line_fields(data: bytes) -> dict[str, Any]:
    """Return the fields of one line; of one that is too long not all was kept, so its size is not known.

    Raises InvalidInput: `too_large`, or as `decode_object`.
    """
    if len(data) > MAX_REQUEST_BYTES:
        raise InvalidInput("too_large", f"The line has more than {MAX_REQUEST_BYTES:,} bytes. Shorten it.")
    return decode_object(data, max_bytes=MAX_REQUEST_BYTES)


def field_names(lines: Iterable[bytes]) -> list[str]:
    """Return the fields of lines, first seen first; lines that are no objects have none.

    Raises InvalidInput where none of them is a line of JSON lines: "json_array" where the first line begins a list,
    "json_over_lines" where objects are written over several lines.
    """
    names: dict[str, None] = {}
    begins = over_lines = objects = False
    for number, data in enumerate(lines):
        if number == 0 and data.startswith(b"["):
            raise InvalidInput(
                "json_array",
                "The file is a JSON array, not JSON lines. Write each of its objects on a line of its own, without the "
                "brackets and the commas between, as in: jq -c '.[]' reviews.json > reviews.jsonl",
            )
        # An opening brace alone, or lines that close what an earlier one began.
        over_lines = over_lines or (number == 0 and data == b"{") or data.startswith(b"}")
        begins = begins or (number == 0 and data.startswith(b"{"))
        try:
            names |= dict.fromkeys(line_fields(data))
            objects = True
        except InvalidInput:
            continue
    if begins and over_lines and not objects:
        raise InvalidInput(
            "json_over_lines",
            "The file's JSON objects are written over several lines, and are no JSON lines. Write each of them on one "
            "line, as in: jq -c . reviews.json > reviews.jsonl",
        )
    return list(names)[:MAX_FIELDS]


def json_columns(names: list[str], dialect: Dialect) -> list[str]:
    """Return the columns of a file whose lines have these fields.

    Raises InvalidInput("missing_column") for a column that the dialect names and no line has. Where no line could be
    read there are only those columns, and the rows say what is wrong.
    """
    model = None if dialect.model_column is msgspec.UNSET else dialect.model_column
    roles = {"text": dialect.text_column, "id": dialect.id_column, "model": model}
    wanted = {role: name for role, name in roles.items() if name is not None}
    if not names:
        return list(dict.fromkeys(wanted.values()))
    for role, name in wanted.items():
        column_index(name, role, names, dialect)
    return names


class JsonRules:
    """The rules for the lines of one file."""

    def __init__(self, dialect: Dialect, header: Header) -> None:
        self._columns = columns = header.columns
        self._text = columns[column_index(dialect.text_column, "text", columns, dialect)]
        self._id, self._names_model = _ID, None
        if dialect.id_column is not None:
            self._id = columns[column_index(dialect.id_column, "id", columns, dialect)]
        if dialect.model_column is not msgspec.UNSET:
            self._names_model = columns[column_index(dialect.model_column, "model", columns, dialect)]
        self._model, self._version = dialect.row_model, dialect.row_version

    def item(self, data: bytes, row: int, line: int, byte: int) -> Row | BadRow:
        """Return what becomes of one line."""
        try:
            fields = line_fields(data)
            self._check_model(fields)
            return self.row(fields, row, line, byte)
        except InvalidInput as error:
            return BadRow(row, line, byte, error.code, error.reason, error.key)

    def row(self, fields: dict[str, Any], row: int, line: int, byte: int) -> Row:
        """Return a line with these fields as a row; raises InvalidInput with the row's id where it has one."""
        key = self._key(fields)
        text = self._checked_text(fields, key)
        cells = [cell_of(fields[name]) if name in fields else "" for name in self._columns]
        if self._names_model is not None and fields.get(self._names_model) is None:
            cells[self._columns.index(self._names_model)] = ""
        if sum(map(len, cells)) > _SURELY_SHORT and sum(len(cell.encode()) for cell in cells) > MAX_RECORD_BYTES:
            reason = f"The fields that are repeated hold more than {MAX_RECORD_BYTES:,} bytes. Shorten them."
            raise InvalidInput("record_too_long", reason, key=key)
        return Row(row, line, byte, text, key, cells)

    def _key(self, fields: dict[str, Any]) -> str | None:
        value = fields.get(self._id)
        if isinstance(value, str):
            return valid_id(value)
        # True is an int to Python.
        return valid_id(str(value)) if type(value) is int else None

    def _checked_text(self, fields: dict[str, Any], key: str | None) -> str:
        name = f"'{self._text[:40]}'"
        if self._text not in fields:
            raise InvalidInput("missing_text", f"The field {name} is missing. Put the review's text there.", key=key)
        text = fields[self._text]
        if not isinstance(text, str):
            raise InvalidInput("wrong_type", f"{name} has the wrong JSON type. Send a string.", key=key)
        if not text:
            raise InvalidInput("empty_text", f"The {name} is empty. Send at least one character.", key=key)
        if len(text) > MAX_TEXT_CHARS:
            reason = f"The {name} is longer than {MAX_TEXT_CHARS:,} characters. Shorten or split it."
            raise InvalidInput("text_too_long", reason, key=key)
        return text

    def _check_model(self, fields: dict[str, Any]) -> None:
        """Raise InvalidInput("other_model") where a line asks for another model or version than it can have."""
        model, version = asked_model(fields)
        if model is None:
            return
        if self._names_model is None and self._model is not None:
            if model != self._model or (version is not None and version != self._version):
                raise InvalidInput(
                    "other_model",
                    "The line names another model or version than the job's. Upload the lines of each model as a file "
                    "of their own, and name it in the metadata; or let lines name models, with model-column=model.",
                    key=self._key(fields),
                )
        elif self._names_model == _MODEL and version is not None:
            raise InvalidInput(
                "other_model",
                "The line names a version. Lines of a job may name models; each is used in the version that is current "
                "when the job begins. Leave the version out, or upload the line as a file of its own.",
                key=self._key(fields),
            )


def asked_model(fields: dict[str, Any]) -> tuple[str | None, str | None]:
    """Return the model and version that a line asks for, as a message would; None for those it does not.

    A `model` that is none of ours is a field of the file's own, a phone's perhaps, and a `version` beside it too.
    """
    model, version = fields.get(_MODEL), fields.get(_VERSION)
    try:
        name = canonical_model(model) if isinstance(model, str) else None
    except InvalidInput:
        return None, None
    return name, version if name is not None and isinstance(version, str) else None


def cell_of(value: object) -> str:
    """Return a value as a cell: a string as it is, anything else as JSON without blanks."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def head_lines(lines: Iterable[tuple[int, int, bytes, int]], before_byte: int) -> Iterator[bytes]:
    """Yield what `json_lines` gives of lines that start before a byte, without blank ones."""
    for byte, _line, data, _after in lines:
        if byte >= before_byte:
            return
        if data:
            yield data
