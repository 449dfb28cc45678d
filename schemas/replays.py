"""What the results bucket holds when a past CSV job is scored again with another version of its model."""

from __future__ import annotations

import msgspec

from schemas.jobs import Count, StoredObject
from schemas.models import Version


class LabelChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rows whose label went from one value to another; null where that version could not score them."""

    before: str | None
    after: str | None
    rows: Count


class ReplaySummary(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`jobs/<id>/replays/<version>/summary.json`: written last; a replay without one is not done.

    Of another model than the job's own, which its rows named, the folder is `<model>@<version>`.
    """

    job: str
    model: str
    before: Version
    """The version that the job used."""
    after: Version
    rows: Count
    """Rows of the job that were given to this model: the others could not be read, or named another model."""
    changed: Count
    changes: list[LabelChange]
    """The most frequent first."""
    objects: list[StoredObject]
    """`changes.csv`: a line for each changed row, without its text."""
