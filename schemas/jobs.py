"""What the results bucket holds for one CSV job."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from schemas.models import Profile, Sha256, Version
from schemas.report import PartReport

Count = Annotated[int, msgspec.Meta(ge=0)]


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The uploaded object, pinned to one generation."""

    bucket: str
    object: str
    generation: int
    size: Count
    crc32c: str
    """Base64 of the big-endian checksum, as Cloud Storage shows it."""


class Dialect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the file is read; fixed at the job's start so that a resumed job reads it the same way."""

    delimiter: str = ","
    """One character."""
    text_column: str = "text"
    """A name in the header; without a header the column's number, from 1."""
    id_column: str | None = None
    encoding: str = "utf-8"
    quote: str | None = '"'
    """The character that opens and closes a quoted field; null where quotes are text, as in most TSV files."""
    header: bool = True
    """Whether the first record names the columns."""
    format: Literal["csv", "jsonl", "parquet"] = "csv"
    """`jsonl`: a review request on each line; of the other fields only `encoding` and those below count then.
    `parquet`: only the names of columns count."""
    compression: Literal["gzip"] | None = None
    row_model: str | None = None
    """The only model that lines of JSON may name; null where any is allowed."""
    row_version: str | None = None
    """The only version that they may name, where `row_model` is set."""
    model_column: str | msgspec.UnsetType = msgspec.UNSET
    """The column in which each row may name its model; left out where the job has one model."""


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the start of the file says, kept so that a resumed job need not read it again."""

    columns: list[str]
    first_byte: Count
    """Where the first data row may start."""
    first_line: Annotated[int, msgspec.Meta(ge=1)]


class Output(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How predictions are written; fixed at the job's start."""

    format: Literal["csv", "jsonl", "parquet"] = "csv"
    """For `parquet` the parts are JSON lines, of which the file is made in the end."""
    formulas: Literal["safe", "keep"] = "safe"
    """Whether cells that a spreadsheet would run get an apostrophe in front. JSON lines and Parquet keep them."""
    columns: list[str] | None = None
    """The file's columns that are repeated, in the file's order; null for all, an empty list for none."""


class PinnedModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model and the version of it that all rows of a job are scored by, whatever becomes current meanwhile."""

    model: str
    version: Version
    manifest_sha256: Sha256


class JobSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`jobs/<id>/spec.json`: create-only; every worker on the job follows the first one written."""

    job: str
    source: Source
    model: str
    version: Version
    manifest_sha256: Sha256
    dialect: Dialect
    header: Header
    chunk_rows: Annotated[int, msgspec.Meta(ge=1)]
    max_rejections: Annotated[float, msgspec.Meta(ge=0)] | None = None
    """A share below 1, or a count from 1 on; 0 where no row may be rejected, null for no limit."""
    part_bytes: Annotated[int, msgspec.Meta(ge=1, le=8 * 1024 * 1024)] = 3 * 1024 * 1024
    """A part ends before its predictions and rejections could take more bytes; a row that takes more is one alone.
    Jobs from before this was kept have the default."""
    output: Output = Output()
    profile: Profile | None = None
    """What held-out rows looked like under the model, for the report; null where it is not known."""
    row_models: list[PinnedModel] | msgspec.UnsetType = msgspec.UNSET
    """The models that rows may name, where the dialect has a `model_column`; `model` is that of rows that name none."""
    range_bytes: Annotated[int, msgspec.Meta(ge=1)] | msgspec.UnsetType = msgspec.UNSET
    """How long the ranges of the file are that workers can share: each ends before the first row that starts so many
    bytes after its own start. Left out for a file that is worked on as a whole."""


class Counts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Conservation: rows = predictions + rejections."""

    rows: Count
    predictions: Count
    rejections: Count


class StoredObject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One object that the job wrote."""

    name: str
    size: Count
    crc32c: str


class PartRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`jobs/<id>/parts/000000.json`: written after the part's data, so that it vouches for it."""

    part: Count
    counts: Counts
    objects: list[StoredObject]
    next_byte: Count
    """Where the next part starts in the source."""
    next_line: Annotated[int, msgspec.Meta(ge=1)]
    next_row: Annotated[int, msgspec.Meta(ge=1)]
    last: bool
    labels: dict[str, int]
    """Predictions by label."""
    codes: dict[str, int]
    """Rejections by code."""
    report: PartReport | None = None
    """What the part adds to the job's report; null in parts of releases without one."""
    models: dict[str, int] | msgspec.UnsetType = msgspec.UNSET
    """Predictions by model, where rows name models."""


class ModelShare(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many rows of a job one model scored."""

    model: str
    version: Version
    predictions: Count


class JobManifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`jobs/<id>/manifest.json`: written last; a job without one is not done."""

    job: str
    state: str
    """`done`, or `failed` with `reason`."""
    source: Source
    model: str | None
    """Null, like the version, where the job failed before a model was chosen."""
    version: Version | None
    counts: Counts
    labels: dict[str, int]
    codes: dict[str, int]
    objects: list[StoredObject]
    timings: dict[str, float]
    """Seconds, by phase, of the worker that finished the job."""
    cost: dict[str, float]
    """What that worker used for it: CPU seconds, bytes read and written, storage operations."""
    reason: str | None = None
    models: list[ModelShare] = []
    """Every model that scored a row, where rows name models; `model` is that of rows that name none."""


class Completion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The message published when a job's manifest is written."""

    job: str
    manifest: str
    """The manifest's gs:// URI."""
    state: str
    counts: Counts

    def attributes(self) -> dict[str, str]:
        """Return message attributes to filter by."""
        return {"job": self.job, "state": self.state}


class JobAttempt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`jobs/<id>/attempts/000001.json`: written when a worker takes the job up, so that vain attempts are counted."""

    attempt: Annotated[int, msgspec.Meta(ge=1)]
    parts: Count
    """How many parts were finished then."""
    token: str
    """Made up, so that a worker knows its own record from that of another one."""


class AttemptEnd(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`jobs/<id>/attempts/000001.end.json`: written, where possible, when an attempt ends without a manifest."""

    attempt: Annotated[int, msgspec.Meta(ge=1)]
    reason: str
    vain: bool
    """Whether the job is to blame: false where the worker was stopped, or where a person must act first."""
