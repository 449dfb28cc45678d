"""The population stability index: known values, ties, chance."""

from __future__ import annotations

import math

import pytest

from schemas.models import Profile
from worker.core.report_drift import decile_edges, drift, label_drift, probability_drift

EVEN = [0.5 + 0.05 * place for place in range(11)]


def test_the_index_is_the_one_of_the_formula() -> None:
    found = drift([60, 40], [0.5, 0.5])
    assert found is not None
    assert found.index == pytest.approx(0.1 * math.log(1.2) - 0.1 * math.log(0.8))


def test_equal_shares_do_not_drift_and_turned_ones_do() -> None:
    profile = Profile({"a": 0.9, "b": 0.1}, [], 1.0)
    same, turned = label_drift({"a": 900, "b": 100}, profile), label_drift({"a": 100, "b": 900}, profile)
    assert same is not None
    assert turned is not None
    assert same.index == pytest.approx(0)
    assert (same.verdict, turned.verdict) == ("stable", "drift")


def test_few_rows_tell_nothing() -> None:
    found = label_drift({"a": 3, "b": 1}, Profile({"a": 0.5, "b": 0.5}, [], 1.0))
    assert found is not None
    assert found.verdict == "too few rows to tell"


def test_a_label_that_training_never_gave_is_drift() -> None:
    found = label_drift({"a": 500, "new": 500}, Profile({"a": 1.0}, [], 1.0))
    assert found is not None
    assert math.isfinite(found.index)
    assert found.verdict == "drift"


def test_deciles_make_bins_of_a_tenth() -> None:
    edges, shares = decile_edges(Profile({}, EVEN, 1.0))
    assert edges.tolist() == EVEN[1:-1]
    assert shares == pytest.approx([0.1] * 10)
    assert probability_drift([100] * 10, Profile({}, EVEN, 1.0)) == drift([100] * 10, shares)


def test_deciles_at_one_value_make_one_bin() -> None:
    edges, shares = decile_edges(Profile({}, [0.5, 0.6, 0.7, *[1.0] * 8], 1.0))
    assert edges.tolist() == [0.6, 0.7, 1.0]
    assert shares == pytest.approx([0.1, 0.1, 0.1, 0.7])


def test_nothing_to_compare_is_no_drift() -> None:
    assert drift([], []) is None
    assert drift([0, 0], [0.5, 0.5]) is None
    assert probability_drift([], Profile({}, [], 1.0)) is None


@pytest.mark.parametrize(("bins", "percentile"), [(2, 3.841), (3, 5.991), (10, 16.919)])
def test_chance_is_the_95th_percentile_of_chi_square(bins: int, percentile: float) -> None:
    found = drift([100] * bins, [1 / bins] * bins)
    assert found is not None
    assert found.by_chance * 100 * bins == pytest.approx(percentile, rel=0.03)
