"""The story of training: load → clean → split → fit → evaluate → export → store → promote."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from cloud.objects import Objects
from cloud.signatures import Signer
from schemas.models import Split
from training.clean import distinct
from training.evaluate import metrics, predict
from training.export import Export, export
from training.fit import fit
from training.load import Loaded
from training.registry import point, store
from training.signing import sign
from training.split import Parts, split
from worker.core.model_files import MANIFEST, sha256


@dataclass(frozen=True, slots=True)
class Prepared:
    """Data that is ready to learn from, and the account of every row."""

    parts: Parts
    data: Split


@dataclass(frozen=True, slots=True)
class Trained:
    """One classifier in the bucket."""

    export: Export
    new: bool
    """False where the same version was stored before."""
    current: bool
    """Whether requests without a version get it now."""


def prepare(loaded: Loaded, name: str, *, seed: int) -> Prepared:
    """Return distinct texts, split. rows_read = dropped + train + test. Raises InvalidInput where they are too few."""
    cleaned = distinct(loaded.examples)
    parts = split(cleaned.examples, seed=seed)
    data = Split(
        source=name,
        sha256=loaded.sha256,
        rows_read=loaded.rows_read,
        rows_dropped=loaded.dropped | cleaned.dropped,
        rows_train=len(parts.train),
        rows_test=len(parts.test),
    )
    return Prepared(parts, data)


def train(
    objects: Objects,
    classifier: str,
    prepared: Prepared,
    *,
    seed: int,
    today: date,
    set_current: bool,
    signer: Signer | None = None,
) -> Trained:
    """Fit one classifier, judge it on the held-out rows, and store it; the stored model is the judged one.

    With a `signer`, it is signed before it is current. Raises ParityError before anything is written, AliasMoved,
    ContentConflict and TransientError.
    """
    test = prepared.parts.test
    pipeline = fit(classifier, prepared.parts.train, seed=seed)
    held_out = predict(pipeline, [example.text for example in test], [example.label for example in test])
    scores = metrics(held_out, prepared.parts.train)
    made = export(classifier, pipeline, held_out, metrics=scores, data=prepared.data, today=today)
    new = store(objects, made)
    if signer is not None:
        sign(objects, made.manifest, {**made.files, MANIFEST: made.manifest_bytes}, signer)
    if set_current:
        point(objects, classifier, made.manifest.version, sha256(made.manifest_bytes))
    return Trained(made, new, set_current)
