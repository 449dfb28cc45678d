"""Which version is served while the bucket changes."""

from __future__ import annotations

import logging
from collections.abc import Callable

import msgspec
import pytest

from cloud.faults import Fault, Faults
from cloud.faulty import FaultyObjects
from cloud.objects import TransientError
from schemas.codec import encode
from schemas.errors import InvalidInput
from schemas.models import Alias
from tests.unit.models.conftest import Bucket, Version, build
from worker.core.model_files import COMPILED, MANIFEST, sha256
from worker.core.naming import model_alias, model_file
from worker.models import ModelUnavailable

MODEL = "logistic_regression"

Break = Callable[[Version, Bucket], None]


def _tampered_scorer(version: Version, bucket: Bucket) -> None:
    data = bytearray(version.files[COMPILED])
    data[len(data) // 2] ^= 1
    bucket.write(model_file(MODEL, version.manifest.version, COMPILED), bytes(data))


def _truncated_scorer(version: Version, bucket: Bucket) -> None:
    bucket.write(model_file(MODEL, version.manifest.version, COMPILED), version.files[COMPILED][:-1])


def _larger_scorer(version: Version, bucket: Bucket) -> None:
    bucket.write(model_file(MODEL, version.manifest.version, COMPILED), version.files[COMPILED] + b"\0")


def _no_scorer(version: Version, bucket: Bucket) -> None:
    bucket.objects.delete(model_file(MODEL, version.manifest.version, COMPILED))


def _other_manifest(version: Version, bucket: Bucket) -> None:
    version.change(scikit_learn="other")
    bucket.write(model_file(MODEL, version.manifest.version, MANIFEST), encode(version.manifest))


def _no_manifest(version: Version, bucket: Bucket) -> None:
    bucket.objects.delete(model_file(MODEL, version.manifest.version, MANIFEST))


def _alias_without_sense(version: Version, bucket: Bucket) -> None:
    del version
    bucket.write(model_alias(MODEL), b'{"version": 1}')


def _alias_with_a_path(version: Version, bucket: Bucket) -> None:
    del version
    bucket.write(model_alias(MODEL), b'{"version": "../v1", "manifest_sha256": "' + b"0" * 64 + b'"}')


def _manifest_of(**changes: object) -> Break:
    """Break what the manifest says, with an alias that vouches for it."""

    def apply(version: Version, bucket: Bucket) -> None:
        name = model_file(MODEL, version.manifest.version, MANIFEST)
        stored_as = version.manifest.version
        data = encode(version.change(**changes).manifest)
        bucket.write(name, data)
        bucket.write(model_alias(MODEL), encode(Alias(version=stored_as, manifest_sha256=sha256(data))))

    return apply


def _golden(**changes: object) -> Break:
    def apply(version: Version, bucket: Bucket) -> None:
        first, *rest = version.manifest.golden
        _manifest_of(golden=[msgspec.structs.replace(first, **changes), *rest])(version, bucket)

    return apply


def _junk_manifest(version: Version, bucket: Bucket) -> None:
    bucket.write(model_file(MODEL, version.manifest.version, MANIFEST), b"[]")
    bucket.write(
        model_alias(MODEL),
        encode(Alias(version=version.manifest.version, manifest_sha256=sha256(b"[]"))),
    )


BREAKS: dict[str, tuple[Break, str]] = {
    "tampered scorer": (_tampered_scorer, "SHA-256 of scorer.npz"),
    "truncated scorer": (_truncated_scorer, "bytes instead of"),
    "larger scorer": (_larger_scorer, "bytes instead of"),
    "no scorer": (_no_scorer, "scorer.npz is missing"),
    "manifest unlike the alias": (_other_manifest, "not the one that the alias was set to"),
    "no manifest": (_no_manifest, "has no version v"),
    "alias without sense": (_alias_without_sense, "cannot be followed"),
    "alias with a path": (_alias_with_a_path, "cannot be followed"),
    "junk manifest": (_junk_manifest, "manifest.json is not valid"),
    "another model's manifest": (_manifest_of(name="linear_svc"), "another model or version"),
    "another version's manifest": (_manifest_of(version="v9"), "another model or version"),
    "other labels": (_manifest_of(labels=["no", "yes"]), "labels"),
    "golden label": (_golden(label="neg", probability=0.5), "golden example 1 of 5 is not reproduced: the label"),
    "golden probability": (_golden(probability=0.123), "golden example 1 of 5 is not reproduced: the probability"),
    "no golden probability": (_golden(probability=None), "golden example 1 of 5 is not reproduced: the probability"),
}

broken = pytest.mark.parametrize(("damage", "sentence"), BREAKS.values(), ids=BREAKS.keys())


@broken
def test_a_bad_model_is_refused_at_the_start(bucket: Bucket, damage: Break, sentence: str) -> None:
    damage(bucket.promote(), bucket)
    with pytest.raises(ModelUnavailable, match=sentence):
        bucket.served()


@broken
def test_the_last_good_model_goes_on_when_the_new_one_is_bad(
    bucket: Bucket, damage: Break, sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    bucket.promote("v1")
    assert bucket.served() == "v1"
    damage(bucket.promote("v2"), bucket)
    for _ in range(3):
        bucket.clock.seconds += 6
        assert bucket.served() == "v1"
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1, "a refused version is tried once"
    assert sentence in errors[0]
    assert "version v1 goes on" in errors[0]
    assert not any(text in caplog.text for text in ("good film", "bad film", "so so"))

    bucket.promote("v3")
    bucket.clock.seconds += 6
    assert bucket.served() == "v3"


def test_a_new_version_is_seen_at_the_next_check_and_not_before(bucket: Bucket) -> None:
    bucket.promote("v1")
    before = bucket.store.resolve(None, None)
    build("v2", weight=3.0).store(bucket.objects).promote(bucket.objects)
    bucket.clock.seconds += 4.9
    assert bucket.store.resolve(None, None) is before
    bucket.clock.seconds += 0.2
    after = bucket.store.resolve(None, None)
    assert after.version == "v2"
    assert after.score(["good"]).confidence(0) != before.score(["good"]).confidence(0)


def test_a_model_without_an_alias_is_unavailable_until_it_has_one(bucket: Bucket) -> None:
    version = bucket.add()
    with pytest.raises(ModelUnavailable, match="no current version of logistic_regression"):
        bucket.served()
    version.promote(bucket.objects)
    assert bucket.served() == "v1"


def test_a_deleted_alias_leaves_the_last_good_model(bucket: Bucket, caplog: pytest.LogCaptureFixture) -> None:
    bucket.promote()
    bucket.served()
    bucket.objects.delete(model_alias(MODEL))
    bucket.clock.seconds += 6
    assert bucket.served() == "v1"
    assert "version v1 goes on" in caplog.text


@pytest.mark.parametrize("method", ["get", "info"])
def test_a_storage_error_at_the_start_is_transient_and_the_next_try_loads(bucket: Bucket, method: str) -> None:
    bucket.promote()
    faults = Faults(Fault(method, "before"))
    store = bucket.store_over(FaultyObjects(bucket.objects, faults))
    with pytest.raises(TransientError) as error:
        store.resolve(None, None)
    assert not isinstance(error.value, ModelUnavailable), "the model is sound; only storage failed"
    assert store.resolve(None, None).version == "v1"
    assert not faults.unfired()


# `info`: manifest, scorer; then alias, manifest, scorer. `get`: alias, manifest, scorer; then the same again.
@pytest.mark.parametrize(
    ("method", "call"), [("info", 3), ("info", 4), ("info", 5), ("get", 4), ("get", 5), ("get", 6)]
)
def test_a_storage_error_while_running_is_tried_again_at_the_next_check(bucket: Bucket, method: str, call: int) -> None:
    bucket.promote("v1")
    faults = Faults(Fault(method, "before", first=call))
    store = bucket.store_over(FaultyObjects(bucket.objects, faults))
    store.resolve(None, None)
    bucket.promote("v2")
    bucket.clock.seconds += 6
    assert store.resolve(None, None).version == "v1"
    assert not faults.unfired()
    bucket.clock.seconds += 6
    assert store.resolve(None, None).version == "v2"


def test_a_version_that_a_request_named_too_early_can_be_promoted(bucket: Bucket) -> None:
    bucket.promote("v1")
    bucket.served()
    bucket.clock.seconds += 4
    with pytest.raises(InvalidInput, match="unknown_version"):
        bucket.store.resolve(None, "v2")
    bucket.promote("v2")
    bucket.clock.seconds += 2
    assert bucket.served() == "v2"
