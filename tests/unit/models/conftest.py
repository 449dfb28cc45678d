"""Small models made by hand: no training, no scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec
import numpy as np
import pytest

from cloud.memory import MemoryObjects
from cloud.objects import ObjectNotFound, Objects
from schemas.codec import encode
from schemas.models import Alias, Golden, ModelManifest, Profile, Split, StoredFile
from worker.core.compiled import pack, unpack
from worker.core.compiled_layout import FORMAT, encode_settings, encode_strings
from worker.core.model_files import COMPILED, MANIFEST, sha256
from worker.core.naming import model_alias, model_file
from worker.models import ModelStore

GOLDEN_TEXTS = ("good film", "bad film", "", "so so", "Good, GOOD, bad")


@dataclass
class Clock:
    """A clock that moves when it is told to."""

    seconds: float = 1_000.0

    def __call__(self) -> float:
        return self.seconds


@dataclass
class Version:
    """A model version before it is stored; change what a test wants to be wrong."""

    manifest: ModelManifest
    files: dict[str, bytes] = field(default_factory=dict)

    def change(self, **changes: object) -> Version:
        self.manifest = msgspec.structs.replace(self.manifest, **changes)
        return self

    def store(self, objects: Objects) -> Version:
        for name, data in {**self.files, MANIFEST: encode(self.manifest)}.items():
            put(objects, model_file(self.manifest.name, self.manifest.version, name), data)
        return self

    def promote(self, objects: Objects) -> Version:
        alias = Alias(version=self.manifest.version, manifest_sha256=sha256(encode(self.manifest)))
        put(objects, model_alias(self.manifest.name), encode(alias))
        return self


def put(objects: Objects, name: str, data: bytes) -> None:
    """Write an object whether it is there or not."""
    try:
        generation = objects.info(name).generation
    except ObjectNotFound:
        generation = 0
    objects.put(name, data, content_type="application/octet-stream", if_generation=generation)


def scorer(weight: float) -> bytes:
    """Return the bytes of a logistic regression that knows two words."""
    arrays = {
        "settings": encode_settings(
            {
                "format": FORMAT,
                "kind": "logistic",
                "lowercase": True,
                "ngram_min": 1,
                "ngram_max": 1,
                "sublinear_tf": False,
                "binary": False,
                "norm": "l2",
                "single_precision": False,
            }
        ),
        "idf": np.array([1.0, 1.5]),
        "coefficients": np.array([[[-weight, weight]]]),
        "intercepts": np.array([[0.25]]),
    }
    for name, strings in (("labels", ["neg", "pos"]), ("vocabulary", ["bad", "good"]), ("stop_words", [])):
        arrays[f"{name}_bytes"], arrays[f"{name}_offsets"] = encode_strings(strings)
    return pack(arrays)


def build(version: str = "v1", *, name: str = "logistic_regression", weight: float = 2.0) -> Version:
    """Return a sound version; `weight` is how sure the model is."""
    data = scorer(weight)
    scores = unpack(data).score(list(GOLDEN_TEXTS))
    golden = [Golden(text, scores.labels[i], scores.confidence(i)) for i, text in enumerate(GOLDEN_TEXTS)]
    manifest = ModelManifest(
        name=name,
        version=version,
        labels=["neg", "pos"],
        files={
            COMPILED: StoredFile(size=len(data), sha256=sha256(data)),
            "model.skops": StoredFile(size=1, sha256=sha256(b"-")),
        },
        vectoriser={"type": "TfidfVectorizer"},
        classifier={"type": "LogisticRegression"},
        golden=golden,
        metrics={"accuracy": 1.0},
        data=Split("made.csv", sha256(b""), rows_read=2, rows_dropped={}, rows_train=1, rows_test=1),
        profile=Profile({"neg": 0.5, "pos": 0.5}, [], 2.0),
        scikit_learn="none",
    )
    return Version(manifest, {COMPILED: data, "model.skops": b"-"})


@dataclass
class Bucket:
    """A models bucket in memory, the clock of its store, and the store, which looks at aliases every 5 seconds."""

    objects: MemoryObjects = field(default_factory=MemoryObjects)
    clock: Clock = field(default_factory=Clock)
    store: ModelStore = field(init=False)

    def __post_init__(self) -> None:
        self.store = self.store_over(self.objects)

    def store_over(self, objects: Objects) -> ModelStore:
        return ModelStore(objects, check_every_s=5.0, now=self.clock)

    def add(self, version: str = "v1") -> Version:
        return build(version).store(self.objects)

    def promote(self, version: str = "v1") -> Version:
        return self.add(version).promote(self.objects)

    def write(self, name: str, data: bytes) -> None:
        put(self.objects, name, data)

    def served(self) -> str:
        """Return the version that a request gets that names none."""
        return self.store.resolve(None, None).version


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()
