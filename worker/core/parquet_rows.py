"""Decoded columns of Parquet → rows and bad rows: the rules of `row_rules`, and nulls and types that text has not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence

import msgspec

from schemas.errors import InvalidInput
from schemas.jobs import Dialect, Header
from schemas.requests import MAX_TEXT_CHARS
from worker.core.csv_detect import TEXT_NAMES
from worker.core.csv_header import column_index
from worker.core.parquet_frames import MAX_ROW_BYTES, Column, Group, Rows, Shape
from worker.core.row_batch import RowBatch, batch_of
from worker.core.row_models import model_place
from worker.core.row_types import BadRow, Place, Row, valid_id

MAX_COLUMNS = 1_000
"""Decoding takes time that grows with the square of the columns, and more."""


def parquet_dialect(dialect: Dialect, said: Collection[str], shape: Shape) -> Dialect:
    """Return the dialect with the text column that the file's columns tell, where nobody named one.

    Parquet always names its columns, whatever was said of a header.
    """
    dialect = msgspec.structs.replace(dialect, header=True)
    names = [column.name for column in shape.columns]
    if "text-column" in said or dialect.text_column in names:
        return dialect
    for known in TEXT_NAMES:
        found = [name for name in names if name.strip().lower() == known]
        if len(found) == 1:
            return msgspec.structs.replace(dialect, text_column=found[0])
        if found:
            break
    return dialect


def parquet_header(dialect: Dialect, shape: Shape) -> Header:
    """Return the file's columns.

    Raises InvalidInput: `too_many_columns`, `empty_file`, `duplicate_column`, and `missing_column` for a text or id
    column that is none.
    """
    names = [column.name for column in shape.columns]
    if len(names) > MAX_COLUMNS:
        raise InvalidInput(
            "too_many_columns",
            f"The file has {len(names):,} columns; {MAX_COLUMNS:,} are read at most. Write it with fewer of them.",
        )
    if not names:
        raise InvalidInput("empty_file", "The file has no columns. Write one with a column of texts.")
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise InvalidInput("duplicate_column", f"The file has {len(repeated):,} names more than once. Rename columns.")
    column_index(dialect.text_column, "text", names, dialect)
    if dialect.id_column is not None:
        column_index(dialect.id_column, "id", names, dialect)
    return Header(columns=names, first_byte=0, first_line=1)


class ParquetRules:
    """What becomes of the decoded rows of one file.

    `kept` are positions of columns that are wanted beside the text, the id and the model; cells of others are empty.
    """

    def __init__(self, dialect: Dialect, header: Header, shape: Shape, kept: Sequence[int]) -> None:
        self._text = column_index(dialect.text_column, "text", header.columns, dialect)
        self._id = None if dialect.id_column is None else column_index(dialect.id_column, "id", header.columns, dialect)
        model = model_place(dialect, header)
        needed = {place for place in (self._text, self._id, model) if place is not None}
        self.columns = sorted(needed | set(kept))
        """The positions of the columns that must be decoded."""
        self._names = [header.columns[place] for place in self.columns]
        self._width = len(header.columns)
        self._wrong = self._wrong_types(shape.columns, model)

    def _wrong_types(self, columns: Sequence[Column], model: int | None) -> tuple[str, str] | None:
        """Return code and reason for every row of a file whose columns are of types that cannot be used so."""
        for place, kinds, wanted in (
            (self._text, {"text"}, "strings"),
            (self._id, {"text", "scalar"}, "strings or numbers"),
            (model, {"text"}, "strings"),
        ):
            if place is not None and columns[place].kind not in kinds:
                name, kind = columns[place].name, columns[place].type
                reason = f"The column {name!r} holds {kind}, not {wanted}. Cast it, or name another column."
                return "wrong_type", reason
        return None

    def items(self, rows: Rows) -> Iterator[RowBatch | BadRow]:
        """Yield what becomes of each row, in order."""
        count = len(rows.cells[0])
        numbers = range(rows.first_row, rows.first_row + count)
        offsets = [offset_in(rows.group, number) for number in numbers]
        columns = self._spread([["" if cell is None else cell for cell in cells] for cells in rows.cells], count)
        if self._all_good(rows, columns):
            ids: list[str | None]
            ids = [None] * count if self._id is None else [valid_id(cell) for cell in columns[self._id]]
            yield RowBatch(rows.first_row, list(numbers), offsets, columns[self._text], ids, columns)
            return
        waiting: list[Row] = []
        for position, number in enumerate(numbers):
            item = self._item(rows, columns, position, Place(offsets[position], number, number))
            if isinstance(item, Row):
                waiting.append(item)
                continue
            if waiting:
                yield batch_of(waiting)
                waiting = []
            yield item
        if waiting:
            yield batch_of(waiting)

    def _all_good(self, rows: Rows, columns: Sequence[Sequence[str]]) -> bool:
        """Say whether all are rows beyond doubt; fast."""
        texts = columns[self._text]
        if rows.faults or self._wrong or "" in texts or max(map(len, texts)) > MAX_TEXT_CHARS:
            return False
        return not any("\0" in "".join(cells) for cells in columns)

    def _item(self, rows: Rows, columns: Sequence[Sequence[str]], position: int, place: Place) -> Row | BadRow:
        key = None if self._id is None else valid_id(columns[self._id][position])
        try:
            self._check(rows, columns, position)
        except InvalidInput as error:
            return BadRow(place.row, place.line, place.byte, error.code, error.reason, key)
        fields = [cells[position] for cells in columns]
        return Row(place.row, place.line, place.byte, fields[self._text], key, fields)

    def _check(self, rows: Rows, columns: Sequence[Sequence[str]], position: int) -> None:
        """Raise InvalidInput for a row that cannot be scored, naming the column and the cause."""
        if (fault := rows.faults.get(position)) is not None:
            code, column = fault
            if code == "record_too_long":
                raise InvalidInput(code, f"The row is longer than {MAX_ROW_BYTES:,} bytes. Shorten it.")
            name = self._names[column]
            raise InvalidInput(code, f"The cell of column {name!r} is not valid UTF-8. Write the column as strings.")
        if self._wrong is not None:
            raise InvalidInput(*self._wrong)
        name = self._names[self.columns.index(self._text)]
        if rows.cells[self.columns.index(self._text)][position] is None:
            raise InvalidInput(
                "null_text", f"The cell of column {name!r} is null. Give it a text, or leave the row out."
            )
        text = columns[self._text][position]
        if not text:
            raise InvalidInput("empty_text", f"The cell of column {name!r} is empty. Give it at least one character.")
        if len(text) > MAX_TEXT_CHARS:
            raise InvalidInput(
                "text_too_long",
                f"The cell of column {name!r} is longer than {MAX_TEXT_CHARS:,} characters. Shorten it.",
            )
        for place in self.columns:
            if "\0" in columns[place][position]:
                raise InvalidInput("nul_byte", "A cell of the row holds a NUL character. Remove it; texts have none.")

    def _spread(self, decoded: list[list[str]], count: int) -> list[list[str]]:
        """Return a column for each of the file's, empty where it was not decoded."""
        empty = [""] * count
        spread = [empty] * self._width
        for place, cells in zip(self.columns, decoded, strict=True):
            spread[place] = cells
        return spread


def offset_in(group: Group, row: int) -> int:
    """Return about where in the file a row of a group is: Parquet stores columns, so rows have no place of their own.

    Only for showing how far a job is; a job goes on by the number of the row.
    """
    return group.start + group.length * (row - group.first_row) // max(1, group.rows)
