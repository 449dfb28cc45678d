"""The checks between stored bytes and a model that may serve: digests, names, golden examples.

Training runs them before it promotes a version, and a worker before it serves one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from typing import Final, Protocol

from schemas.codec import decode
from schemas.errors import InvalidInput
from schemas.models import MAX_MANIFEST_BYTES, Golden, ModelManifest
from worker.core.compiled_errors import InvalidModel
from worker.core.scorer import Scores

MANIFEST: Final = "manifest.json"
COMPILED: Final = "scorer.npz"
CANONICAL: Final = "model.skops"

TOLERANCE: Final = 1e-12
"""How far a probability may be from scikit-learn's: C libraries differ in the last bits of `exp`."""


class Scorer(Protocol):
    """What scores texts, compiled or by scikit-learn. Any number of threads may call it."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The class labels, in the order of the columns of `Scores.probabilities`."""

    def score(self, texts: Sequence[str], *, threads: int = 1) -> Scores:
        """Scores of the texts, in their order. `threads` is a maximum."""


def sha256(data: bytes) -> str:
    """Return the SHA-256 in hex, as manifests and aliases hold it."""
    return hashlib.sha256(data).hexdigest()


def read_manifest(data: bytes, *, name: str, version: str, expected_sha256: str | None) -> ModelManifest:
    """Return the manifest of a model version, checked against the alias's digest (where it came by one) and its place.

    Raises InvalidModel.
    """
    if expected_sha256 is not None and sha256(data) != expected_sha256:
        raise InvalidModel(f"{MANIFEST} is not the one that the alias was set to (its SHA-256 differs)")
    try:
        manifest = decode(data, ModelManifest, max_bytes=MAX_MANIFEST_BYTES)
    except InvalidInput as error:
        raise InvalidModel(f"{MANIFEST} is not valid: {error.reason}") from None
    if (manifest.name, manifest.version) != (name, version):
        raise InvalidModel(f"{MANIFEST} belongs to another model or version than its folder")
    return manifest


def check_file(manifest: ModelManifest, name: str, data: bytes) -> None:
    """Raise InvalidModel unless the bytes are the file that the manifest lists under `name`."""
    listed = manifest.files.get(name)
    if listed is None:
        raise InvalidModel(f"{MANIFEST} lists no {name}")
    if len(data) != listed.size:
        raise InvalidModel(f"{name} has {len(data):,} bytes instead of the {listed.size:,} that {MANIFEST} lists")
    if sha256(data) != listed.sha256:
        raise InvalidModel(f"the SHA-256 of {name} is not the one that {MANIFEST} lists")


def check_all_signed(manifest: ModelManifest, signed: Collection[str]) -> None:
    """Raise InvalidModel unless the manifest and every file that it lists are among the signed ones."""
    missing = sorted({MANIFEST, *manifest.files} - set(signed))
    if missing:
        raise InvalidModel(f"its signature does not cover {missing[0][:100]}")


def check_scorer(manifest: ModelManifest, scorer: Scorer) -> None:
    """Raise InvalidModel unless the scorer has the manifest's labels and reproduces its golden examples."""
    if list(scorer.labels) != manifest.labels:
        raise InvalidModel(f"the model's labels are not those that {MANIFEST} lists")
    scores = scorer.score([golden.text for golden in manifest.golden])
    for number, golden in enumerate(manifest.golden):
        fault = _disagreement(golden, scores.labels[number], scores.confidence(number))
        if fault:
            raise InvalidModel(f"golden example {number + 1} of {len(manifest.golden)} is not reproduced: {fault}")


def _disagreement(golden: Golden, label: str, probability: float | None) -> str | None:
    if label != golden.label:
        return f"the label is {label!r} instead of {golden.label!r}"
    if probability is None and golden.probability is None:
        return None
    # Written so that a NaN on either side disagrees.
    if probability is None or golden.probability is None or not abs(probability - golden.probability) <= TOLERANCE:
        return f"the probability is {probability!r} instead of {golden.probability!r}"
    return None
