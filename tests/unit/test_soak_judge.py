"""The judge of `make soak`: it sees a slow leak through noise, and takes noise, spikes and the warm-up for none."""

from __future__ import annotations

import os
import random
import sys
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.soak_judge import LEAST_SAMPLES, Sample, sample, slope, trends

EVERY_S = 2.0
WARM_UP_S = 60.0


def run(minutes: float, *, leak_mb: float = 0.0, descriptors: float = 0.0, seed: int = 1) -> list[Sample]:
    """Return samples of a process that grows by so much from its warm-up to its end, with noise and spikes."""
    chance = random.Random(seed)
    count = int(60 * minutes / EVERY_S)
    samples = []
    for number in range(count):
        at = number * EVERY_S
        grown = max(0.0, at - WARM_UP_S) / (60 * minutes - WARM_UP_S)
        memory = 200 + leak_mb * grown + chance.gauss(0, 2) + (60 if chance.random() < 0.05 else 0)
        memory -= 80 if at < WARM_UP_S / 2 else 0
        samples.append(Sample(at, memory, int(20 + descriptors * grown + chance.randrange(3)), 17))
    return samples


def risen(samples: list[Sample]) -> set[str]:
    return {one.name for one in trends(samples, warm_up_s=WARM_UP_S) if not one.flat}


@pytest.mark.parametrize("seed", range(10))
def test_noise_spikes_and_the_warm_up_are_flat(seed: int) -> None:
    assert risen(run(5, seed=seed)) == set()


@pytest.mark.parametrize("seed", range(10))
def test_a_slow_leak_is_seen_through_noise(seed: int) -> None:
    assert risen(run(5, leak_mb=15, seed=seed)) == {"resident memory, MB"}
    assert risen(run(5, descriptors=15, seed=seed)) == {"file descriptors"}


def test_a_pool_that_fills_in_a_step_is_flat() -> None:
    samples = run(10)
    stepped = [replace(one, descriptors=one.descriptors + 4 * (one.at_s > 300)) for one in samples]
    assert risen(stepped) == set()


def test_a_falling_figure_is_flat() -> None:
    assert risen(run(5, leak_mb=-50)) == set()


def test_the_trend_of_a_long_run_is_that_of_all_its_pairs() -> None:
    times = np.arange(50_000) * EVERY_S
    assert slope(times, 3.0 + 0.25 * times) == pytest.approx(0.25)
    assert risen(run(600, leak_mb=15)) == {"resident memory, MB"}


def test_too_few_samples_are_not_judged() -> None:
    samples = [Sample(WARM_UP_S + number, 200, 20, 17) for number in range(LEAST_SAMPLES)]
    assert trends(samples[1:], warm_up_s=WARM_UP_S) == []
    assert len(trends(samples, warm_up_s=WARM_UP_S)) == 3


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
def test_a_process_is_looked_at_until_it_has_ended() -> None:
    taken = sample(os.getpid(), 1.0)
    assert taken is not None
    assert taken.memory_mb > 1
    assert taken.descriptors > 2
    assert taken.threads >= 1
    assert sample(2**22 + 1, 1.0) is None
