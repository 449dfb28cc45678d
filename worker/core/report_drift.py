"""How far a job's rows are from the rows that the model was tested on: the population stability index.

PSI is the sum of (a - e) * ln(a / e) over bins with actual shares a and expected shares e, which is Jeffreys'
divergence of the two. Siddiqi (Credit Risk Scorecards, 2006) reads below 0.1 as stable and above 0.25 as a shift.
Without any drift it is distributed nearly as chi-square with one degree of freedom less than bins, divided by the rows
(Yurdakul, Statistical Properties of Population Stability Index, 2018): few rows give a high index by chance alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from schemas.models import Profile

STABLE: Final = 0.1
SHIFTED: Final = 0.25

_SMALLEST_SHARE: Final = 1e-4
"""Empty bins count as this much: the logarithm of 0 is not finite."""

Verdict = Literal["stable", "some drift", "drift", "too few rows to tell"]


@dataclass(frozen=True, slots=True)
class Drift:
    """One comparison."""

    index: float
    by_chance: float
    """What the index would be below in 95 of 100 jobs of this size without any drift."""

    @property
    def verdict(self) -> Verdict:
        """Return how to read it."""
        if self.index <= self.by_chance and self.by_chance > STABLE:
            return "too few rows to tell"
        if self.index <= max(STABLE, self.by_chance):
            return "stable"
        return "some drift" if self.index <= SHIFTED else "drift"


def drift(actual: Sequence[int], expected: Sequence[float]) -> Drift | None:
    """Compare counts by bin with expected shares; None where there is nothing to compare."""
    rows, total = sum(actual), sum(expected)
    if not rows or total <= 0 or len(actual) != len(expected) or len(actual) < 2:  # noqa: PLR2004 - one bin has all
        return None
    index = 0.0
    for count, share in zip(actual, expected, strict=True):
        a, e = max(count / rows, _SMALLEST_SHARE), max(share / total, _SMALLEST_SHARE)
        index += (a - e) * math.log(a / e)
    return Drift(index, _chi_square_95(len(actual) - 1) / rows)


def label_drift(labels: Mapping[str, int], profile: Profile) -> Drift | None:
    """Compare counts by label with the profile's shares."""
    names = [*profile.label_shares, *sorted(set(labels) - set(profile.label_shares))]
    return drift([labels.get(name, 0) for name in names], [profile.label_shares.get(name, 0.0) for name in names])


def probability_drift(deciles: Sequence[int], profile: Profile) -> Drift | None:
    """Compare counts in the profile's bins with what the bins held."""
    return drift(deciles, decile_edges(profile)[1]) if deciles else None


def decile_edges(profile: Profile) -> tuple[NDArray[np.float64], list[float]]:
    """Return the distinct inner deciles as edges of bins, and the share of held-out rows in each bin.

    An edge belongs to the bin above it. Several deciles at one value (a tree gives most rows the same probability)
    make one edge, and the bin above it holds the shares of all of them.
    """
    inner = profile.probability_deciles[1:-1]
    edges: list[float] = []
    below: list[float] = []
    for place, value in enumerate(inner, start=1):
        if not edges or value > edges[-1]:
            edges.append(value)
            below.append(place / (len(inner) + 1))
    cumulative = [0.0, *below, 1.0]
    shares = [high - low for low, high in pairwise(cumulative)]
    return np.array(edges), shares


def _chi_square_95(freedom: int) -> float:
    """Return the 95th percentile of chi-square, by Wilson and Hilferty (1931): within 2 % for one degree of freedom."""
    spread = 2 / (9 * freedom)
    return freedom * float((1 - spread + 1.6448536 * math.sqrt(spread)) ** 3)
