"""What the uploader asks for: the options of a CSV job in the metadata of the uploaded object."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

import msgspec

from schemas.errors import InvalidInput
from schemas.jobs import Dialect
from schemas.names import canonical_model
from worker.core.csv_detect import begins_object, detect_dialect
from worker.core.csv_dialect import check_dialect
from worker.core.job_metadata import asked_options
from worker.core.rejection_limit import rejection_limit

T = TypeVar("T")
Format = Literal["csv", "jsonl", "parquet"]

_TAB_ENDINGS = (".tsv", ".tab")
_ENDINGS: Mapping[str, Format] = {
    "csv": "csv",
    "tsv": "csv",
    "tab": "csv",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
    "json": "jsonl",
    "parquet": "parquet",
    "pq": "parquet",
}
"""Formats by the ending of a name."""

_OF_TABLES = frozenset({"header", "delimiter", "quote"})
"""Whoever says one of these of a file does not mean JSON."""

_SHOWN: Mapping[Format, str] = {"jsonl": "JSON lines", "parquet": "Parquet"}

_PARQUET = b"PAR1"
_TAB_NAMES = {"tab", "\\t", "\t"}
_MAX_COLUMN_CHARS = 256


@dataclass(frozen=True, slots=True)
class JobOptions:
    """How an uploaded file is to be scored."""

    model: str
    version: str | None
    """None for the version that is current when the job starts."""
    dialect: Dialect
    max_rejections: float | None


def job_options(
    name: str, metadata: Mapping[str, str], *, max_rejections: float | None, head: bytes | None = None
) -> JobOptions:
    """Read the options; `name` is the object's, `max_rejections` the default, `head` the start of its stored bytes.

    Keys (see `asked_options`): `model`, `version`, `model-column`, `text-column`, `id-column`, `delimiter` (one
    character, or `tab`), `quote` (one character, or `none` where quotes are text), `header` (`true` or `false`),
    `encoding`, `format` (`csv`, `jsonl` or `parquet`), `max-rejections`. Without a model in the metadata, the nearest
    folder that has a model's name chooses it. Files that end in .tsv or .tab are read with TAB and without quotes,
    those in .jsonl, .ndjson or .json as JSON lines, those in .parquet or .pq as Parquet, unless the metadata says
    otherwise; what neither says is told from `head` (see `detect_dialect`). Raises InvalidInput: `unknown_model`,
    `invalid_dialect`, `invalid_metadata`, `compressed_file`.
    """
    metadata = asked_options(metadata)
    bare = name.lower().removesuffix(".gz")
    tabs = bare.endswith(_TAB_ENDINGS)

    def option(key: str, default: T, read: Callable[[str], T]) -> T:
        return read(metadata[key]) if key in metadata else default

    dialect = Dialect(
        delimiter=option("delimiter", "\t" if tabs else ",", _delimiter),
        text_column=option("text-column", "text", _column),
        id_column=option("id-column", None, _column),
        encoding=metadata.get("encoding", "utf-8"),
        quote=option("quote", None if tabs else '"', _quote),
        header=option("header", True, _flag),
        format=option("format", _format_of(bare, head, is_table=not _OF_TABLES.isdisjoint(metadata)), _format),
        model_column=_column(metadata["model-column"]) if "model-column" in metadata else msgspec.UNSET,
    )
    _refuse_meaningless(metadata, dialect.format)
    check_dialect(dialect)
    if head is not None:
        said = {key.replace("-", "_") for key in metadata} | ({"delimiter", "quote"} if tabs else set())
        dialect = detect_dialect(dialect, said, head)
    model = canonical_model(metadata.get("model") or _folder_model(name))
    version = metadata.get("version")
    if dialect.format == "parquet" and dialect.compression is not None:
        raise InvalidInput("compressed_file", "Parquet is compressed inside. Upload the file without gzip around it.")
    if dialect.format == "jsonl" and dialect.model_column is msgspec.UNSET:
        dialect = msgspec.structs.replace(dialect, row_model=model, row_version=version)
    return JobOptions(
        model=model,
        version=version,
        dialect=dialect,
        max_rejections=option("max-rejections", max_rejections, _limit),
    )


def _format_of(name: str, head: bytes | None, *, is_table: bool) -> Format:
    """Return the format that the name's ending tells, or the first bytes: those of Parquet, or an object of JSON."""
    if head is not None and head.startswith(_PARQUET):
        return "parquet"
    known = _ENDINGS.get(name.rpartition(".")[2])
    if known is not None:
        return known
    return "jsonl" if head is not None and not is_table and begins_object(head) else "csv"


def _refuse_meaningless(metadata: Mapping[str, str], file_format: Format) -> None:
    """Raise InvalidInput for what the uploader says of a table in text, where the file is read as something else."""
    if file_format == "csv":
        return
    without = _OF_TABLES if file_format == "jsonl" else _OF_TABLES | {"encoding"}
    if said := sorted(without & metadata.keys()):
        raise InvalidInput(
            "invalid_metadata",
            f"{'--no-header' if said[0] == 'header' else f'--{said[0]}'} (metadata key {said[0]}) means nothing for "
            f"{_SHOWN[file_format]}, and the file is read as such by its format, name or first bytes. Leave it out.",
        )


def _folder_model(name: str) -> str | None:
    """Return the model that the nearest folder in an object's name is called after."""
    for folder in reversed(name.split("/")[:-1]):
        try:
            return canonical_model(folder)
        except InvalidInput:
            continue
    return None


def _delimiter(value: str) -> str:
    return "\t" if value.lower() in _TAB_NAMES else value


def _quote(value: str) -> str | None:
    return None if value.lower() == "none" else value


def _column(value: str) -> str:
    if not 0 < len(value) <= _MAX_COLUMN_CHARS:
        raise _invalid(f"A column's name must have 1 to {_MAX_COLUMN_CHARS} characters.")
    return value


def _format(value: str) -> Format:
    match value.lower():
        case "csv" | "jsonl" | "parquet" as known:
            return known
    raise _invalid("'format' must be csv, jsonl or parquet.")


def _flag(value: str) -> bool:
    known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if value.lower() not in known:
        raise _invalid("'header' must be true or false.")
    return known[value.lower()]


def _limit(value: str) -> float | None:
    try:
        return rejection_limit(value)
    except ValueError as error:
        raise _invalid(f"'max-rejections' {error}.") from None


def _invalid(reason: str) -> InvalidInput:
    return InvalidInput("invalid_metadata", f"{reason} Upload the file again with other metadata.")
