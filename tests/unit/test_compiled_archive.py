"""Bytes become a model or InvalidModel, nothing else, and cost no more memory than allowed."""

from __future__ import annotations

import io
import json
import pickle
import re
import tracemalloc
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from training.compile import compile_pipeline
from worker.core import compiled_archive
from worker.core.compiled import InvalidModel, pack, unpack

Arrays = dict[str, NDArray[Any]]
TEXTS = ["a good film", "a bad film", "so good", "so bad", "café", "the good bad film"]
LABELS = ["yes", "no", "yes", "no", "yes", "no"]


def arrays_of(classifier: object) -> Arrays:
    return compile_pipeline(Pipeline([("v", TfidfVectorizer()), ("c", classifier)]).fit(TEXTS, LABELS))


LINEAR = arrays_of(LogisticRegression())
TREE = arrays_of(DecisionTreeClassifier(random_state=0))
GOOD = pack(LINEAR)


def zipped(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def members(data: bytes = GOOD) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_equal_arrays_give_equal_bytes_and_come_back() -> None:
    assert pack(dict(reversed(LINEAR.items()))) == GOOD
    back = compiled_archive.read(GOOD, max_bytes=1_000_000)
    assert {name: array.tolist() for name, array in back.items()} == {n: a.tolist() for n, a in LINEAR.items()}
    assert unpack(GOOD).labels == ("no", "yes")


@given(data=st.binary(max_size=400))
def test_any_bytes_are_refused_with_one_exception(data: bytes) -> None:
    with pytest.raises(InvalidModel):
        unpack(data)


@settings(max_examples=300)
@given(place=st.integers(0, len(GOOD) - 1), value=st.integers(0, 255), cut=st.booleans())
def test_a_damaged_model_is_refused_or_still_a_model(place: int, value: int, cut: bool) -> None:
    damaged = GOOD[:place] if cut else GOOD[:place] + bytes([value]) + GOOD[place + 1 :]
    try:
        model = unpack(damaged)
    except InvalidModel:
        return
    assert model.score(["good"]).labels[0] in {"yes", "no"}


@settings(max_examples=200)
@given(data=st.data())
def test_any_content_of_a_member_is_refused_or_a_model(data: st.DataObject) -> None:
    """The archive is whole, so that the checks behind the checksum are reached."""
    content = members()
    name = data.draw(st.sampled_from(sorted(content)))
    body = bytearray(content[name])
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        model = unpack(zipped({**content, name: bytes(body)}))
    except InvalidModel:
        return
    assert len(model.score(["good", "café"]).labels) == 2


def header(description: str, body: bytes = b"") -> bytes:
    padded = description.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded + body


def pickled() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return buffer.getvalue()


MEMBERS: dict[str, tuple[bytes, str]] = {
    "objects": (pickled(), "no header"),
    "a pickle": (pickle.dumps([1]), "no header"),
    "wrong type": (header("{'descr': '<f2', 'fortran_order': False, 'shape': (1,), }", b"ab"), "element type"),
    "big-endian": (header("{'descr': '>f8', 'fortran_order': False, 'shape': (1,), }", bytes(8)), "no header"),
    "more than there is": (header("{'descr': '<f8', 'fortran_order': False, 'shape': (9,), }", bytes(8)), "declares"),
    "less than there is": (header("{'descr': '<f8', 'fortran_order': False, 'shape': (0,), }", bytes(8)), "declares"),
    "negative": (header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }", bytes(8)), "no header"),
    "huge": (header(f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({'9' * 12}, {'9' * 12}), }}"), "declares"),
    "by columns": (header("{'descr': '<f8', 'fortran_order': True, 'shape': (1,), }", bytes(8)), "no header"),
    "code": (header("__import__('os').abort()"), "no header"),
    "nested": (header("(" * 110), "no header"),
    "no header": (b"", "no header"),
}


@pytest.mark.parametrize(("content", "reason"), MEMBERS.values(), ids=MEMBERS)
def test_a_member_that_is_no_array(content: bytes, reason: str) -> None:
    with pytest.raises(InvalidModel, match=reason):
        unpack(zipped({**members(), "idf.npy": content}))


def test_an_unknown_member() -> None:
    with pytest.raises(InvalidModel, match=r"unknown member '\.\./evil\.npy'"):
        unpack(zipped({**members(), "../evil.npy": b""}))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_twice() -> None:
    buffer = io.BytesIO(GOOD)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("idf.npy", b"")
    with pytest.raises(InvalidModel, match="twice"):
        unpack(buffer.getvalue())


def test_thousands_of_members_are_refused_before_they_are_listed() -> None:
    data = zipped({f"{number}.npy": b"" for number in range(3000)})
    with pytest.raises(InvalidModel, match="more members"):
        unpack(data)


def test_another_compression() -> None:
    with pytest.raises(InvalidModel, match="compression"):
        unpack(zipped(members(), zipfile.ZIP_LZMA))


def test_a_bomb_is_refused_without_being_inflated() -> None:
    bomb = header("{'descr': '<f8', 'fortran_order': False, 'shape': (25000000,)}", bytes(200_000_000))
    data = zipped({**members(), "idf.npy": bomb})
    del bomb
    assert len(data) < 1_000_000
    tracemalloc.start()
    with pytest.raises(InvalidModel, match="inflates to"):
        unpack(data, max_bytes=50_000_000)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()
    with pytest.raises(InvalidModel, match="at most 100"):
        unpack(GOOD, max_bytes=100)


def with_settings(**changes: object) -> Callable[[Arrays], Arrays]:
    def change(arrays: Arrays) -> Arrays:
        options = {**json.loads(arrays["settings"].tobytes()), **changes}
        options = {name: value for name, value in options.items() if value is not ...}
        return {**arrays, "settings": np.frombuffer(json.dumps(options).encode(), dtype=np.uint8)}

    return change


def with_array(name: str, change: Callable[[NDArray[Any]], Any]) -> Callable[[Arrays], Arrays]:
    def changed(arrays: Arrays) -> Arrays:
        copy = arrays[name].copy()
        result = change(copy)
        return {**arrays, name: copy if result is None else result}

    return changed


def put(place: Any, value: object) -> Callable[[NDArray[Any]], None]:  # noqa: ANN401 - any index
    def change(array: NDArray[Any]) -> None:
        array[place] = value

    return change


LAYOUTS: dict[str, tuple[Arrays, Callable[[Arrays], Arrays], str]] = {
    "another format": (LINEAR, with_settings(format=2), "format 2"),
    "unknown kind": (LINEAR, with_settings(kind="oracle"), "unknown classifier"),
    "unknown norm": (LINEAR, with_settings(norm="max"), "unknown classifier or norm"),
    "n-grams": (LINEAR, with_settings(ngram_max=4), "n-grams"),
    "n-grams of zero words": (LINEAR, with_settings(ngram_min=0), "n-grams"),
    "an option too many": (LINEAR, with_settings(debug=True), "unknown"),
    "an option too few": (LINEAR, with_settings(binary=...), "missing"),
    "a number for a flag": (LINEAR, with_settings(lowercase=1), "mistyped"),
    "softmax of two": (LINEAR, with_settings(kind="softmax"), "2 classes"),
    "another kind": (LINEAR, with_settings(kind="tree"), "lacks or has"),
    "no settings": (LINEAR, lambda arrays: {**arrays, "settings": np.zeros(0, np.uint8)}, "JSON"),
    "a missing array": (LINEAR, lambda arrays: {n: a for n, a in arrays.items() if n != "idf"}, "idf"),
    "idf of NaN": (LINEAR, with_array("idf", put(0, np.nan)), "NaN"),
    "idf too short": (LINEAR, with_array("idf", lambda array: array[1:]), "length"),
    "idf of another precision": (LINEAR, with_array("idf", lambda array: array.astype(np.float32)), "type"),
    "infinite coefficient": (LINEAR, with_array("coefficients", put((0, 0, 1), np.inf)), "NaN or infinity"),
    "infinite intercept": (LINEAR, with_array("intercepts", put(0, np.inf)), "NaN or infinity"),
    "coefficients too short": (LINEAR, with_array("coefficients", lambda array: array[..., 1:]), "shape"),
    "coefficients flat": (LINEAR, with_array("coefficients", lambda array: array[0, 0]), "shape"),
    "intercepts too many": (LINEAR, with_array("intercepts", lambda _: np.zeros((1, 2))), "shape"),
    "no models": (LINEAR, with_array("coefficients", lambda array: array[:0]), "shape"),
    "descending offsets": (LINEAR, with_array("vocabulary_offsets", put(1, 99)), "offsets"),
    "negative offset": (LINEAR, with_array("vocabulary_offsets", put(1, -1)), "offsets"),
    "offsets from one": (LINEAR, with_array("vocabulary_offsets", put(0, 1)), "cover"),
    "not UTF-8": (LINEAR, with_array("vocabulary_bytes", put(0, 0xFF)), "UTF-8"),
    "half a character": (
        LINEAR,
        lambda arrays: {
            **arrays,
            "labels_bytes": np.frombuffer("é".encode(), np.uint8),
            "labels_offsets": np.arange(3),
        },
        "split",
    ),
    "equal labels": (
        LINEAR,
        lambda arrays: {**arrays, "labels_bytes": np.frombuffer(b"aa", np.uint8), "labels_offsets": np.arange(3)},
        "label twice",
    ),
    "one label": (
        LINEAR,
        lambda arrays: {**arrays, "labels_bytes": np.frombuffer(b"a", np.uint8), "labels_offsets": np.arange(2)},
        "1 labels",
    ),
    "a term twice": (
        LINEAR,
        lambda arrays: {
            **arrays,
            "vocabulary_bytes": np.full(arrays["idf"].size, ord("w"), np.uint8),
            "vocabulary_offsets": np.arange(arrays["idf"].size + 1),
        },
        "term twice",
    ),
    "a loop": (TREE, with_array("tree_left", put(0, 0)), "child that does not come after"),
    "a child outside": (TREE, with_array("tree_right", put(0, 999)), "child"),
    "a negative child": (TREE, with_array("tree_left", put(0, -2)), "child"),
    "two parents": (TREE, with_array("tree_left", put(0, TREE["tree_right"][0])), "two parents"),
    "a leaf with a child": (TREE, with_array("tree_right", put(TREE["tree_left"] == -1, 1)), "parent"),
    "a feature outside": (TREE, with_array("tree_feature", put(0, 10**6)), "outside the vocabulary"),
    "a negative feature": (TREE, with_array("tree_feature", put(0, -1)), "outside the vocabulary"),
    "threshold of NaN": (TREE, with_array("tree_threshold", put(0, np.nan)), "NaN"),
    "values too few": (TREE, with_array("tree_values", lambda array: array[1:]), "lengths"),
    "an empty tree": (
        TREE,
        lambda arrays: {n: a[:0] if n.startswith("tree") else a for n, a in arrays.items()},
        "lengths",
    ),
}


@pytest.mark.parametrize(("arrays", "change", "reason"), LAYOUTS.values(), ids=LAYOUTS)
def test_arrays_that_do_not_fit_are_refused(arrays: Arrays, change: Callable[[Arrays], Arrays], reason: str) -> None:
    changed = change(arrays)
    with pytest.raises(InvalidModel, match=reason):
        unpack(compiled_archive.write(changed))
    with pytest.raises(InvalidModel, match=reason):
        pack(changed)


def test_the_description_is_json() -> None:
    description = unpack(pack(arrays_of(LinearSVC()))).describe()
    assert json.loads(json.dumps(description)) == description
    assert description["kind"] == "linear"
    assert description["labels"] == ["no", "yes"]
    assert re.search("supplies no kernel", description["path_reason"])
