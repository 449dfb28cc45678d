"""The check of a loaded pipeline's own parameters: only what scores texts and does nothing else.

Types are exact, attributes are those that fitting leaves, and arrays fit each other: scikit-learn's compiled loops do
not check the indices in a model, so a wrong one would read foreign memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from sklearn.calibration import CalibratedClassifierCV, _CalibratedClassifier, _SigmoidCalibration
from sklearn.feature_extraction.text import TfidfTransformer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from worker.core.compiled_errors import InvalidModel
from worker.core.text import TOKEN_PATTERN
from worker.model_tree import check_tree

MAX_NGRAM: Final = 10
_MAX_FOLDS: Final = 20
_FLAG: Final = (True, False)
_OPTIONS: Final[dict[str, tuple[Any, ...]]] = {
    "input": ("content",),  # "filename" and "file" open what a review names
    "encoding": ("utf-8",),
    "decode_error": ("strict", "ignore", "replace"),
    "strip_accents": (None, "ascii", "unicode"),
    "preprocessor": (None,),
    "tokenizer": (None,),
    "analyzer": ("word", "char", "char_wb"),
    "token_pattern": (TOKEN_PATTERN,),  # others can backtrack for seconds
    "lowercase": _FLAG,
    "binary": _FLAG,
    "vocabulary": (None,),
    "norm": ("l1", "l2", None),
    "use_idf": _FLAG,
    "smooth_idf": _FLAG,
    "sublinear_tf": _FLAG,
    "dtype": (np.float64, np.float32),
}
_VECTORISER_FITTED: Final = {"_tfidf", "vocabulary_", "fixed_vocabulary_", "_stop_words_id", "stop_words_"}
_WEIGHTS_FITTED: Final = {"idf_", "n_features_in_"}
_CLASSIFIER_FITTED: Final = {"classes_", "n_features_in_", "n_iter_", "coef_", "intercept_"}
_TREE_FITTED: Final = {"classes_", "n_features_in_", "n_outputs_", "n_classes_", "max_features_", "tree_"}


def check_pipeline(pipeline: Any) -> None:  # noqa: ANN401 - anything that skops made
    """Raise InvalidModel unless this is a TF-IDF vectoriser and one of the classifiers that are served."""
    _exactly(pipeline, Pipeline, fitted=())
    steps = [step for _, step in pipeline.steps]
    if len(steps) != 2 or pipeline.memory is not None or pipeline.transform_input is not None:  # noqa: PLR2004
        raise InvalidModel("the pipeline is not a vectoriser and a classifier without a cache")
    vectoriser, classifier = steps
    features = _check_vectoriser(vectoriser)
    if type(classifier) is CalibratedClassifierCV:
        _check_calibrated(classifier, features)
    elif type(classifier) is DecisionTreeClassifier:
        _exactly(classifier, DecisionTreeClassifier, fitted=_TREE_FITTED)
        _check_classes(classifier.classes_)
        check_tree(classifier, features)
    elif type(classifier) in (LogisticRegression, LinearSVC):
        _check_linear(classifier, features)
    else:
        raise InvalidModel(f"the classifier {type(classifier).__name__} is not one that is served")


def _exactly(value: Any, kind: type, *, fitted: Iterable[str]) -> None:  # noqa: ANN401 - anything that skops made
    """Check the type, and that no attribute is there beside parameters and what fitting leaves."""
    if type(value) is not kind:
        raise InvalidModel(f"the pipeline holds a {type(value).__name__} where a {kind.__name__} belongs")
    parameters = set(kind._get_param_names()) if hasattr(kind, "_get_param_names") else set()  # noqa: SLF001
    extra = vars(value).keys() - parameters - set(fitted)
    if parameters - vars(value).keys():
        raise InvalidModel(f"{kind.__name__} lacks some of its parameters; it is of another version of scikit-learn")
    if extra:
        raise InvalidModel(f"{kind.__name__} has attributes that fitting does not leave: {sorted(map(str, extra))[:5]}")


def _check_vectoriser(vectoriser: Any) -> int:  # noqa: ANN401 - as above
    """Check options, vocabulary and weights; return the number of features."""
    _exactly(vectoriser, TfidfVectorizer, fitted=_VECTORISER_FITTED)
    for option, allowed in _OPTIONS.items():
        value = getattr(vectoriser, option)
        if not any(value is one or (type(value) is type(one) and value == one) for one in allowed):
            raise InvalidModel(f"the vectoriser's {option} is not one that is served")
    ngrams = vectoriser.ngram_range
    if len(ngrams) != 2 or any(type(n) is not int for n in ngrams) or not 1 <= ngrams[0] <= ngrams[1] <= MAX_NGRAM:  # noqa: PLR2004
        raise InvalidModel(f"the vectoriser's n-grams must be of 1 to {MAX_NGRAM} units")
    words = vectoriser.stop_words
    if not (words is None or words == "english" or (type(words) is list and all(type(word) is str for word in words))):
        raise InvalidModel("the vectoriser's stop words are not a list of strings")
    vocabulary = vectoriser.vocabulary_
    if type(vocabulary) is not dict or not all(type(n) is int for n in vocabulary.values()):
        raise InvalidModel("the vocabulary does not map terms to numbers")
    if sorted(vocabulary.values()) != list(range(len(vocabulary))):
        raise InvalidModel("the vocabulary's numbers are not 0 to n - 1, each once")
    _check_weights(vectoriser, len(vocabulary))
    return len(vocabulary)


def _check_weights(vectoriser: Any, features: int) -> None:  # noqa: ANN401 - as above
    weights = vectoriser._tfidf  # noqa: SLF001 - where scikit-learn keeps them
    _exactly(weights, TfidfTransformer, fitted=_WEIGHTS_FITTED)
    for option in ("norm", "use_idf", "smooth_idf", "sublinear_tf"):
        if getattr(weights, option) != getattr(vectoriser, option):
            raise InvalidModel(f"the vectoriser says one thing about {option}, and its weights another")
    if weights.use_idf:
        _numbers(weights.idf_, (features,), "idf")


def _check_calibrated(classifier: Any, features: int) -> None:  # noqa: ANN401 - as above
    _exactly(classifier, CalibratedClassifierCV, fitted={*_CLASSIFIER_FITTED, "calibrated_classifiers_"})
    classes = _check_classes(classifier.classes_)
    fitted = classifier.calibrated_classifiers_
    if classifier.method != "sigmoid":
        raise InvalidModel("only sigmoid calibration is served")
    if type(fitted) is not list or not 1 <= len(fitted) <= _MAX_FOLDS or classifier.n_jobs is not None:
        raise InvalidModel("the calibration has no folds, too many, or wants processes of its own")
    for part in fitted:
        _exactly(part, _CalibratedClassifier, fitted={"estimator", "calibrators", "classes", "method"})
        if type(part.estimator) is not LinearSVC or part.method != "sigmoid":
            raise InvalidModel("only a linear SVC with sigmoid calibration is served")
        _check_linear(part.estimator, features)
        if len(part.calibrators) != (1 if classes == 2 else classes):  # noqa: PLR2004 - binary
            raise InvalidModel("the calibration has too few or too many sigmoids")
        if not all(np.array_equal(classifier.classes_, seen) for seen in (part.classes, part.estimator.classes_)):
            raise InvalidModel("the calibration and its classifier have different labels")
        for sigmoid in part.calibrators:
            _exactly(sigmoid, _SigmoidCalibration, fitted={"a_", "b_"})
            _numbers(np.asarray([sigmoid.a_, sigmoid.b_]), (2,), "sigmoid")


def _check_linear(classifier: Any, features: int) -> None:  # noqa: ANN401 - as above
    _exactly(classifier, type(classifier), fitted=_CLASSIFIER_FITTED)
    classes = _check_classes(classifier.classes_)
    rows = 1 if classes == 2 else classes  # noqa: PLR2004 - binary
    if getattr(classifier, "n_jobs", None) is not None:
        raise InvalidModel("the classifier wants processes of its own")
    _numbers(classifier.coef_, (rows, features), "coefficients")
    intercept = np.asarray(classifier.intercept_)
    _numbers(intercept, (rows,) if intercept.ndim else (), "intercept")


def _check_classes(classes: Any) -> int:  # noqa: ANN401 - as above
    if type(classes) is not np.ndarray or classes.ndim != 1 or classes.dtype.kind not in "Ui":
        raise InvalidModel("the labels are not a list of strings or whole numbers")
    if len(classes) < 2 or len(np.unique(classes)) != len(classes):  # noqa: PLR2004 - a choice needs two
        raise InvalidModel("the classifier has fewer than two labels, or one of them twice")
    return len(classes)


def _numbers(array: Any, shape: tuple[int, ...], what: str) -> None:  # noqa: ANN401 - as above
    if type(array) is not np.ndarray or array.dtype.kind != "f" or array.shape != shape or not np.isfinite(array).all():
        raise InvalidModel(f"the {what} are not finite numbers of the shape {shape}")
