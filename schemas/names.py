"""The classifiers that a request can name."""

from __future__ import annotations

from schemas.errors import InvalidInput

VERSION_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
"""What all of the name of a model's version looks like, as a pattern."""

DEFAULT_MODEL = "logistic_regression"
MODEL_NAMES = ("logistic_regression", "linear_svc", "decision_tree")

_ALIASES = {
    "LogisticRegression": "logistic_regression",
    "LinearSVC": "linear_svc",
    "DecisionClassifier": "decision_tree",
    "DecisionTreeClassifier": "decision_tree",
} | {name: name for name in MODEL_NAMES}


def canonical_model(name: str | None) -> str:
    """Return the stored name of a classifier; the default for None. Raises InvalidInput for an unknown one."""
    if name is None:
        return DEFAULT_MODEL
    try:
        return _ALIASES[name]
    except KeyError:
        # The name is the sender's and can hold anything: it is not repeated in answers and rejections.
        raise InvalidInput(
            "unknown_model",
            f"The model is not one that is served. Name one of {', '.join(MODEL_NAMES)}, or none for the default.",
        ) from None
