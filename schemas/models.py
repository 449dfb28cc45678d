"""What the models bucket holds beside the model files."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from schemas.names import VERSION_NAME

Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
Version = Annotated[str, msgspec.Meta(pattern=f"^{VERSION_NAME}$")]

MAX_MANIFEST_BYTES = 4_000_000


class StoredFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of a model version."""

    size: int
    sha256: Sha256


class Golden(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An example whose score a worker must reproduce before it serves the model."""

    text: str
    label: str
    probability: float | None
    """Of `label`, as scikit-learn gave it at export."""


class Split(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the model was made from. Row counts are of distinct texts."""

    source: str
    """The data's name without its folder."""
    sha256: Sha256
    rows_read: int
    rows_dropped: dict[str, int]
    """Cause to count."""
    rows_train: int
    rows_test: int


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What held-out rows look like under this model: the reference that drift is measured against."""

    label_shares: dict[str, float]
    probability_deciles: list[float]
    """Probability of the predicted label at 0, 10 … 100 %; empty where the classifier gives none."""
    mean_words: float


class ModelManifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`manifest.json` of one immutable model version."""

    name: str
    version: Version
    labels: list[str]
    files: dict[str, StoredFile]
    """`model.skops` always; `scorer.npz` where the pipeline has a compiled form."""
    vectoriser: dict[str, Any]
    classifier: dict[str, Any]
    golden: Annotated[list[Golden], msgspec.Meta(min_length=1)]
    metrics: dict[str, float]
    """On held-out rows."""
    data: Split
    profile: Profile
    scikit_learn: str
    not_compiled: str | None = None
    """Why there is no `scorer.npz`; null where there is one."""


class Alias(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`current.json`: the version that requests without a version get."""

    version: Version
    manifest_sha256: Sha256
    previous: Version | None = None
    """The version that was current before this one: where `reviewmill models rollback` goes."""
