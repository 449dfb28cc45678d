"""Which version is current: promotion, rollback, races."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from cloud.faults import Faults
from cloud.faulty import FaultyObjects
from cloud.memory import MemoryObjects
from cloud.objects import ObjectInfo
from schemas.codec import encode
from schemas.errors import InvalidInput
from schemas.models import Alias
from tests.integration.training.conftest import Trainings, prepared_from, train_into
from training.errors import AliasMoved
from training.promote import promote, rollback
from training.registry import current, point, versions
from worker.core.compiled_errors import InvalidModel
from worker.core.naming import model_alias, model_file

MODEL = "decision_tree"


@pytest.fixture(scope="session")
def two(trainings: Trainings) -> tuple[MemoryObjects, str, str]:
    """A bucket with two versions, of which neither is current."""
    objects = MemoryObjects()
    made = [train_into(objects, MODEL, prepared_from(trainings.data, seed=seed), set_current=False) for seed in (0, 1)]
    first, second = (one.export.manifest.version for one in made)
    return objects, first, second


@pytest.fixture
def objects(two: tuple[MemoryObjects, str, str]) -> MemoryObjects:
    bucket = two[0]
    bucket.delete(model_alias(MODEL))
    return bucket


def now(objects: MemoryObjects) -> str | None:
    alias, _ = current(objects, MODEL)
    return alias.version if alias else None


def test_training_without_promotion_leaves_the_alias(two: tuple[MemoryObjects, str, str]) -> None:
    objects, first, second = two
    assert list(versions(objects, MODEL)) == sorted([first, second])
    assert now(objects) is None


def test_rollback_goes_to_the_version_before_and_twice_returns(
    objects: MemoryObjects, two: tuple[MemoryObjects, str, str]
) -> None:
    _, first, second = two
    promote(objects, MODEL, first)
    promote(objects, MODEL, second)
    assert now(objects) == second
    assert rollback(objects, MODEL).version == first
    assert now(objects) == first
    assert rollback(objects, MODEL).version == second


def test_promoting_the_current_version_changes_nothing(
    objects: MemoryObjects, two: tuple[MemoryObjects, str, str]
) -> None:
    _, first, second = two
    promote(objects, MODEL, first)
    promote(objects, MODEL, second)
    generation = objects.info(model_alias(MODEL)).generation
    promote(objects, MODEL, second)
    assert objects.info(model_alias(MODEL)).generation == generation
    assert rollback(objects, MODEL).version == first, "the version before is not forgotten"


def test_there_must_be_something_to_roll_back_to(objects: MemoryObjects, two: tuple[MemoryObjects, str, str]) -> None:
    for prepare in (lambda: None, lambda: promote(objects, MODEL, two[1])):
        prepare()
        with pytest.raises(InvalidInput) as error:
            rollback(objects, MODEL)
        assert error.value.code == "nothing_to_roll_back"


def test_an_unknown_version_cannot_be_promoted(objects: MemoryObjects) -> None:
    with pytest.raises(InvalidInput) as error:
        promote(objects, MODEL, "20260131-000000000000")
    assert error.value.code == "unknown_version"
    assert now(objects) is None


@pytest.mark.parametrize("file", ["model.skops", "scorer.npz"])
def test_a_damaged_version_cannot_be_promoted(
    objects: MemoryObjects, two: tuple[MemoryObjects, str, str], file: str
) -> None:
    _, first, _ = two
    name = model_file(MODEL, first, file)
    data, info = objects.get(name)
    objects.put(name, data[:-1] + b"?", content_type="a/b", if_generation=info.generation)
    try:
        with pytest.raises(InvalidModel, match="SHA-256"):
            promote(objects, MODEL, first)
        objects.delete(name)
        with pytest.raises(InvalidModel, match="missing"):
            promote(objects, MODEL, first)
        assert now(objects) is None
    finally:
        objects.delete(name)
        objects.put(name, data, content_type="a/b", if_generation=0)


class RacedObjects(FaultyObjects):
    """A bucket in which another process moves the alias just before each of our writes."""

    def __init__(self, inner: MemoryObjects, alias: Alias) -> None:
        super().__init__(inner, Faults())
        self._bucket = inner
        self._alias = alias

    def put(
        self,
        name: str,
        data: bytes,
        *,
        content_type: str,
        if_generation: int,
        metadata: Mapping[str, str] | None = None,
    ) -> ObjectInfo:
        self._bucket.put(name, encode(self._alias), content_type=content_type, if_generation=if_generation)
        return super().put(name, data, content_type=content_type, if_generation=if_generation, metadata=metadata)


def test_of_two_that_move_the_alias_at_once_one_is_told(
    objects: MemoryObjects, two: tuple[MemoryObjects, str, str]
) -> None:
    _, first, second = two
    theirs = Alias(version=second, manifest_sha256="0" * 64)
    with pytest.raises(AliasMoved, match="run the command again"):
        point(RacedObjects(objects, theirs), MODEL, first, "1" * 64)
    assert now(objects) == second
