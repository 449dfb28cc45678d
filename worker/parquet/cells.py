"""Columns of Arrow → cells of text, as a CSV of the same table would have them. Runs in the decoding process only."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from worker.core.parquet_frames import Kind

Cells = list[str | None]
NOT_UTF_8: Final = "invalid_encoding"


def kind_of(kind: pa.DataType) -> Kind:
    """Return how a column's values become cells."""
    if pa.types.is_dictionary(kind):
        return kind_of(kind.value_type)
    if _is_text(kind) or pa.types.is_null(kind):
        return "text"
    return "nested" if pa.types.is_nested(kind) or isinstance(kind, pa.BaseExtensionType) else "scalar"


def cells_of(array: pa.Array) -> tuple[Cells, list[int]]:
    """Return the cells of a column, and the positions of those that are no valid UTF-8.

    Numbers and times are as Arrow writes them (0.1, 2026-11-22 18:05:09), booleans `true` and `false`, times with a
    zone in UTC with a Z behind them; lists, structs and maps are JSON. Raises pa.ArrowException for what has no text.
    """
    kind = array.type
    if pa.types.is_dictionary(kind):
        return cells_of(array.dictionary_decode())
    if pa.types.is_null(kind):
        return [None] * len(array), []
    if _is_text(kind):
        return _texts(array)
    if kind_of(kind) == "nested":
        values = (array.storage if isinstance(array, pa.ExtensionArray) else array).to_pylist()
        return [None if value is None else _json(value) for value in values], []
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return [None if cell is None else f"{cell}Z" for cell in _cast(array.cast(pa.timestamp(kind.unit)))], []
    return _cast(array.cast(pa.float32()) if pa.types.is_float16(kind) else array), []


def _cast(array: pa.Array) -> Cells:
    if pa.types.is_duration(array.type):
        array = array.cast(pa.int64())
    cells: Cells = pc.cast(array, pa.string()).to_pylist()
    return cells


def _texts(array: pa.Array) -> tuple[Cells, list[int]]:
    """Old writers store strings as binary, so binary is text where it is UTF-8."""
    try:
        text = array.cast(pa.large_string()) if _is_binary(array.type) else array
        cells: Cells = text.to_pylist()
    except (UnicodeDecodeError, pa.ArrowInvalid):
        cells, bad = [], []
        for position, value in enumerate(array.cast(pa.large_binary()).to_pylist()):
            try:
                cells.append(None if value is None else value.decode())
            except UnicodeDecodeError:
                cells.append(None)
                bad.append(position)
        return cells, bad
    return cells, []


def _is_text(kind: pa.DataType) -> bool:
    return _is_binary(kind) or any(
        is_it(kind) for is_it in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    )


def _is_binary(kind: pa.DataType) -> bool:
    return any(
        is_it(kind)
        for is_it in (
            pa.types.is_binary,
            pa.types.is_large_binary,
            pa.types.is_fixed_size_binary,
            pa.types.is_binary_view,
        )
    )


def _json(value: Any) -> str:  # noqa: ANN401 - whatever Arrow nests
    return msgspec.json.encode(value, enc_hook=str).decode()
