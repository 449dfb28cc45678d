"""Files that want more than to score: every one is refused before it can do anything."""

from __future__ import annotations

import copy
import io
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from schemas.names import MODEL_NAMES
from tests.integration.models.conftest import LABELS, ROWS, TEXTS, places, rewritten
from training import skops_file
from training.clean import Example
from training.fit import fit
from worker.core.compiled_errors import InvalidModel
from worker.model_archive import read_schema
from worker.model_gate import open_skops
from worker.model_parameters import check_pipeline


@pytest.fixture
def pipeline(fitted: dict[str, Pipeline]) -> Pipeline:
    return copy.deepcopy(fitted["logistic_regression"])


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_an_honest_pipeline_passes(fitted: dict[str, Pipeline], name: str) -> None:
    pipeline = fitted[name]
    scorer = open_skops(skops_file.dump(pipeline))
    assert scorer.labels == ("0", "1")
    scores = scorer.score(TEXTS)
    assert scores.labels == pipeline.predict(TEXTS).tolist()
    assert scores.probabilities is not None
    assert np.array_equal(scores.probabilities, pipeline.predict_proba(TEXTS))


VECTORISER_OPTIONS: dict[str, list[object]] = {
    "input": ["filename", "file"],
    "token_pattern": [r"(\w+\s?)+$", r"\b\w+\b", None],
    "analyzer": ["words", ["word"]],
    "encoding": ["rot13"],
    "decode_error": ["surrogateescape"],
    "strip_accents": ["all"],
    "preprocessor": ["lower", []],
    "tokenizer": ["split"],
    "ngram_range": [(1, 1_000_000), (0, 1), (2, 1), (1.0, 2), (1,), (True, 2)],
    "stop_words": ["french", [1], ("a", "b")],
    "vocabulary": [{"good": 0}, ["good"]],
    "norm": ["max", 1],
    "lowercase": [1, "yes"],
    "use_idf": [None],
    "dtype": [np.int64, "float64"],
    "vocabulary_": [{"good": 0, "bad": 0}, {"good": 7}, {"good": -1}, {"good": True}, [], {}],
    "added_attribute": ["x"],
    "transform": ["x"],
    "_tfidf": [None, "weights"],
}


@pytest.mark.parametrize(
    ("option", "value"), [(option, value) for option, values in VECTORISER_OPTIONS.items() for value in values]
)
def test_a_vectoriser_that_does_more_than_count_words_is_refused(
    pipeline: Pipeline, option: str, value: object
) -> None:
    setattr(pipeline[0], option, value)
    with pytest.raises(InvalidModel):
        check_pipeline(pipeline)
    with pytest.raises(InvalidModel):
        open_skops(skops.io.dumps(pipeline))


def test_a_review_is_never_opened_as_a_file(pipeline: Pipeline, tmp_path: Any) -> None:  # noqa: ANN401 - a path
    """What the gate stands against: this pipeline, loaded by skops alone, reads the file that a review names."""
    secret = tmp_path / "secret.txt"
    secret.write_text("good good good")
    pipeline[0].input = "filename"
    data = skops_file.dump(pipeline)
    assert skops.io.get_untrusted_types(data=data) == []
    assert skops.io.loads(data).predict([str(secret)]).tolist() == ["1"]
    with pytest.raises(InvalidModel, match="input"):
        open_skops(data)


def _set(path: str, value: object) -> Callable[[Pipeline], None]:
    def change(pipeline: Pipeline) -> None:
        target: Any = pipeline
        *steps, last = path.split(".")
        for step in steps:
            target = target[int(step)] if step.isdigit() else getattr(target, step)
        setattr(target, last, value)

    return change


DAMAGES: list[tuple[str, Callable[[Pipeline], None], str]] = [
    ("logistic_regression", _set("1.coef_", np.zeros((1, 2))), "coefficients"),
    ("logistic_regression", _set("1.coef_", np.full((1, 22), np.nan)), "coefficients"),
    ("logistic_regression", _set("1.intercept_", np.array([np.inf])), "intercept"),
    ("logistic_regression", _set("1.classes_", np.array(["1", "1"])), "labels"),
    ("logistic_regression", _set("1.classes_", np.array([0.5, 1.5])), "labels"),
    ("logistic_regression", _set("1.n_jobs", -1), "processes"),
    ("logistic_regression", _set("1.predict", "x"), "attributes"),
    ("logistic_regression", _set("0._tfidf.idf_", np.ones(2)), "idf"),
    ("logistic_regression", _set("0._tfidf.norm", "l1"), "norm"),
    ("logistic_regression", _set("memory", "cache-folder"), "cache"),
    ("linear_svc", _set("1.method", "isotonic"), "sigmoid"),
    ("linear_svc", _set("1.calibrated_classifiers_", []), "folds"),
    ("linear_svc", _set("1.calibrated_classifiers_.0.calibrators", []), "sigmoids"),
    ("linear_svc", _set("1.calibrated_classifiers_.0.method", "isotonic"), "sigmoid"),
    ("linear_svc", _set("1.calibrated_classifiers_.0.estimator.coef_", np.zeros((1, 1))), "coefficients"),
    ("linear_svc", _set("1.calibrated_classifiers_.0.classes", np.array(["a", "b"])), "different labels"),
    ("decision_tree", _set("1.n_features_in_", 5), "other features"),
    ("decision_tree", _set("1.n_outputs_", 2), "one label"),
    ("decision_tree", _set("1.classes_", np.array(["0", "1", "2"])), "other features or labels"),
]


@pytest.mark.parametrize(("name", "damage", "sentence"), DAMAGES)
def test_parts_that_do_not_fit_each_other_are_refused(
    fitted: dict[str, Pipeline], name: str, damage: Callable[[Pipeline], None], sentence: str
) -> None:
    pipeline = copy.deepcopy(fitted[name])
    damage(pipeline)
    with pytest.raises(InvalidModel, match=sentence):
        open_skops(skops.io.dumps(pipeline))


@pytest.mark.parametrize(
    "changes",
    [
        {"left_child": 0},
        {"left_child": 10**6},
        {"right_child": -7},
        {"feature": 10**9},
        {"feature": -5},
        {"threshold": np.nan},
    ],
)
def test_a_tree_that_leads_out_of_itself_is_refused(fitted: dict[str, Pipeline], changes: dict[str, Any]) -> None:
    pipeline = copy.deepcopy(fitted["decision_tree"])
    tree = pipeline[1].tree_
    state = tree.__getstate__()
    for field, value in changes.items():
        state["nodes"][field][0] = value
    tree.__setstate__(state)
    with pytest.raises(InvalidModel, match="the decision tree"):
        open_skops(skops.io.dumps(pipeline))


def _tree_node(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the tree in the JSON of a pipeline."""
    return next(
        container[key]
        for container, key in places(schema, [])
        if isinstance(container[key], dict) and container[key].get("__loader__") == "TreeNode"
    )


def test_a_tree_that_claims_more_nodes_than_it_has_is_harmless(fitted: dict[str, Pipeline]) -> None:
    def claim(schema: dict[str, Any]) -> None:
        _tree_node(schema)["content"]["content"]["node_count"]["content"] = "1000000"

    try:
        scorer = open_skops(rewritten(skops_file.dump(fitted["decision_tree"]), claim))
    except InvalidModel:
        return
    # scikit-learn 1.9 itself counts only the nodes that are there.
    assert scorer.score(TEXTS).labels == fitted["decision_tree"].predict(TEXTS).tolist()


@pytest.mark.parametrize("outputs", ["2", "1000000000", "null", None])
def test_a_tree_of_many_outputs_is_refused_before_it_is_made(fitted: dict[str, Pipeline], outputs: str | None) -> None:
    def claim(schema: dict[str, Any]) -> None:
        _tree_node(schema)["__reduce__"]["args"]["content"][2]["content"] = outputs

    with pytest.raises(InvalidModel, match="more than one output"):
        open_skops(rewritten(skops_file.dump(fitted["decision_tree"]), claim))


def test_an_object_cannot_hide_behind_the_id_of_another(fitted: dict[str, Pipeline]) -> None:
    def hide(schema: dict[str, Any]) -> None:
        honest = _tree_node(schema)["__reduce__"]["args"]["content"][2]
        honest["__id__"] = schema["content"]["content"]["verbose"]["__id__"] = 77
        schema["content"]["content"]["verbose"]["content"] = "1000000000"

    with pytest.raises(InvalidModel, match="under one id"):
        open_skops(rewritten(skops_file.dump(fitted["decision_tree"]), hide))


def test_a_file_that_skops_wrote_by_itself_is_read(fitted: dict[str, Pipeline]) -> None:
    for pipeline in fitted.values():
        assert open_skops(skops.io.dumps(pipeline)).score(TEXTS).labels == pipeline.predict(TEXTS).tolist()


@pytest.mark.parametrize(
    "steps",
    [
        [("v", CountVectorizer()), ("c", MultinomialNB())],
        [("v", CountVectorizer()), ("s", TruncatedSVD(2)), ("f", FunctionTransformer(np.abs))],
    ],
)
def test_other_types_of_scikit_learn_are_refused_although_skops_trusts_them(steps: list[tuple[str, Any]]) -> None:
    data = skops.io.dumps(Pipeline(steps).fit(TEXTS, LABELS))
    with pytest.raises(InvalidModel, match="names a type that is not allowed"):
        open_skops(data)


@pytest.mark.parametrize(
    ("module", "kind", "loader"),
    [
        ("os", "system", "FunctionNode"),
        ("builtins", "eval", "TypeNode"),
        ("builtins", "str", "FunctionNode"),
        ("functools", "partial", "PartialNode"),
        ("operator", "attrgetter", "OperatorFuncNode"),
        ("builtins", "dict", "ObjectNode"),
        ("builtins", "str", "CachedNode"),
        ("sklearn.pipeline", "Pipeline", "MethodNode"),
    ],
)
def test_a_foreign_name_in_the_schema_is_refused(pipeline: Pipeline, module: str, kind: str, loader: str) -> None:
    def change(schema: dict[str, Any]) -> None:
        schema["content"]["content"]["memory"] |= {"__module__": module, "__class__": kind, "__loader__": loader}

    with pytest.raises(InvalidModel, match="names a type that is not allowed"):
        open_skops(rewritten(skops_file.dump(pipeline), change))


def test_an_old_protocol_with_its_old_loaders_is_refused(pipeline: Pipeline) -> None:
    with pytest.raises(InvalidModel, match="protocol"):
        open_skops(rewritten(skops_file.dump(pipeline), lambda schema: schema.update(protocol=0)))


def test_words_that_look_like_the_format_are_only_words() -> None:
    strange = "__class__ __module__ __loader__ __id__ file content key_types protocol"
    rows = [Example(f"{strange} good {row.text}", row.label) for row in ROWS]
    pipeline = fit("logistic_regression", rows, seed=0)
    texts = [row.text for row in rows]
    scorer = open_skops(skops_file.dump(pipeline))
    assert scorer.score(texts).labels == pipeline.predict(texts).tolist()


@pytest.mark.parametrize("value", [None, 7, "text", [], {}, {"a": 1}])
def test_something_else_than_a_pipeline_is_refused(value: object) -> None:
    with pytest.raises(InvalidModel):
        open_skops(skops.io.dumps(value))


def test_a_large_archive_is_refused_by_what_it_declares() -> None:
    target, mib = io.BytesIO(), 1 << 20
    # Random enough to stay below the ratio: the size itself must be what is refused.
    block = np.random.default_rng(0).bytes(mib // 32) + bytes(mib - mib // 32)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("schema.json", b"{}")
        with made.open("0.npy", "w") as member:
            for _ in range(257):
                member.write(block)
    with pytest.raises(InvalidModel, match="would inflate to 26"):
        read_schema(target.getvalue())
