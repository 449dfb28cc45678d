"""What a process's use of memory, descriptors and threads says over time: flat, or growing. Pure, but for `sample`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

LEAST_SAMPLES = 60
"""Fewer, after the warm-up, say nothing about a trend."""

MEMORY_SHARE = 0.05
"""Of the median: what the trend of resident memory may rise by from the warm-up to the end, however long that is."""

DESCRIPTORS = 8.0
"""What their trend may rise by in the same time. Pools of connections fill in steps, whenever more threads than ever
before wait for storage at once, and stay so; a leak goes on."""

THREADS = 4.0
"""What their trend may rise by in the same time."""

_MOST_POINTS = 600
"""Theil and Sen's slope looks at every pair: longer runs are thinned to this many medians."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A process at one moment."""

    at_s: float
    memory_mb: float
    descriptors: int
    threads: int


@dataclass(frozen=True, slots=True)
class Trend:
    """How one figure went after the warm-up; `rise` is its trend over that whole time, in its own unit."""

    name: str
    first: float
    median: float
    highest: float
    last: float
    rise: float
    allowed: float

    @property
    def flat(self) -> bool:
        """Say whether it rose no more than is allowed; it may fall."""
        return self.rise <= self.allowed


def sample(pid: int, at_s: float) -> Sample | None:
    """Look at a process in /proc; None when it has ended."""
    process = Path(f"/proc/{pid}")
    try:
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        descriptors = len(os.listdir(process / "fd"))  # noqa: PTH208 - names only: an entry may go while it is looked at
        return Sample(at_s, int(status["VmRSS"].split()[0]) / 1000, descriptors, int(status["Threads"]))
    except (OSError, KeyError):
        return None


def trends(samples: Sequence[Sample], *, warm_up_s: float) -> list[Trend]:
    """Return how memory, descriptors and threads went; an empty list when there is too little to judge by."""
    warm = [one for one in samples if one.at_s >= warm_up_s]
    if len(warm) < LEAST_SAMPLES:
        return []
    memory = float(np.median([one.memory_mb for one in warm]))
    return [
        _trend("resident memory, MB", warm, lambda one: one.memory_mb, MEMORY_SHARE * memory),
        _trend("file descriptors", warm, lambda one: one.descriptors, DESCRIPTORS),
        _trend("threads", warm, lambda one: one.threads, THREADS),
    ]


def _trend(name: str, samples: Sequence[Sample], figure: Callable[[Sample], float], allowed: float) -> Trend:
    times = np.array([one.at_s for one in samples])
    values = np.array([figure(one) for one in samples], dtype=np.float64)
    rise = slope(times, values) * float(times[-1] - times[0])
    return Trend(
        name, float(values[0]), float(np.median(values)), float(values.max()), float(values[-1]), rise, allowed
    )


def slope(times: np.ndarray, values: np.ndarray) -> float:
    """Return the median of the slopes between all pairs of points, which spikes do not move.

    H. Theil 1950, P. K. Sen 1968 (https://doi.org/10.1080/01621459.1968.10480934).
    """
    pieces = min(len(times), _MOST_POINTS)
    at = np.array([np.median(piece) for piece in np.array_split(times, pieces)])
    value = np.array([np.median(piece) for piece in np.array_split(values, pieces)])
    earlier, later = np.triu_indices(pieces, k=1)
    return float(np.median((value[later] - value[earlier]) / (at[later] - at[earlier])))
