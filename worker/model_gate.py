"""The gate of `model.skops`: an archive that nobody trusts to a pipeline that may score.

In this order, so that each step meets only what the one before let through: zip limits (`model_archive`), an allow-list
of every type and loader that the file names, skops with an explicit list of trusted types, and a check of the
pipeline's own parameters (`model_parameters`). The digest is checked before (`model_load`). skops alone is not
enough: its own list of trusted types holds all of scikit-learn, and a vectoriser without any untrusted type can open
files (`input="filename"`) or backtrack for seconds (`token_pattern`).
"""

from __future__ import annotations

from typing import Any, Final

import skops.io

from worker.core.compiled_errors import InvalidModel
from worker.model_archive import read_schema
from worker.model_parameters import check_pipeline
from worker.sklearn_scorer import SklearnScorer

PROTOCOL: Final = 2
"""Of the skops format: older ones are loaded by older code."""

TRUSTED: Final = (
    "sklearn.tree._tree.Tree",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
)
"""What skops does not trust by itself and our classifiers need; their content is checked after loading."""

_ALLOWED: Final = frozenset(
    {
        ("builtins", "dict", "DictNode"),
        ("builtins", "list", "ListNode"),
        ("builtins", "tuple", "TupleNode"),
        ("builtins", "str", "JsonNode"),
        ("builtins", "str", "TypeNode"),
        ("numpy", "float32", "TypeNode"),
        ("numpy", "float64", "TypeNode"),
        ("numpy", "float64", "NdArrayNode"),
        ("numpy", "int64", "NdArrayNode"),
        ("numpy", "ndarray", "NdArrayNode"),
        ("sklearn.calibration", "CalibratedClassifierCV", "ObjectNode"),
        ("sklearn.calibration", "_CalibratedClassifier", "ObjectNode"),
        ("sklearn.calibration", "_SigmoidCalibration", "ObjectNode"),
        ("sklearn.feature_extraction.text", "TfidfTransformer", "ObjectNode"),
        ("sklearn.feature_extraction.text", "TfidfVectorizer", "ObjectNode"),
        ("sklearn.linear_model._logistic", "LogisticRegression", "ObjectNode"),
        ("sklearn.pipeline", "Pipeline", "ObjectNode"),
        ("sklearn.svm._classes", "LinearSVC", "ObjectNode"),
        ("sklearn.tree._classes", "DecisionTreeClassifier", "ObjectNode"),
        ("sklearn.tree._tree", "Tree", "TreeNode"),
    }
)
"""Module, class and loader of everything that may stand in `schema.json`."""

_MARKS: Final = ("__module__", "__class__", "__loader__")

_TRIAL: Final = ("A trial: these words, and those.", "")
"""Scored once behind the checks, so that what they cannot see (a parameter of a wrong type) shows here."""

_LOAD_FAULTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What constructors and estimators raise for states not made for them; untrusted types are a TypeError of skops."""


def open_skops(data: bytes) -> SklearnScorer:
    """Return the scorer of a pipeline in skops bytes. Raises InvalidModel, and nothing else, whatever the bytes are."""
    _check_schema(read_schema(data))
    try:
        pipeline = skops.io.loads(data, trusted=list(TRUSTED))
        check_pipeline(pipeline)
        scorer = SklearnScorer(pipeline)
        scorer.score(_TRIAL)
    except InvalidModel:
        raise
    except _LOAD_FAULTS as error:
        raise InvalidModel(f"model.skops does not hold a usable pipeline ({type(error).__name__})") from None
    return scorer


def _check_schema(schema: Any) -> None:  # noqa: ANN401 - any JSON value
    """Walk all of the JSON, without recursion: wherever skops could see an object, it must be an allowed one."""
    if not isinstance(schema, dict) or schema.get("protocol") != PROTOCOL:
        raise InvalidModel(f"model.skops is not of the skops protocol {PROTOCOL}; export it anew")
    named: dict[int, dict[str, Any]] = {}
    waiting: list[Any] = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting.extend(node)
        elif isinstance(node, dict):
            waiting.extend(node.values())
            # A vocabulary may hold the word "__class__": then its value is an object, not a string.
            marks = tuple(node.get(mark) for mark in _MARKS)
            strings = [isinstance(mark, str) for mark in marks]
            if any(strings):
                if not (all(strings) and marks in _ALLOWED):
                    name = ".".join(map(str, marks[:2]))[:200]
                    raise InvalidModel(f"model.skops names a type that is not allowed: {name}")
                _check_node(node, named)


def _check_node(node: dict[str, Any], named: dict[int, dict[str, Any]]) -> None:
    """Check what of an object must hold before it is made. `named` has the objects seen so far by their ids."""
    identity = node.get("__id__")
    if identity is not None and (type(identity) is not int or named.setdefault(identity, node) != node):
        # skops makes the first of them and never looks at the others, which the checks here would judge by.
        raise InvalidModel("model.skops has two different objects under one id")
    if node["__loader__"] == "TreeNode" and _tree_outputs(node) != "1":
        # The constructor reads this many numbers from an array without looking at the array's length.
        raise InvalidModel("model.skops holds a decision tree of more than one output")


def _tree_outputs(node: dict[str, Any]) -> Any:  # noqa: ANN401 - any JSON value
    """Return the third argument of a tree's constructor, as the JSON text that skops stores."""
    try:
        return node["__reduce__"]["args"]["content"][2]["content"]
    except (LookupError, TypeError):
        return None
