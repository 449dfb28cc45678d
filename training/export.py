"""A fitted pipeline to the files of a model version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import msgspec
import numpy as np
import sklearn
from sklearn.pipeline import Pipeline

from schemas.codec import encode
from schemas.models import Golden, ModelManifest, Split, StoredFile
from training import evaluate, skops_file
from training.compile import NotCompilable, compile_pipeline
from training.evaluate import HeldOut
from training.parity import check_parity
from worker.core.compiled import pack, unpack
from worker.core.model_files import CANONICAL, COMPILED, sha256

_GOLDEN_HELD_OUT = 6
_GOLDEN_FIXED = (
    "?!",  # no word at all: the classifier sees a row of zeros
    "zzqx qqzv",  # words that no vocabulary holds
    "Ünglaublich gut, ΣΊΣΥΦΟΣ İstanbul 素晴らしい very good 😀",  # case rules and scripts beyond ASCII
    "not a good film, but not the worst either. " * 200,  # far longer than any sentence
)


@dataclass(frozen=True, slots=True)
class Export:
    """The files of one model version, ready to store."""

    manifest: ModelManifest
    manifest_bytes: bytes
    files: dict[str, bytes]


def export(
    name: str, pipeline: Pipeline, held_out: HeldOut, *, metrics: dict[str, float], data: Split, today: date
) -> Export:
    """Return the files of a fitted pipeline. Raises ParityError where the compiled form disagrees with scikit-learn.

    The version is the UTC date and 12 hex digits of the content: training again on the same day with the same data,
    options and libraries gives the same version.
    """
    files = {CANONICAL: skops_file.dump(pipeline)}
    not_compiled = None
    try:
        files[COMPILED] = pack(compile_pipeline(pipeline))
        check_parity(unpack(files[COMPILED]), held_out)
    except NotCompilable as fact:
        not_compiled = fact.reason
    draft = ModelManifest(
        name=name,
        version="draft",
        labels=held_out.classes,
        files={file: StoredFile(size=len(content), sha256=sha256(content)) for file, content in sorted(files.items())},
        vectoriser=_options(pipeline[0]),
        classifier=_options(pipeline[-1]),
        golden=_golden(pipeline, held_out),
        metrics=metrics,
        data=data,
        profile=evaluate.profile(held_out),
        scikit_learn=sklearn.__version__,
        not_compiled=not_compiled,
    )
    version = f"{today:%Y%m%d}-{sha256(encode(draft))[:12]}"
    manifest = msgspec.structs.replace(draft, version=version)
    return Export(manifest=manifest, manifest_bytes=encode(manifest), files=files)


def _golden(pipeline: Pipeline, held_out: HeldOut) -> list[Golden]:
    """Return fixed hard cases and some held-out rows, spread over them, as scikit-learn scores them."""
    places = np.unique(np.linspace(0, len(held_out.texts) - 1, _GOLDEN_HELD_OUT).astype(int))
    texts = [*_GOLDEN_FIXED, *(held_out.texts[place] for place in places)]
    scored = evaluate.predict(pipeline, texts, [""] * len(texts))
    confidence = scored.confidence()
    return [
        Golden(text=text, label=label, probability=None if confidence is None else float(confidence[row]))
        for row, (text, label) in enumerate(zip(texts, scored.labels, strict=True))
    ]


def _options(step: Any) -> dict[str, Any]:  # noqa: ANN401 - scikit-learn ships no types
    """Return the type and parameters of a pipeline step, as JSON values."""
    return {"type": type(step).__name__, **{key: _plain(value) for key, value in step.get_params(deep=False).items()}}


def _plain(value: Any) -> Any:  # noqa: ANN401 - any parameter
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Sequence):
        return [_plain(item) for item in value]
    if hasattr(value, "get_params"):
        return _options(value)
    return value.__name__ if isinstance(value, type) else str(value)
