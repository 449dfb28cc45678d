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
"""What constructors raise for states that they were not made for; untrusted types are a TypeError of skops."""


def open_skops(data: bytes) -> SklearnScorer:
    """Return the scorer of a pipeline in skops bytes. Raises InvalidModel, and nothing else, whatever the bytes are."""
    _check_schema(read_schema(data))
    try:
        pipeline = skops.io.loads(data, trusted=list(TRUSTED))
        check_pipeline(pipeline)
    except InvalidModel:
        raise
    except _LOAD_FAULTS as error:
        raise InvalidModel(f"model.skops does not hold a usable pipeline ({type(error).__name__})") from None
    return SklearnScorer(pipeline)


def _check_schema(schema: Any) -> None:  # noqa: ANN401 - any JSON value
    """Walk all of the JSON, without recursion: wherever skops could see an object, it must be an allowed one."""
    if not isinstance(schema, dict) or schema.get("protocol") != PROTOCOL:
        raise InvalidModel(f"model.skops is not of the skops protocol {PROTOCOL}; export it anew")
    waiting: list[Any] = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting.extend(node)
        elif isinstance(node, dict):
            waiting.extend(node.values())
            # A vocabulary may hold the word "__class__": then its value is an object, not a string.
            marks = tuple(node.get(mark) for mark in _MARKS)
            if any(isinstance(mark, str) for mark in marks) and marks not in _ALLOWED:
                raise InvalidModel(
                    f"model.skops names a type that is not allowed: {'.'.join(map(str, marks[:2]))[:200]}"
                )
