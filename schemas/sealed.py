"""What the results bucket holds for a sealed hour of reviews or rejections."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from schemas.jobs import Count

ResultName = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\.jsonl$")]
"""SHA-256 of the object's bytes. The folder is not part of it, so a manifest can name nothing outside its own."""

PartitionName = Annotated[
    str, msgspec.Meta(pattern=r"^dt=([0-9]{4}-[0-9]{2}-[0-9]{2}/hr=[0-9]{2}|unknown/hr=unknown)$")
]

MAX_SEALED_BYTES = 8 * 1024 * 1024
"""One atomic write, as every manifest is."""


class SealedSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One generation of an object that a worker wrote, and whose rows are sealed. It may be deleted."""

    object: ResultName
    """In the hour's own folder."""
    generation: Annotated[int, msgspec.Meta(ge=1)]
    size: Count
    crc32c: str


class SealedObject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One object of sealed rows, by ascending key, beside the manifest."""

    object: ResultName
    size: Count
    crc32c: str
    rows: Annotated[int, msgspec.Meta(ge=1)]


class SealedCounts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Conservation: read = rows + repeats."""

    read: Count
    """Rows of the sources."""
    rows: Count
    """Rows that were kept: those that no earlier sequence holds, each once."""
    repeats: Count
    """Rows that were left out: the same outcome of the same request is kept, here or in an earlier sequence."""
    conflicts: Count
    """Keys with new rows here under which different texts were answered; all their rows are kept."""


class SealedPartition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`sealed/v1/<kind>/<partition>/000001/manifest.json`: create-only and written last; without it nothing is sealed.

    It holds no clock and no name of who made it: the same sources give the same bytes.
    """

    kind: Literal["reviews", "rejections"]
    partition: PartitionName
    sequence: Annotated[int, msgspec.Meta(ge=1)]
    """From 1; rows that came after a sequence was sealed are in the next."""
    sources: Annotated[list[SealedSource], msgspec.Meta(min_length=1)]
    objects: list[SealedObject]
    counts: SealedCounts
