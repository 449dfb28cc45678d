"""A fitted scikit-learn pipeline to the plain arrays that `worker/core/compiled.py` scores from.

What the compiled form does not cover is refused with `NotCompilable` and a sentence; such a pipeline is scored by
scikit-learn itself.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from worker.core.compiled_layout import FORMAT, encode_settings, encode_strings
from worker.core.scorer import Kind
from worker.core.text import TOKEN_PATTERN

MAX_NGRAM: Final = 3
Arrays = dict[str, NDArray[Any]]


class NotCompilable(Exception):  # noqa: N818 - a fact about the pipeline, not a fault of the program
    """The pipeline has no compiled form; `reason` is a sentence for a person."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def compile_pipeline(pipeline: Pipeline) -> Arrays:
    """Return the arrays of `scorer.npz` for a fitted Pipeline([TfidfVectorizer, classifier]). Raises NotCompilable."""
    steps = [step for _, step in pipeline.steps]
    if len(steps) != 2 or type(steps[0]) is not TfidfVectorizer:  # noqa: PLR2004 - vectoriser and classifier
        raise NotCompilable("The pipeline is not a TfidfVectorizer followed by one classifier.")
    vectorizer, classifier = steps
    _check_vectorizer(vectorizer)
    kind, classifier_arrays = _classifier_arrays(classifier)
    vocabulary = sorted(vectorizer.vocabulary_, key=vectorizer.vocabulary_.__getitem__)
    stop_words = sorted(vectorizer.get_stop_words() or ())
    if "" in vocabulary or "" in stop_words:
        raise NotCompilable("The vocabulary or the stop words hold an empty string.")
    strings = {"labels": _labels(classifier), "vocabulary": vocabulary, "stop_words": stop_words}
    arrays: Arrays = {"settings": _settings(vectorizer, kind), "idf": _idf(vectorizer), **classifier_arrays}
    for name, values in strings.items():
        arrays[f"{name}_bytes"], arrays[f"{name}_offsets"] = _encode(values)
    return arrays


def _check_vectorizer(vectorizer: TfidfVectorizer) -> None:
    """Refuse every option that would cut texts otherwise than the compiled form does."""
    defaults = {
        "input": "content",
        "encoding": "utf-8",
        "decode_error": "strict",
        "strip_accents": None,
        "preprocessor": None,
        "tokenizer": None,
        "analyzer": "word",
        "token_pattern": TOKEN_PATTERN,
    }
    for option, default in defaults.items():
        value = getattr(vectorizer, option)
        if value != default:
            raise NotCompilable(f"The vectoriser has {option}={value!r}; the compiled form covers only {default!r}.")
    smallest, largest = vectorizer.ngram_range
    if not 1 <= smallest <= largest <= MAX_NGRAM:
        raise NotCompilable(f"The vectoriser makes n-grams of {smallest} to {largest} words; covered are 1 to 3.")
    if vectorizer.norm not in ("l1", "l2", None):
        raise NotCompilable(f"The vectoriser has the norm {vectorizer.norm!r}; covered are l1, l2 and none.")
    columns = sorted(vectorizer.vocabulary_.values())
    if columns != list(range(len(columns))):
        raise NotCompilable("The vocabulary maps two terms to one column.")


def _settings(vectorizer: TfidfVectorizer, kind: Kind) -> NDArray[np.uint8]:
    return encode_settings(
        {
            "format": FORMAT,
            "kind": kind,
            "lowercase": bool(vectorizer.lowercase),
            "ngram_min": int(vectorizer.ngram_range[0]),
            "ngram_max": int(vectorizer.ngram_range[1]),
            "sublinear_tf": bool(vectorizer.sublinear_tf),
            "binary": bool(vectorizer.binary),
            "norm": vectorizer.norm or "none",
            "single_precision": np.dtype(vectorizer.dtype) == np.float32,
        }
    )


def _idf(vectorizer: TfidfVectorizer) -> NDArray[Any]:
    """Return the idf of each column, empty when the vectoriser does not use it."""
    dtype = np.float32 if np.dtype(vectorizer.dtype) == np.float32 else np.float64
    if not vectorizer.use_idf:
        return np.empty(0, dtype=dtype)
    if vectorizer.idf_.dtype != dtype:
        raise NotCompilable(f"The idf is of {vectorizer.idf_.dtype}, but the vectoriser computes in {np.dtype(dtype)}.")
    return np.ascontiguousarray(vectorizer.idf_)


def _labels(classifier: Any) -> list[str]:  # noqa: ANN401 - scikit-learn ships no types
    """Return the classes as strings; NumPy scalars become Python's first, so that 1 is "1"."""
    labels = [str(label) for label in classifier.classes_.tolist()]
    if len(set(labels)) != len(labels) or "" in labels:
        raise NotCompilable("Two classes have the same name as text, or one has none.")
    return labels


def _encode(values: list[str]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    try:
        return encode_strings(values)
    except UnicodeEncodeError as fault:
        raise NotCompilable("A label, term or stop word holds a lone surrogate, which UTF-8 cannot express.") from fault


def _classifier_arrays(classifier: Any) -> tuple[Kind, Arrays]:  # noqa: ANN401 - scikit-learn ships no types
    """Return the kind of the classifier and its arrays. Exact types only: a subclass may predict differently."""
    if getattr(classifier, "n_outputs_", 1) != 1 or not hasattr(classifier, "classes_"):
        raise NotCompilable("The classifier is not fitted or predicts more than one label.")
    if type(classifier) is LogisticRegression:
        return _logistic_arrays(classifier)
    if type(classifier) is LinearSVC:
        return "linear", _linear_arrays([classifier])
    if type(classifier) is OneVsRestClassifier:
        return "one_vs_rest", _one_vs_rest_arrays(classifier)
    if type(classifier) is CalibratedClassifierCV:
        return "calibrated", _calibrated_arrays(classifier)
    if type(classifier) is DecisionTreeClassifier:
        return "tree", _tree_arrays(classifier)
    raise NotCompilable(f"The classifier {type(classifier).__name__} has no compiled form.")


def _logistic_arrays(classifier: LogisticRegression) -> tuple[Kind, Arrays]:
    if len(classifier.classes_) == 2:  # noqa: PLR2004 - binary
        return "logistic", _linear_arrays([classifier])
    one_vs_rest = classifier.solver == "liblinear" or getattr(classifier, "multi_class", "auto") == "ovr"
    if one_vs_rest:  # possible before scikit-learn 1.8
        raise NotCompilable("Wrap the one-vs-rest LogisticRegression in OneVsRestClassifier, as scikit-learn advises.")
    return "softmax", _linear_arrays([classifier])


def _linear_arrays(models: list[Any]) -> Arrays:
    """Coefficients (m, k, n) and intercepts (m, k) of m models; a missing intercept is 0."""
    coefficients = np.stack([model.coef_ for model in models])
    intercepts = [np.broadcast_to(np.asarray(model.intercept_), model.coef_.shape[:1]) for model in models]
    return {
        "coefficients": np.ascontiguousarray(coefficients),
        "intercepts": np.ascontiguousarray(np.stack(intercepts).astype(coefficients.dtype)),
    }


def _one_vs_rest_arrays(classifier: OneVsRestClassifier) -> Arrays:
    if classifier.multilabel_:
        raise NotCompilable("The classifier predicts several labels for one text.")
    if any(type(estimator) is not LogisticRegression for estimator in classifier.estimators_):
        raise NotCompilable("OneVsRestClassifier is covered only around LogisticRegression.")
    parts = _linear_arrays(classifier.estimators_)
    return {
        "coefficients": np.ascontiguousarray(parts["coefficients"].transpose(1, 0, 2)),
        "intercepts": np.ascontiguousarray(parts["intercepts"].T),
    }


def _calibrated_arrays(classifier: CalibratedClassifierCV) -> Arrays:
    fitted = classifier.calibrated_classifiers_
    if classifier.method != "sigmoid":
        raise NotCompilable(f"The calibration method {classifier.method!r} is not covered, only 'sigmoid'.")
    if any(type(part.estimator) is not LinearSVC for part in fitted):
        raise NotCompilable("CalibratedClassifierCV is covered only around LinearSVC.")
    if any(list(part.estimator.classes_) != list(classifier.classes_) for part in fitted):
        raise NotCompilable("A fold of the calibration has not seen every class.")
    return {
        **_linear_arrays([part.estimator for part in fitted]),
        "slopes": np.array([[c.a_ for c in part.calibrators] for part in fitted], dtype=np.float64),
        "offsets": np.array([[c.b_ for c in part.calibrators] for part in fitted], dtype=np.float64),
    }


def _tree_arrays(classifier: DecisionTreeClassifier) -> Arrays:
    tree = classifier.tree_
    leaf = tree.children_left == -1
    return {
        "tree_left": tree.children_left.astype(np.int64),
        "tree_right": tree.children_right.astype(np.int64),
        "tree_feature": np.where(leaf, 0, tree.feature).astype(np.int64),
        "tree_threshold": np.where(leaf, 0.0, tree.threshold),
        "tree_values": np.ascontiguousarray(tree.value[:, 0, :], dtype=np.float64),
    }
