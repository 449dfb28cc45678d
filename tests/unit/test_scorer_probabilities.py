"""Decision values to probabilities, against scikit-learn's and SciPy's own functions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.utils.extmath import softmax as reference_softmax

from worker.core.scorer import Scores
from worker.core.scorer_probabilities import logistic, softmax

decisions = st.floats(allow_nan=False, allow_infinity=False, width=64)


@given(st.lists(decisions, min_size=1, max_size=20))
def test_the_logistic_function_is_scipys(values: list[float]) -> None:
    np.testing.assert_allclose(logistic(np.array(values)), expit(np.array(values)), rtol=1e-12, atol=0)


def test_the_logistic_function_at_its_ends() -> None:
    values = np.array([-1e308, -709.79, -709.78, -40.0, -0.0, 0.0, 40.0, 709.79, 1e308])
    assert logistic(values).tolist() == expit(values).tolist()
    single = values.clip(-1e38, 1e38).astype(np.float32)
    np.testing.assert_allclose(logistic(single), expit(single), rtol=1e-6)


@given(st.lists(st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=3), min_size=1, max_size=8))
def test_softmax_is_scikit_learns(rows: list[list[float]]) -> None:
    np.testing.assert_allclose(softmax(np.array(rows)), reference_softmax(np.array(rows)), rtol=0, atol=1e-12)


def test_scores_name_the_label_and_its_probability() -> None:
    scores = Scores(("no", "yes"), np.array([1, 0]), np.array([[0.25, 0.75], [0.5, 0.5]]), None)
    assert scores.labels == ["yes", "no"]
    assert [scores.confidence(i) for i in range(len(scores))] == [0.75, 0.5]
    assert Scores(("no", "yes"), np.array([1]), None, None).confidence(0) is None
    with pytest.raises(AttributeError):
        scores.classes = ()  # type: ignore[misc]  # it is frozen, which is the point
