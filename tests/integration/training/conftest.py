"""Classifiers trained once on a part of the sample that ships with the program."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from cloud.memory import MemoryObjects
from cloud.objects import Objects
from schemas.jobs import Dialect
from schemas.names import MODEL_NAMES
from training.columns import Wanted
from training.load import load
from training.source import SAMPLE, Source
from training.train import Prepared, Trained, prepare, train

TODAY = date(2026, 1, 31)
ROWS = 400


@dataclass(frozen=True, slots=True)
class Trainings:
    """Three trained classifiers, what they were made from, and where they are."""

    data: bytes
    prepared: Prepared
    objects: MemoryObjects
    trained: dict[str, Trained]


def small_sample() -> bytes:
    """Return the first rows of the sample; none of them spans lines."""
    return b"\n".join(SAMPLE.read_bytes().split(b"\n")[: ROWS + 1]) + b"\n"


def prepared_from(data: bytes, *, seed: int = 0) -> Prepared:
    loaded = load(Source("small.csv", lambda: iter([data])), Dialect(), Wanted())
    return prepare(loaded, "small.csv", seed=seed)


def train_into(objects: Objects, name: str, prepared: Prepared, *, seed: int = 0, set_current: bool = True) -> Trained:
    return train(objects, name, prepared, seed=seed, today=TODAY, set_current=set_current)


@pytest.fixture(scope="session")
def trainings() -> Trainings:
    """Read only: tests that write train into a bucket of their own."""
    data = small_sample()
    prepared = prepared_from(data)
    objects = MemoryObjects()
    return Trainings(data, prepared, objects, {name: train_into(objects, name, prepared) for name in MODEL_NAMES})


@pytest.fixture
def data_file(tmp_path: Path) -> Path:
    path = tmp_path / "reviews.csv"
    path.write_bytes(small_sample())
    return path
