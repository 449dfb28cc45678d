"""Which terms pushed the decision values of a linear model up and down, over many texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from worker.core.compiled_layout import Layout
from worker.core.text import Terms
from worker.core.tfidf import Features

TERMS: Final = 60
"""Terms kept of each sign, label and part."""

_MOST_DECISIONS: Final = 20
"""A report of more labels than this is nothing to read."""

_UNIT: Final = 1e6
"""Millionths: whole numbers, so that sums do not depend on their order."""


def term_contributions(layout: Layout, features: Features, counts: Sequence[int]) -> dict[str, dict[str, int]]:
    """Return by label the terms that added most to its decision value and took most from it, in millionths.

    `counts` says for how many rows each text stands. A term adds its weight times its coefficient; of an ensemble, the
    mean coefficient. For two classes there is one decision value: what speaks for one label speaks against the other.
    Empty for trees, which have no coefficients, and for more than 20 labels.
    """
    if "coefficients" not in layout.arrays:
        return {}
    coefficients = layout.arrays["coefficients"].mean(axis=0, dtype=np.float64)
    if len(coefficients) > _MOST_DECISIONS:
        return {}
    steps = np.repeat(np.asarray(counts, dtype=np.float64), np.diff(features.indptr))
    weights = np.bincount(features.indices, weights=features.data * steps, minlength=features.shape[1])
    present = np.flatnonzero(weights)
    added = np.rint(coefficients[:, present] * weights[present] * _UNIT).astype(np.int64)
    if len(added) == 1:
        added = np.concatenate([-added, added])
    return {
        label: _strongest(layout.terms, present, values) for label, values in zip(layout.labels, added, strict=True)
    }


def _strongest(terms: Terms, columns: NDArray[Any], values: NDArray[np.int64]) -> dict[str, int]:
    """Return the terms at both ends, the highest first; of equals the first column."""
    ends = _ends(values)
    order = ends[np.argsort(-values[ends], kind="stable")]
    up, down = order[:TERMS], order[TERMS:][-TERMS:]
    return {_term(terms, int(columns[place])): int(values[place]) for place in (*up, *down) if values[place]}


def _ends(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the places of the TERMS highest and lowest values, and of all that equal the last of these: unsorted."""
    if len(values) <= 2 * TERMS:
        return np.arange(len(values))
    low, high = np.partition(values, (TERMS - 1, len(values) - TERMS))[[TERMS - 1, len(values) - TERMS]]
    return np.flatnonzero((values <= low) | (values >= high))


def _term(terms: Terms, column: int) -> str:
    start, end = terms.offsets[column : column + 2].tolist()
    return terms.blob[start:end].tobytes().decode()
