"""What the uploader asks for of a job's predictions: their format, the columns that are repeated, formula cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from schemas.errors import InvalidInput
from schemas.jobs import Header, Output
from worker.core.csv_header import find_column
from worker.core.job_metadata import asked_options


def output_options(metadata: Mapping[str, str], header: Header) -> Output:
    """Read the options of the uploaded object's metadata.

    Keys: `output` (`csv`, `jsonl` or `parquet`), `formulas` (`safe` or `keep`), `columns` (`all`, `none`, or names
    with commas between them). Raises InvalidInput: `invalid_metadata`, or `missing_column` for a column that the file
    lacks.
    """
    metadata = asked_options(metadata)
    form: Literal["csv", "jsonl", "parquet"] = "csv"
    formulas: Literal["safe", "keep"] = "safe"
    if "output" in metadata:
        match _one_of(metadata, "output", ("csv", "jsonl", "parquet")):
            case "jsonl" | "parquet" as known:
                form = known
    if "formulas" in metadata:
        formulas = "keep" if _one_of(metadata, "formulas", ("safe", "keep")) == "keep" else "safe"
    return Output(format=form, formulas=formulas, columns=_columns(metadata.get("columns", "all"), header.columns))


def part_format(output: Output) -> Literal["csv", "jsonl"]:
    """Return the format of a job's parts."""
    return "csv" if output.format == "csv" else "jsonl"


def kept_columns(output: Output, header: Header) -> list[int]:
    """Return the places of the file's columns that are repeated, in the file's order."""
    if output.columns is None:
        return list(range(len(header.columns)))
    wanted = set(output.columns)
    return [place for place, name in enumerate(header.columns) if name in wanted]


def _one_of(metadata: Mapping[str, str], key: str, known: tuple[str, ...]) -> str:
    value = metadata[key].lower()
    if value not in known:
        raise InvalidInput(
            "invalid_metadata",
            f"'{key}' must be {', '.join(known[:-1])} or {known[-1]}. Upload the file again with other metadata.",
        )
    return value


def _columns(value: str, header: Sequence[str]) -> list[str] | None:
    if value.lower() == "all":
        return None
    if value.lower() == "none":
        return []
    names = [name.strip() for name in value.split(",") if name.strip()]
    if not names:
        raise InvalidInput(
            "invalid_metadata", "'columns' is empty. Write all, none, or names of columns with commas between them."
        )
    places = {name: find_column(name, header) for name in names}
    missing = [name for name, place in places.items() if place is None]
    if missing:
        raise InvalidInput(
            "missing_column",
            f"'columns' names {', '.join(missing)}, which the file does not have. It has: {', '.join(header[:50])}.",
        )
    wanted = {header[place] for place in places.values() if place is not None}
    return [name for name in dict.fromkeys(header) if name in wanted]
