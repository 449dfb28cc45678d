"""Lines of predictions → the bytes of one Parquet file, a row group at a time.

The same lines and the same release of pyarrow give the same bytes, however the lines come in blocks: a row group ends
by its lines alone, and nothing of the clock or the machine is in the file.
"""

from __future__ import annotations

import io
import platform
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING

import msgspec

from schemas.errors import InvalidInput

if TYPE_CHECKING:
    import pyarrow as pa

GROUP_BYTES = 8 << 20
"""A row group ends with the line that brings it to so many bytes of JSON."""

PIECE_BYTES = 4 << 20
"""So many bytes of the file are given at once; the last piece may be shorter."""

_INSTALL = "Install it beside the worker: pip install 'reviewmill[parquet]'. Or ask for csv or jsonl."
_decode = msgspec.json.Decoder(dict[str, str | int | float | None]).decode_lines


def require_pyarrow() -> None:
    """Raise InvalidInput("parquet_not_installed") where predictions cannot be written as Parquet."""
    if find_spec("pyarrow") is None:
        raise InvalidInput(
            "parquet_not_installed", f"Parquet is written by pyarrow, which is not installed. {_INSTALL}"
        )


def writer_name() -> str:
    """Return what the bytes may depend on beside the lines."""
    return f"pyarrow-{version('pyarrow')}-{platform.machine()}"


def parquet_pieces(
    blocks: Iterable[bytes], columns: Sequence[str], *, group_bytes: int = GROUP_BYTES
) -> Iterator[bytes]:
    """Yield the file in pieces. `blocks` hold whole lines of flat JSON objects with the keys `columns`.

    The last five columns are those of a job: the row is a whole number, the probability a float that may be null; all
    others are text. Raises ImportError without pyarrow.
    """
    from pyarrow.parquet import ParquetWriter  # noqa: PLC0415 - an optional extra

    schema = _schema(columns)
    out = io.BytesIO()
    with ParquetWriter(out, schema, compression="snappy", store_schema=False) as writer:
        for lines in _groups(blocks, group_bytes):
            writer.write_table(_table(lines, schema), row_group_size=len(lines))
            yield from _whole_pieces(out)
    yield from _whole_pieces(out)
    if rest := out.getvalue():
        yield rest


def _whole_pieces(out: io.BytesIO) -> Iterator[bytes]:
    """Take the pieces that are full out of the buffer. The writer counts its bytes itself, and never looks back."""
    data = out.getvalue()
    whole = len(data) - len(data) % PIECE_BYTES
    out.seek(0)
    out.truncate()
    out.write(data[whole:])
    yield from (data[at : at + PIECE_BYTES] for at in range(0, whole, PIECE_BYTES))


def _groups(blocks: Iterable[bytes], group_bytes: int) -> Iterator[list[bytes]]:
    lines: list[bytes] = []
    size = 0
    for block in blocks:
        for line in block.splitlines():
            lines.append(line)
            size += len(line)
            if size >= group_bytes:
                yield lines
                lines, size = [], 0
    if lines:
        yield lines


def _schema(columns: Sequence[str]) -> pa.Schema:
    import pyarrow as pa  # noqa: PLC0415 - an optional extra

    row, probability = len(columns) - 5, len(columns) - 3
    kinds = {row: pa.int64(), probability: pa.float64()}
    return pa.schema([pa.field(name, kinds.get(place, pa.string())) for place, name in enumerate(columns)])


def _table(lines: list[bytes], schema: pa.Schema) -> pa.Table:
    import pyarrow as pa  # noqa: PLC0415 - an optional extra

    cells = _decode(b"\n".join(lines))
    arrays = [pa.array([row[field.name] for row in cells], field.type) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema)
