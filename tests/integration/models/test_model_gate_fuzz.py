"""Random damage to a model's JSON: it is refused, or it scores; nothing else ever happens.

The archive around it is damaged in tests/unit/test_security_mutations.py. What passes that is opened by skops and
scored with here, which takes ten milliseconds a case: 10,000 in CI, and 200 elsewhere.
"""

from __future__ import annotations

import copy
import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.pipeline import Pipeline

from schemas.names import MODEL_NAMES
from tests.integration.models.conftest import TEXTS, places, rewritten
from training import skops_file
from worker.core.compiled_errors import InvalidModel
from worker.model_gate import open_skops
from worker.sklearn_scorer import SklearnScorer

EXAMPLES = 10_000 if os.environ.get("CI") else 200
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=4,
)


@pytest.fixture(scope="session")
def files(fitted: dict[str, Pipeline]) -> dict[str, bytes]:
    return {name: skops_file.dump(pipeline) for name, pipeline in fitted.items()}


@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore")  # of scikit-learn, about what was damaged
@settings(max_examples=EXAMPLES)
@given(st.sampled_from(MODEL_NAMES), st.integers(0, 10**6), JSON, st.sampled_from(["replace", "remove", "move"]))
def test_a_changed_schema_is_refused_or_scores(
    files: dict[str, bytes], name: str, place: int, value: object, way: str
) -> None:
    """No other exception, no crash: whatever passes can be scored with."""

    def change(schema: dict[str, Any]) -> None:
        found = places(schema, [])
        container, key = found[place % len(found)]
        if way == "remove" and isinstance(container, dict):
            del container[key]
        elif way == "move":
            other, there = found[place * 7919 % len(found)]
            container[key] = copy.deepcopy(other[there])
        else:
            container[key] = value

    try:
        scorer = open_skops(rewritten(files[name], change))
    except InvalidModel:
        return
    assert isinstance(scorer, SklearnScorer)
    assert len(scorer.score(TEXTS)) == len(TEXTS)
