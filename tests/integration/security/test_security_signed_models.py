"""With a public key set, the worker's model store serves signed versions only; each attack ends as a refusal."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cloud.faults import Fault, Faults
from cloud.faulty import FaultyObjects
from cloud.memory import MemoryObjects
from cloud.objects import ObjectInfo, TransientError
from cloud.signature_bundle import SIGNATURE
from cloud.signatures import SignatureVerifier
from schemas.codec import encode
from schemas.errors import InvalidInput
from tests.integration.security.signing_keys import Keys
from tests.unit.models.conftest import Bucket, Version, build
from worker.core.envelope import Envelope
from worker.core.model_files import COMPILED, MANIFEST, sha256
from worker.core.naming import model_file
from worker.models import ModelStore, ModelUnavailable
from worker.process import process
from worker.results import ResultsStore

ROOT = Path(__file__).resolve().parents[3]
NAME = "logistic_regression"


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path, "ours")


@pytest.fixture
def theirs(tmp_path: Path) -> Keys:
    return Keys(tmp_path, "theirs")


def files_of(version: Version) -> dict[str, bytes]:
    return {**version.files, MANIFEST: encode(version.manifest)}


def place(version: str, file: str) -> str:
    return model_file(NAME, version, file)


class SignedBucket(Bucket):
    """A bucket whose store asks for signatures of one key."""

    def sign(self, version: Version, keys: Keys, files: dict[str, bytes] | None = None) -> None:
        signature = keys.signer().sign(files or files_of(version), name="x")
        self.write(place(version.manifest.version, SIGNATURE), signature)

    def store_of(self, verifier: SignatureVerifier) -> ModelStore:
        return ModelStore(self.objects, check_every_s=5.0, now=self.clock, signatures=verifier)

    def signature(self, version: str) -> bytes:
        return self.objects.get(place(version, SIGNATURE))[0]


@pytest.fixture
def bucket(keys: Keys) -> SignedBucket:
    """With one signed version, `v1`, which is current."""
    made = SignedBucket()
    made.sign(made.promote("v1"), keys)
    return made


Attack = Callable[[SignedBucket, Keys, Keys], None]
"""Makes `v2` of the bucket current, which must not be served. Is given the trusted key and another one."""


def unsigned(bucket: SignedBucket, _ours: Keys, _theirs: Keys) -> None:
    bucket.promote("v2")


def another_key(bucket: SignedBucket, _ours: Keys, theirs: Keys) -> None:
    bucket.sign(bucket.promote("v2"), theirs)


def another_key_that_claims_to_be_ours(bucket: SignedBucket, ours: Keys, theirs: Keys) -> None:
    another_key(bucket, ours, theirs)
    signature = bucket.signature("v2").decode()
    claimed = signature.replace(theirs.verifier().key_id, ours.verifier().key_id)
    assert claimed != signature
    bucket.write(place("v2", SIGNATURE), claimed.encode())


def signature_of_another_version(bucket: SignedBucket, _ours: Keys, _theirs: Keys) -> None:
    bucket.promote("v2")
    bucket.write(place("v2", SIGNATURE), bucket.signature("v1"))


def another_version_under_this_name(bucket: SignedBucket, _ours: Keys, _theirs: Keys) -> None:
    """All files of `v1`, with its signature, which is true."""
    first = build("v1")
    for file, data in {**files_of(first), SIGNATURE: bucket.signature("v1")}.items():
        bucket.write(place("v2", file), data)
    alias = f'{{"version":"v2","manifest_sha256":"{sha256(encode(first.manifest))}"}}'
    bucket.write(f"models/{NAME}_model/current.json", alias.encode())


def changed_manifest(bucket: SignedBucket, ours: Keys, _theirs: Keys) -> None:
    """Everything fits together: the alias has the digest of the new manifest."""
    version = bucket.add("v2")
    bucket.sign(version, ours)
    version.change(metrics={"accuracy": 0.5}).store(bucket.objects).promote(bucket.objects)


def changed_model(bucket: SignedBucket, ours: Keys, _theirs: Keys) -> None:
    """Another sound model with its manifest and alias: what only a signature can tell."""
    bucket.sign(bucket.add("v2"), ours)
    build("v2", weight=-2.0).store(bucket.objects).promote(bucket.objects)


def changed_file(bucket: SignedBucket, ours: Keys, _theirs: Keys) -> None:
    bucket.sign(bucket.promote("v2"), ours)
    bucket.write(place("v2", COMPILED), build(weight=3.0).files[COMPILED])


def missing_file(bucket: SignedBucket, ours: Keys, _theirs: Keys) -> None:
    bucket.sign(bucket.promote("v2"), ours)
    bucket.objects.delete(place("v2", COMPILED))


def manifest_left_out(bucket: SignedBucket, ours: Keys, _theirs: Keys) -> None:
    version = bucket.promote("v2")
    bucket.sign(version, ours, version.files)


def file_left_out(bucket: SignedBucket, ours: Keys, _theirs: Keys) -> None:
    """A file that the manifest lists and this worker would never open."""
    version = bucket.promote("v2")
    bucket.sign(version, ours, {file: data for file, data in files_of(version).items() if file != "model.skops"})


def rubbish(bucket: SignedBucket, _ours: Keys, _theirs: Keys) -> None:
    bucket.promote("v2")
    bucket.write(place("v2", SIGNATURE), b"trust me")


ATTACKS: list[tuple[Attack, str]] = [
    (unsigned, "signature_missing"),
    (another_key, "signature_other_key"),
    (another_key_that_claims_to_be_ours, "signature_invalid"),
    (signature_of_another_version, "signature_mismatch"),
    (another_version_under_this_name, "belongs to another model or version"),
    (changed_manifest, "signature_mismatch"),
    (changed_model, "signature_mismatch"),
    (changed_file, "signature_mismatch"),
    (missing_file, "signature_mismatch"),
    (manifest_left_out, "signature_mismatch"),
    (file_left_out, "does not cover model.skops"),
    (rubbish, "signature_unreadable"),
]
attacks = pytest.mark.parametrize("case", ATTACKS, ids=[attack.__name__ for attack, _ in ATTACKS])


@pytest.mark.usefixtures("socket_disabled")
def test_a_signed_version_is_served_and_nothing_is_asked_of_a_network(bucket: SignedBucket, keys: Keys) -> None:
    model = bucket.store_of(keys.verifier()).resolve(None, None)
    assert (model.version, model.score(["good"]).labels) == ("v1", ["pos"])
    assert bucket.store_of(keys.verifier()).resolve(None, "v1").version == "v1"


@attacks
def test_an_attack_is_refused_with_its_reason_and_a_log_line(
    bucket: SignedBucket, keys: Keys, theirs: Keys, caplog: pytest.LogCaptureFixture, case: tuple[Attack, str]
) -> None:
    attack, reason = case
    running = bucket.store_of(keys.verifier())
    assert running.resolve(None, None).version == "v1"
    attack(bucket, keys, theirs)
    for version in (None, "v2"):
        with pytest.raises(ModelUnavailable, match=reason):
            bucket.store_of(keys.verifier()).resolve(None, version)
    bucket.clock.seconds += 5
    caplog.clear()
    assert running.resolve(None, None).version == "v1", "the last good version goes on"
    assert [record for record in caplog.records if reason in record.getMessage() and record.levelno == logging.ERROR]


@attacks
def test_only_signatures_stop_what_fits_together(
    bucket: SignedBucket, keys: Keys, theirs: Keys, case: tuple[Attack, str]
) -> None:
    """Without a key, the attacks that leave a whole version are served: the tests above show what signatures do."""
    attack, reason = case
    attack(bucket, keys, theirs)
    if attack in {another_version_under_this_name, changed_file, missing_file}:
        with pytest.raises(ModelUnavailable) as caught:
            bucket.store.resolve(None, None)
        assert "signature" not in str(caught.value)
    else:
        assert bucket.store.resolve(None, None).version == "v2", reason


def test_a_request_for_an_untrusted_model_is_given_back_and_its_neighbours_are_scored(
    bucket: SignedBucket, keys: Keys
) -> None:
    bucket.add("v2")
    bodies = [b'{"id":"a","text":"good"}', b'{"id":"b","text":"good","version":"v2"}']
    batch = [Envelope(str(place), body, {}, "2026-01-31T12:00:00.000000Z") for place, body in enumerate(bodies)]
    results = MemoryObjects()
    assert process(batch, bucket.store_of(keys.verifier()), ResultsStore(results)) == {0}
    (stored,) = results.listing("")
    assert stored.name.startswith("reviews/")


def test_a_version_that_is_not_stored_is_the_requests_fault(bucket: SignedBucket, keys: Keys) -> None:
    with pytest.raises(InvalidInput) as caught:
        bucket.store_of(keys.verifier()).resolve(None, "v9")
    assert caught.value.code == "unknown_version"


class WatchedObjects(FaultyObjects):
    """A bucket that remembers what was read of it, in order."""

    def __init__(self, inner: MemoryObjects) -> None:
        super().__init__(inner, Faults())
        self.reads: list[str] = []

    def get(self, name: str, *, generation: int | None = None) -> tuple[bytes, ObjectInfo]:
        self.reads.append(name.rpartition("/")[2])
        return super().get(name, generation=generation)

    def stream(self, name: str, *, generation: int, start: int = 0) -> Iterator[bytes]:
        self.reads.append(name.rpartition("/")[2])
        return super().stream(name, generation=generation, start=start)

    def read(self, name: str, *, generation: int, start: int, length: int) -> bytes:
        self.reads.append(name.rpartition("/")[2])
        return super().read(name, generation=generation, start=start, length=length)


def test_the_signature_is_read_first_and_every_file_once(bucket: SignedBucket, keys: Keys) -> None:
    """A file that is read once cannot be another one when it is used."""
    watched = WatchedObjects(bucket.objects)
    store = ModelStore(watched, check_every_s=5.0, now=bucket.clock, signatures=keys.verifier())
    assert store.resolve(None, "v1").version == "v1"
    assert watched.reads[0] == SIGNATURE
    assert sorted(watched.reads) == sorted([SIGNATURE, MANIFEST, COMPILED, "model.skops"])


def test_of_a_version_without_our_signature_nothing_else_is_read(
    bucket: SignedBucket, keys: Keys, theirs: Keys
) -> None:
    another_key(bucket, keys, theirs)
    bucket.add("v3")
    watched = WatchedObjects(bucket.objects)
    store = ModelStore(watched, check_every_s=5.0, now=bucket.clock, signatures=keys.verifier())
    for version in ("v2", "v3"):
        with pytest.raises(ModelUnavailable):
            store.resolve(None, version)
    assert set(watched.reads) == {SIGNATURE}


def test_a_bucket_that_fails_is_no_verdict_on_the_model(bucket: SignedBucket, keys: Keys) -> None:
    for method in ("info", "get", "stream"):
        faults = Faults(Fault(method, "before"))
        store = ModelStore(
            FaultyObjects(bucket.objects, faults), check_every_s=5.0, now=bucket.clock, signatures=keys.verifier()
        )
        with pytest.raises(TransientError) as caught:
            store.resolve(None, "v1")
        assert not isinstance(caught.value, ModelUnavailable)
        assert not faults.unfired()
        assert store.resolve(None, "v1").version == "v1"


@pytest.fixture
def without_the_extra(tmp_path: Path) -> dict[str, str]:
    """The environment of a process in which the package is not installed."""
    shadow = tmp_path / "shadow"
    shadow.mkdir()
    (shadow / "model_signing.py").write_text("raise ModuleNotFoundError('gone', name='model_signing')\n")
    path = os.pathsep.join([str(shadow), str(ROOT), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path, "REVIEWMILL_MODELS": str(tmp_path / "models")}


@pytest.mark.parametrize(
    "command",
    [["worker"], ["score", "reviews.csv"], ["models", "show", "linear_svc"], ["models", "promote", "linear_svc", "v1"]],
)
def test_a_key_without_the_extra_is_said_at_the_start(
    without_the_extra: dict[str, str], tmp_path: Path, keys: Keys, command: list[str]
) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "reviews.csv").write_text("id,text\n1,good\n")
    done = subprocess.run(
        [sys.executable, "-m", "reviewmill", *command],
        env={**without_the_extra, "REVIEWMILL_MODEL_PUBLIC_KEY": str(keys.public)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "REVIEWMILL_MODEL_PUBLIC_KEY is set, but the package model-signing cannot be imported" in done.stderr
    assert "pip install 'reviewmill[signing]'" in done.stderr
    assert "Traceback" not in done.stderr
