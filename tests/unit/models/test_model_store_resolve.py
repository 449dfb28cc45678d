"""Which model answers a request."""

from __future__ import annotations

import math
import pickle
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest

from cloud.faults import Faults
from cloud.faulty import FaultyObjects
from cloud.objects import ObjectInfo, Objects
from schemas.codec import encode
from schemas.errors import InvalidInput
from schemas.names import MODEL_NAMES
from tests.unit.models.conftest import Bucket, build
from worker.core.model_files import COMPILED, sha256
from worker.models import ModelStore, ModelUnavailable

PATIENCE_S = 30.0


class CountingObjects(FaultyObjects):
    """A bucket that counts its downloads by file, and can hold one of them back."""

    def __init__(self, inner: Objects) -> None:
        super().__init__(inner, Faults())
        self.downloads: Counter[str] = Counter()
        self.hold: str | None = None
        self.asked = Event()
        self.go_on = Event()

    def get(self, name: str, *, generation: int | None = None) -> tuple[bytes, ObjectInfo]:
        self.downloads[name.rpartition("/")[2]] += 1
        if self.hold is not None and self.hold in name:
            self.asked.set()
            assert self.go_on.wait(PATIENCE_S)
        return super().get(name, generation=generation)


@pytest.fixture
def counted(bucket: Bucket) -> CountingObjects:
    return CountingObjects(bucket.objects)


def test_a_loaded_model_says_what_it_is(bucket: Bucket) -> None:
    version = bucket.promote()
    model = bucket.store.resolve(None, None)
    assert (model.name, model.version, model.labels) == ("logistic_regression", "v1", ("neg", "pos"))
    assert model.path == "compiled"
    assert model.manifest_sha256 == sha256(encode(version.manifest))
    scores = model.score(["good", "bad", "nothing known"])
    assert scores.labels == ["pos", "neg", "pos"]
    assert scores.confidence(0) == pytest.approx(1 / (1 + math.exp(-2.25)))


def test_each_name_and_alias_reaches_its_own_model(bucket: Bucket) -> None:
    for name in MODEL_NAMES:
        build(f"of-{name}", name=name).store(bucket.objects).promote(bucket.objects)
    asked = {
        None: "logistic_regression",
        "LogisticRegression": "logistic_regression",
        "LinearSVC": "linear_svc",
        "DecisionClassifier": "decision_tree",
        "decision_tree": "decision_tree",
    }
    served = {name: bucket.store.resolve(name, None).version for name in asked}
    assert served == {name: f"of-{model}" for name, model in asked.items()}


def test_an_unknown_model_is_the_requests_fault(bucket: Bucket) -> None:
    with pytest.raises(InvalidInput) as error:
        bucket.store.resolve("svm", None)
    assert error.value.code == "unknown_model"


@pytest.mark.parametrize("version", ["v9", "../v1", "", "v1/", "v1\n", ".hidden", "x" * 65, "vé"])
def test_an_unknown_version_is_the_requests_fault(bucket: Bucket, version: str) -> None:
    bucket.promote()
    with pytest.raises(InvalidInput) as error:
        bucket.store.resolve(None, version)
    assert error.value.code == "unknown_version"
    # What could be a version's name is named; nothing else of the request is repeated.
    named = "version v9" if version == "v9" else "such version"
    assert error.value.reason.startswith(f"logistic_regression has no {named}. Name one that")


def test_an_explicit_version_is_served_beside_the_current_one(bucket: Bucket) -> None:
    bucket.add("v1")
    bucket.promote("v2")
    current = bucket.store.resolve(None, None)
    assert current.version == "v2"
    assert bucket.store.resolve("LogisticRegression", "v2") is current
    assert bucket.store.resolve(None, "v1").version == "v1"
    assert bucket.store.resolve(None, None) is current


def test_a_damaged_explicit_version_is_our_fault(bucket: Bucket) -> None:
    version = build("v1")
    version.files[COMPILED] = version.files[COMPILED][:-1] + b"x"
    version.store(bucket.objects)
    with pytest.raises(ModelUnavailable, match="SHA-256"):
        bucket.store.resolve(None, "v1")


def test_explicit_versions_are_cached_up_to_a_bound(bucket: Bucket, counted: CountingObjects) -> None:
    store = ModelStore(counted, check_every_s=5.0, now=bucket.clock, keep_versions=2)
    for version in ("v1", "v2", "v3"):
        bucket.add(version)
    for version in ("v1", "v2", "v1", "v2"):
        store.resolve(None, version)
    assert counted.downloads[COMPILED] == 2
    store.resolve(None, "v1")
    store.resolve(None, "v3")  # v2 is the least recently used and leaves
    store.resolve(None, "v1")
    assert counted.downloads[COMPILED] == 3
    store.resolve(None, "v2")
    assert counted.downloads[COMPILED] == 4


def test_a_version_that_was_unknown_is_found_later(bucket: Bucket) -> None:
    with pytest.raises(InvalidInput):
        bucket.store.resolve(None, "v1")
    bucket.add("v1")
    bucket.clock.seconds += 6
    assert bucket.store.resolve(None, "v1").version == "v1"


@pytest.mark.parametrize("version", [None, "v1"])
def test_a_version_is_loaded_by_one_of_many_threads(
    bucket: Bucket, counted: CountingObjects, version: str | None
) -> None:
    bucket.promote("v1")
    store = bucket.store_over(counted)
    together = Barrier(8)

    def ask(_: int) -> object:
        together.wait(PATIENCE_S)
        return store.resolve(None, version)

    with ThreadPoolExecutor(8) as pool:
        models = list(pool.map(ask, range(8), timeout=PATIENCE_S))
    assert all(model is models[0] for model in models)
    assert counted.downloads[COMPILED] == 1


def test_others_go_on_with_the_old_version_while_one_thread_loads_the_new(
    bucket: Bucket, counted: CountingObjects
) -> None:
    store = bucket.store_over(counted)
    bucket.promote("v1")
    store.resolve(None, None)
    bucket.promote("v2")
    bucket.clock.seconds += 6
    counted.hold = f"v2/{COMPILED}"
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(store.resolve, None, None)
        assert counted.asked.wait(PATIENCE_S)
        try:
            bucket.clock.seconds += 6
            assert store.resolve(None, None).version == "v1"
        finally:
            counted.go_on.set()
        assert loading.result(PATIENCE_S).version == "v2"
    assert store.resolve(None, None).version == "v2"


def test_serving_never_unpickles(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a pickle was read")

    for name in ("Unpickler", "_Unpickler", "load", "loads"):
        monkeypatch.setattr(pickle, name, refuse)
    bucket.promote()
    assert bucket.store.resolve(None, None).score(["good"]).labels == ["pos"]
