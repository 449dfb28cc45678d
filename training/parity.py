"""The gate of the export: the compiled model must say what the fitted pipeline says."""

from __future__ import annotations

import numpy as np

from training.errors import ParityError
from training.evaluate import HeldOut
from worker.core.compiled import CompiledModel
from worker.core.model_files import TOLERANCE

_BLOCK = 2_000
"""Texts that are scored at once, so that memory stays bounded."""


def check_parity(compiled: CompiledModel, held_out: HeldOut) -> float:
    """Return the largest distance between probabilities; raises ParityError above 1e-12 or at another label."""
    if list(compiled.labels) != held_out.classes:
        raise ParityError(f"The compiled labels are {list(compiled.labels)} instead of {held_out.classes}.")
    worst = 0.0
    for start in range(0, len(held_out.texts), _BLOCK):
        rows = slice(start, start + _BLOCK)
        scores = compiled.score(held_out.texts[rows])
        differing = sum(ours != theirs for ours, theirs in zip(scores.labels, held_out.labels[rows], strict=True))
        if differing:
            raise ParityError(f"{differing} labels of held-out rows from {start:,} on differ from scikit-learn's.")
        if (scores.probabilities is None) != (held_out.probabilities is None):
            raise ParityError("Only one of the compiled model and scikit-learn gives probabilities.")
        if scores.probabilities is not None and held_out.probabilities is not None:
            worst = max(worst, float(np.max(np.abs(scores.probabilities - held_out.probabilities[rows]), initial=0.0)))
    if not worst <= TOLERANCE:
        raise ParityError(f"Probabilities of held-out rows are up to {worst:.3g} off scikit-learn's.")
    return worst
