"""The arrays of a compiled model, checked and given names: what is in `scorer.npz` and what must hold between them.

Strings are stored as one UTF-8 blob and offsets into it (as Arrow does), n + 1 for n strings. Options are one JSON
object in `settings`. Let n be the number of features, c of classes, k of decision values (1 for two classes, else c),
m of models (folds of a calibrated ensemble, else 1), t of tree nodes:

- all: `settings`, `labels_*` (c), `vocabulary_*` (n, in the order of the columns), `stop_words_*`, `idf` (n, or 0
  without idf);
- linear: `coefficients` (m, k, n), `intercepts` (m, k); calibrated also `slopes` (m, k), `offsets` (m, k);
- tree: `tree_left`, `tree_right`, `tree_feature`, `tree_threshold` (t), `tree_values` (t, c). A leaf has left = -1.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast, get_args

import numpy as np
from numpy.typing import NDArray

from schemas.nesting import nests_too_deep
from worker.core.compiled_errors import InvalidModel
from worker.core.scorer import Kind
from worker.core.text import Terms, decode_strings
from worker.core.tfidf import Norm, Weighting

FORMAT: Final = 1
"""The version of this layout; a reader refuses every other."""

_COMMON: Final = frozenset(
    {
        "settings",
        "labels_bytes",
        "labels_offsets",
        "vocabulary_bytes",
        "vocabulary_offsets",
        "stop_words_bytes",
        "stop_words_offsets",
        "idf",
    }
)
_LINEAR: Final = frozenset({"coefficients", "intercepts"})
_CALIBRATED: Final = _LINEAR | {"slopes", "offsets"}
_TREE: Final = frozenset({"tree_left", "tree_right", "tree_feature", "tree_threshold", "tree_values"})
_SETTINGS: Final[Mapping[str, type]] = {
    "format": int,
    "kind": str,
    "lowercase": bool,
    "ngram_min": int,
    "ngram_max": int,
    "sublinear_tf": bool,
    "binary": bool,
    "norm": str,
    "single_precision": bool,
}
_MAX_SETTINGS_BYTES: Final = 4096
_MAX_CLASSES: Final = 10_000
_MAX_NGRAM: Final = 3

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Layout:
    """A checked model. Arrays are read-only; those of the other family of classifiers are empty."""

    kind: Kind
    labels: tuple[str, ...]
    terms: Terms
    weighting: Weighting
    arrays: Arrays

    def summary(self) -> dict[str, Any]:
        """Return the model in JSON values."""
        return {
            "kind": self.kind,
            "labels": list(self.labels),
            "features": len(self.terms),
            "ngram_range": [self.terms.ngram_min, self.terms.ngram_max],
            "lowercase": self.terms.lowercase,
            "stop_words": len(self.terms.stop_offsets) - 1,
            "sublinear_tf": self.weighting.sublinear_tf,
            "binary": self.weighting.binary,
            "idf": self.weighting.idf.size > 0,
            "norm": self.weighting.norm,
            "dtype": "float32" if self.weighting.single_precision else "float64",
        }


def encode_settings(settings: Mapping[str, str | int | bool]) -> NDArray[np.uint8]:
    """Return the `settings` array: JSON with sorted keys."""
    return np.frombuffer(json.dumps(dict(settings), sort_keys=True).encode(), dtype=np.uint8)


def encode_strings(strings: list[str]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Blob and offsets of a list of strings."""
    encoded = [string.encode() for string in strings]
    offsets = np.zeros(len(encoded) + 1, dtype=np.int64)
    np.cumsum(np.fromiter(map(len, encoded), dtype=np.int64, count=len(encoded)), out=offsets[1:])
    return np.frombuffer(b"".join(encoded), dtype=np.uint8), offsets


def read_layout(arrays: Arrays) -> Layout:
    """Check every array of a model and the relations between them. Raises InvalidModel."""
    settings = _read_settings(arrays)
    kind = cast("Kind", settings["kind"])
    expected = _COMMON | (_TREE if kind == "tree" else _CALIBRATED if kind == "calibrated" else _LINEAR)
    if set(arrays) != expected:
        raise InvalidModel(f"the model lacks or has too many arrays: {sorted(set(arrays) ^ expected)}")
    labels = _read_labels(arrays, kind)
    terms = _read_terms(arrays, settings)
    weighting = _read_weighting(arrays, settings, len(terms))
    if kind == "tree":
        _check_tree(arrays, len(terms), len(labels))
    else:
        _check_linear(arrays, kind, len(terms), len(labels))
    return Layout(kind=kind, labels=labels, terms=terms, weighting=weighting, arrays=arrays)


def _read_settings(arrays: Arrays) -> dict[str, Any]:
    blob = arrays.get("settings")
    if blob is None or blob.ndim != 1 or blob.size > _MAX_SETTINGS_BYTES or blob.dtype != np.uint8:
        raise InvalidModel("the model has no settings")
    data = blob.tobytes()
    if nests_too_deep(data):
        raise InvalidModel("the model's settings are nested too deeply")
    try:
        settings = json.loads(data.decode())
    except ValueError as fault:
        raise InvalidModel("the model's settings are no JSON") from fault
    if not isinstance(settings, dict) or {k: type(v) for k, v in settings.items()} != _SETTINGS:
        raise InvalidModel("the model's settings have a missing, unknown or mistyped option")
    if settings["format"] != FORMAT:
        raise InvalidModel(f"the model has format {settings['format']}; this program reads format {FORMAT}")
    if settings["kind"] not in get_args(Kind) or settings["norm"] not in get_args(Norm):
        raise InvalidModel("the model's settings name an unknown classifier or norm")
    if not 1 <= settings["ngram_min"] <= settings["ngram_max"] <= _MAX_NGRAM:
        raise InvalidModel(f"the model's n-grams must be of 1 to {_MAX_NGRAM} words")
    return settings


def _check_strings(arrays: Arrays, name: str) -> None:
    """Check that offsets ascend, cover the blob and never split a character, and that the blob is UTF-8."""
    blob, offsets = arrays[f"{name}_bytes"], arrays[f"{name}_offsets"]
    if blob.ndim != 1 or offsets.ndim != 1 or offsets.size < 1 or offsets[0] != 0 or offsets[-1] != blob.size:
        raise InvalidModel(f"the offsets of {name} do not cover its bytes")
    if offsets.size > 1 and (offsets[1:] <= offsets[:-1]).any():
        raise InvalidModel(f"the offsets of {name} do not ascend: an empty or negative string")
    try:
        blob.tobytes().decode()
    except UnicodeDecodeError as fault:
        raise InvalidModel(f"{name} holds bytes that are not UTF-8") from fault
    if ((blob[offsets[:-1]] & 0xC0) == 0x80).any():  # noqa: PLR2004 - a continuation byte of UTF-8
        raise InvalidModel(f"the offsets of {name} split a character")


def _read_labels(arrays: Arrays, kind: Kind) -> tuple[str, ...]:
    _check_strings(arrays, "labels")
    least = 1 if kind == "tree" else 2
    if not least <= arrays["labels_offsets"].size - 1 <= _MAX_CLASSES:
        raise InvalidModel(f"the model has {arrays['labels_offsets'].size - 1} labels")
    labels = tuple(decode_strings(arrays["labels_bytes"], arrays["labels_offsets"]))
    if len(set(labels)) != len(labels):
        raise InvalidModel("the model has a label twice")
    return labels


def _read_terms(arrays: Arrays, settings: Mapping[str, Any]) -> Terms:
    _check_strings(arrays, "vocabulary")
    _check_strings(arrays, "stop_words")
    if arrays["vocabulary_offsets"].size < 2:  # noqa: PLR2004 - n + 1 offsets for n terms
        raise InvalidModel("the vocabulary is empty")
    return Terms(
        blob=arrays["vocabulary_bytes"],
        offsets=arrays["vocabulary_offsets"],
        stop_blob=arrays["stop_words_bytes"],
        stop_offsets=arrays["stop_words_offsets"],
        lowercase=settings["lowercase"],
        ngram_min=settings["ngram_min"],
        ngram_max=settings["ngram_max"],
    )


def _read_weighting(arrays: Arrays, settings: Mapping[str, Any], features: int) -> Weighting:
    idf, single = arrays["idf"], settings["single_precision"]
    if idf.ndim != 1 or idf.size not in (0, features) or (idf.dtype == np.float32) != single:
        raise InvalidModel("the idf has another length than the vocabulary or the wrong element type")
    if not np.isfinite(idf).all():
        raise InvalidModel("the idf holds NaN or infinity")
    return Weighting(
        idf=idf,
        sublinear_tf=settings["sublinear_tf"],
        binary=settings["binary"],
        norm=cast("Norm", settings["norm"]),
        single_precision=single,
    )


def _check_linear(arrays: Arrays, kind: Kind, features: int, classes: int) -> None:
    decisions = 1 if classes == 2 else classes  # noqa: PLR2004 - two classes share one decision value
    if (kind == "logistic") != (decisions == 1) and kind in ("logistic", "softmax"):
        raise InvalidModel(f"a {kind} model cannot have {classes} classes")
    coefficients = arrays["coefficients"]
    models = coefficients.shape[0] if coefficients.ndim else 0
    if coefficients.shape != (models, decisions, features) or not (models == 1 or (kind == "calibrated" and models)):
        raise InvalidModel(f"the coefficients have the shape {coefficients.shape}, which does not fit the vocabulary")
    if arrays["intercepts"].dtype != coefficients.dtype:
        raise InvalidModel("the intercepts have another element type than the coefficients")
    for name in sorted(_CALIBRATED if kind == "calibrated" else _LINEAR):
        if name != "coefficients" and arrays[name].shape != (models, decisions):
            raise InvalidModel(f"{name} have the shape {arrays[name].shape}; expected {(models, decisions)}")
        if not np.isfinite(arrays[name]).all():
            raise InvalidModel(f"{name} hold NaN or infinity")


def _check_tree(arrays: Arrays, features: int, classes: int) -> None:
    """Children come after their parent and have one parent, so that every walk from the root ends in a leaf."""
    left, right, feature = (arrays[name] for name in ("tree_left", "tree_right", "tree_feature"))
    nodes = left.size
    shapes = {arrays[name].shape for name in _TREE - {"tree_values"}}
    if not nodes or shapes != {(nodes,)} or arrays["tree_values"].shape != (nodes, classes):
        raise InvalidModel("the tree's arrays have different lengths")
    inner = np.flatnonzero(left != -1)
    children = np.concatenate([left[inner], right[inner]])
    if (children >= nodes).any() or (children <= np.concatenate([inner, inner])).any():
        raise InvalidModel("a node of the tree has a child that does not come after it")
    if np.unique(children).size != nodes - 1 or children.size != nodes - 1 or (right[left == -1] != -1).any():
        raise InvalidModel("the tree has a node with two parents or none")
    if (feature[inner] < 0).any() or (feature[inner] >= features).any():
        raise InvalidModel("a node of the tree tests a feature outside the vocabulary")
    if not np.isfinite(arrays["tree_threshold"]).all() or not np.isfinite(arrays["tree_values"]).all():
        raise InvalidModel("the tree holds NaN or infinity")
