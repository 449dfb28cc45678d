"""Which model each row of a job asks for, where the job's dialect has a column for it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from schemas.errors import InvalidInput
from schemas.jobs import Dialect, Header, JobSpec, PinnedModel
from schemas.names import canonical_model
from worker.core.csv_header import column_index


def model_place(dialect: Dialect, header: Header) -> int | None:
    """Return the position of the column that names models, from 0; None where there is none.

    Raises InvalidInput("missing_column") where the dialect names a column that the file does not have.
    """
    if dialect.model_column is msgspec.UNSET:
        return None
    return column_index(dialect.model_column, "model", header.columns, dialect)


class RowModels:
    """The models that the rows of one job may name, in the versions that its spec has fixed."""

    def __init__(self, spec: JobSpec) -> None:
        place = model_place(spec.dialect, spec.header)
        if place is None or spec.row_models is msgspec.UNSET:
            raise ValueError("the job has one model")
        self._place = place
        self._own = PinnedModel(spec.model, spec.version, spec.manifest_sha256)
        self._pinned = {pinned.model: pinned for pinned in spec.row_models}
        self._by_cell: dict[str, PinnedModel] = {"": self._own}

    def of(self, fields: Sequence[str]) -> PinnedModel:
        """Return the model of a row with these fields: the one it names, or the job's where its cell is empty.

        Raises InvalidInput("unknown_model") for a name that no model has, or that had no version at the job's start.
        """
        cell = fields[self._place]
        found = self._by_cell.get(cell)
        if found is None:
            found = self._named(canonical_model(cell))
            # Not of unknown names, of which a file can hold any number.
            self._by_cell[cell] = found
        return found

    def _named(self, name: str) -> PinnedModel:
        if name not in self._pinned:
            raise InvalidInput(
                "unknown_model",
                f"{name} had no version when the job began. Name one of {', '.join(sorted(self._pinned))}, or train it "
                "and upload the row again.",
            )
        return self._pinned[name]
