"""Which terms pushed the decision values of a linear model up and down, over many texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

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
    ends = [_ends(values) for values in added]
    if len(added) == 1:
        added, ends = np.concatenate([-added, added]), 2 * ends
    strongest = [_strongest(*both) for both in zip(added, ends, strict=True)]
    names = _names(layout.terms, present, strongest)
    return {
        label: {names[place]: value for place, value in zip(places.tolist(), values[places].tolist(), strict=True)}
        for label, places, values in zip(layout.labels, strongest, added, strict=True)
    }


def _strongest(values: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the places at both ends, the highest first; of equals the first; none of 0."""
    order = ends[np.argsort(-values[ends], kind="stable")]
    places: NDArray[np.int64] = np.concatenate([order[:TERMS], order[TERMS:][-TERMS:]])
    present: NDArray[np.int64] = places[values[places] != 0]
    return present


def _ends(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the places of the TERMS highest and lowest values, and of all that equal the last of these: unsorted."""
    if len(values) <= 2 * TERMS:
        return np.arange(len(values))
    low, high = np.partition(values, (TERMS - 1, len(values) - TERMS))[[TERMS - 1, len(values) - TERMS]]
    return np.flatnonzero((values <= low) | (values >= high))


def _names(terms: Terms, present: NDArray[np.int64], places: list[NDArray[np.int64]]) -> dict[int, str]:
    """Return the terms by their places among those that are present."""
    wanted = list({place for some in places for place in some.tolist()})
    columns = present[wanted]
    bounds = zip(terms.offsets[columns].tolist(), terms.offsets[columns + 1].tolist(), strict=True)
    return {place: terms.blob[start:end].tobytes().decode() for place, (start, end) in zip(wanted, bounds, strict=True)}
