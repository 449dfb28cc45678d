"""Signatures over a folder: what the adapter accepts and refuses, and that others can read and make them."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from model_signing import signing, verifying

from cloud.faults import Faults
from cloud.faulty import FaultyObjects
from cloud.memory import MemoryObjects
from cloud.objects import ObjectInfo, TransientError
from cloud.once import put_once
from cloud.signature_bundle import MAX_SIGNATURE_BYTES, SIGNATURE, SignatureRefused, decode_bundle
from cloud.signatures import KeyUnusable, SignatureVerifier, open_signer, open_verifier
from cloud.signed_folder import MAX_COPY_BYTES, verified_copy
from tests.integration.security.signing_keys import Keys, payload_of, write_files

FILES = {"manifest.json": b'{"a": 1}', "scorer.npz": b"\0\1\2" * 1000}
FOLDER = "models/some/versions/v1/"

Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path, "ours")


def bucket_of(files: dict[str, bytes], signature: bytes | None = None) -> MemoryObjects:
    objects = MemoryObjects()
    for name, data in {**files, **({} if signature is None else {SIGNATURE: signature})}.items():
        put_once(objects, FOLDER + name, data, content_type="a/b")
    return objects


def refusal(objects: MemoryObjects, verifier: SignatureVerifier) -> str:
    with pytest.raises(SignatureRefused) as caught, verified_copy(objects, FOLDER, verifier):
        pytest.fail("the block was entered")
    return caught.value.code


@pytest.mark.usefixtures("socket_disabled")
@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()], ids=lambda curve: curve.name)
def test_what_is_signed_is_read_as_it_was_without_any_network(tmp_path: Path, curve: ec.EllipticCurve) -> None:
    keys = Keys(tmp_path, "curve", ec.generate_private_key(curve))
    objects = bucket_of({**FILES, "notes.txt": b"nobody signed this"}, keys.signer().sign(FILES, name="x"))
    with verified_copy(objects, FOLDER, keys.verifier()) as copy:
        assert {info.name: copy.get(info.name)[0] for info in copy.listing("")} == {
            FOLDER + name: data for name, data in FILES.items()
        }


def test_the_copy_is_gone_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: Keys) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    signature = keys.signer().sign(FILES, name="x")
    with verified_copy(bucket_of(FILES, signature), FOLDER, keys.verifier()):
        assert list(scratch.iterdir())
    refusal(bucket_of({**FILES, "scorer.npz": b"other"}, signature), keys.verifier())
    assert not list(scratch.iterdir())


def test_no_room_for_the_copy_is_no_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: Keys) -> None:
    objects = bucket_of(FILES, keys.signer().sign(FILES, name="x"))
    verifier = keys.verifier()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    with pytest.raises(TransientError, match="could not be copied"), verified_copy(objects, FOLDER, verifier):
        pytest.fail("the block was entered")


def test_more_than_a_version_ever_has_is_not_copied(keys: Keys) -> None:
    """Before the signature is verified, a bucket could hold anything under the names that it gives."""
    signature = keys.signer().sign(FILES, name="x")
    objects = HugeObjects(bucket_of(FILES, signature), Faults())
    with pytest.raises(SignatureRefused) as caught, verified_copy(objects, FOLDER, keys.verifier()):
        pytest.fail("the block was entered")
    assert "more than 1,073,741,824 bytes" in caught.value.reason


class HugeObjects(FaultyObjects):
    """A bucket whose models are said to be huge, and that must not be asked for them."""

    def info(self, name: str, *, generation: int | None = None) -> ObjectInfo:
        info = super().info(name, generation=generation)
        return info if name.endswith(SIGNATURE) else replace(info, size=MAX_COPY_BYTES)

    def stream(self, name: str, *, generation: int, start: int = 0) -> Iterator[bytes]:
        raise AssertionError(f"{name} was read from {start} in generation {generation}")


def test_the_library_itself_accepts_our_signature(tmp_path: Path, keys: Keys) -> None:
    folder = tmp_path / "downloaded"
    path = write_files(folder, FILES, keys.signer().sign(FILES, name="x"))
    verifying.Config().use_elliptic_key_verifier(public_key=keys.public).verify(folder, path)


def test_a_signature_of_the_library_itself_is_accepted(tmp_path: Path, keys: Keys) -> None:
    folder = tmp_path / "made"
    path = write_files(folder, FILES, b"")
    signing.Config().use_elliptic_key_signer(private_key=keys.private).sign(folder, path)
    assert "ignore_paths" in payload_of(path.read_bytes())["predicate"]["serialization"]
    with verified_copy(bucket_of(FILES, path.read_bytes()), FOLDER, keys.verifier()) as copy:
        assert copy.get(FOLDER + "scorer.npz")[0] == FILES["scorer.npz"]


def test_a_file_that_the_signed_statement_ignores_is_not_trusted(keys: Keys) -> None:
    """The library would skip it; a file counts as signed only where its digest was compared."""
    signature = keys.signer().sign(FILES, name="x")
    statement = payload_of(signature)
    statement["predicate"]["serialization"]["ignore_paths"] = ["scorer.npz"]
    forged = keys.sign_payload(json.loads(signature), json.dumps(statement).encode())
    assert refusal(bucket_of({**FILES, "scorer.npz": b"other"}, forged), keys.verifier()) == "signature_mismatch"
    assert refusal(bucket_of(FILES, forged), keys.verifier()) == "signature_mismatch"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"scorer.npz": b"other"}, "signature_mismatch"),
        ({"manifest.json": b'{"a": 2}'}, "signature_mismatch"),
        ({"scorer.npz": None}, "signature_mismatch"),
        ({"manifest.json": None, "scorer.npz": None}, "signature_mismatch"),
        ({SIGNATURE: None}, "signature_missing"),
        ({SIGNATURE: b""}, "signature_unreadable"),
        ({SIGNATURE: b"{}"}, "signature_unreadable"),
        ({SIGNATURE: b"\xff\xfe"}, "signature_unreadable"),
        ({SIGNATURE: b"[" * 90_000}, "signature_unreadable"),
        ({SIGNATURE: b" " * (MAX_SIGNATURE_BYTES + 1)}, "signature_unreadable"),
    ],
)
def test_what_was_changed_in_the_bucket_is_refused(keys: Keys, changed: dict[str, bytes | None], code: str) -> None:
    there = {**FILES, SIGNATURE: keys.signer().sign(FILES, name="x"), **changed}
    objects = bucket_of({name: data for name, data in there.items() if data is not None})
    assert refusal(objects, keys.verifier()) == code


def test_another_key_is_refused_also_when_it_claims_to_be_ours(tmp_path: Path, keys: Keys) -> None:
    theirs = Keys(tmp_path, "theirs").signer().sign(FILES, name="x")
    assert refusal(bucket_of(FILES, theirs), keys.verifier()) == "signature_other_key"
    bundle = json.loads(theirs)
    bundle["verificationMaterial"]["publicKey"]["hint"] = keys.verifier().key_id
    assert refusal(bucket_of(FILES, json.dumps(bundle).encode()), keys.verifier()) == "signature_invalid"


def test_a_statement_that_was_changed_is_refused(keys: Keys) -> None:
    signature = keys.signer().sign(FILES, name="x")
    other = payload_of(keys.signer().sign({**FILES, "scorer.npz": b"other"}, name="x"))
    bundle = json.loads(signature)
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(json.dumps(other).encode()).decode()
    objects = bucket_of({**FILES, "scorer.npz": b"other"}, json.dumps(bundle).encode())
    assert refusal(objects, keys.verifier()) == "signature_invalid"


BUNDLES: dict[str, Change] = {
    "no hint, which the library would only warn of": lambda b: b["verificationMaterial"]["publicKey"].pop("hint"),
    "a certificate instead of a key": lambda b: b.update(verificationMaterial={"certificate": {"rawBytes": "aGk="}}),
    "no signature": lambda b: b["dsseEnvelope"].update(signatures=[]),
    "two signatures": lambda b: b["dsseEnvelope"]["signatures"].append(b["dsseEnvelope"]["signatures"][0]),
    "another payload type": lambda b: b["dsseEnvelope"].update(payloadType="text/plain"),
    "another media type": lambda b: b.update(mediaType="application/json"),
    "a payload that is no base64": lambda b: b["dsseEnvelope"].update(payload="?"),
    "numbers for objects": lambda b: b.update(dsseEnvelope=7),
}


@pytest.mark.parametrize("change", BUNDLES.values(), ids=BUNDLES)
def test_bundles_of_another_form_are_refused(keys: Keys, change: Change, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = json.loads(keys.signer().sign(FILES, name="x"))
    change(bundle)
    assert refusal(bucket_of(FILES, json.dumps(bundle).encode()), keys.verifier()) == "signature_unreadable"
    assert capsys.readouterr().out == "", "stdout belongs to results"


STATEMENTS: dict[str, Change] = {
    "a path that leads out": lambda s: s["predicate"]["resources"][0].update(name="../manifest.json"),
    "an absolute path": lambda s: s["predicate"]["resources"][0].update(name="/etc/passwd"),
    "a file in a folder": lambda s: s["predicate"]["resources"][0].update(name="a/b"),
    "a hidden file": lambda s: s["predicate"]["resources"][0].update(name=".reviewmill"),
    "itself": lambda s: s["predicate"]["resources"][0].update(name=SIGNATURE),
    "a file twice": lambda s: s["predicate"]["resources"].append(s["predicate"]["resources"][0]),
    "no file": lambda s: s["predicate"].update(resources=[]),
    "too many files": lambda s: s["predicate"].update(resources=s["predicate"]["resources"] * 10),
    "another digest": lambda s: s["predicate"]["resources"][0].update(algorithm="blake3"),
    "shards": lambda s: s["predicate"]["serialization"].update(method="shards", shard_size=10),
    "the experimental format": lambda s: s.update(predicateType="https://model_signing/Digests/v0.1"),
    "nothing of the kind": lambda s: s.clear(),
}


@pytest.mark.parametrize("change", STATEMENTS.values(), ids=STATEMENTS)
def test_statements_of_another_form_are_refused_although_the_key_signed_them(keys: Keys, change: Change) -> None:
    signature = keys.signer().sign(FILES, name="x")
    statement = payload_of(signature)
    change(statement)
    forged = keys.sign_payload(json.loads(signature), json.dumps(statement).encode())
    assert refusal(bucket_of(FILES, forged), keys.verifier()) == "signature_unreadable"


@pytest.mark.parametrize(
    "change", [lambda s: s.update(_type="another"), lambda s: s["subject"].clear(), lambda s: s.pop("subject")]
)
def test_what_only_the_library_checks_is_refused_too(keys: Keys, change: Change) -> None:
    signature = keys.signer().sign(FILES, name="x")
    statement = payload_of(signature)
    change(statement)
    forged = keys.sign_payload(json.loads(signature), json.dumps(statement).encode())
    assert refusal(bucket_of(FILES, forged), keys.verifier()) == "signature_mismatch"


def test_a_damaged_signature_is_refused_or_says_the_same(keys: Keys) -> None:
    """Whatever byte is turned: one exception, or the same files. What no signature covers may change."""
    verifier, signature = keys.verifier(), keys.signer().sign(FILES, name="x")
    chance = random.Random(7)
    refused = 0
    for _ in range(300):
        place, byte = chance.randrange(len(signature)), chance.randrange(256)
        damaged = signature[:place] + bytes([byte]) + signature[place + 1 :]
        try:
            with verified_copy(bucket_of(FILES, damaged), FOLDER, verifier):
                assert decode_bundle(damaged).digests == decode_bundle(signature).digests
        except SignatureRefused:
            refused += 1
    assert refused > 200


@pytest.mark.parametrize("folder", ["/models/v1/", "models/../v1/", "models/v1"])
def test_only_folders_of_a_bucket_are_copied(keys: Keys, folder: str) -> None:
    with pytest.raises(ValueError, match="no folder"), verified_copy(MemoryObjects(), folder, keys.verifier()):
        pytest.fail("the block was entered")


def test_no_path_asks_for_no_signatures() -> None:
    assert open_verifier("") is None
    assert open_verifier("  ") is None


def test_keys_that_cannot_be_used_say_why(tmp_path: Path, keys: Keys) -> None:
    rsa_keys = Keys(tmp_path, "rsa", rsa.generate_private_key(public_exponent=65537, key_size=2048))
    koblitz = Keys(tmp_path, "koblitz", ec.generate_private_key(ec.SECP256K1()))
    locked = Keys(tmp_path, "locked", password=b"secret")
    empty = tmp_path / "empty.pem"
    empty.touch()
    for path, sentence in [
        (tmp_path / "none.pem", "cannot be read: No such file"),
        (tmp_path, "cannot be read: Is a directory"),
        (empty, "holds no public key in PEM"),
        (keys.private, "holds no public key in PEM"),
        (rsa_keys.public, "no key on one of the curves"),
        (koblitz.public, "no key on one of the curves"),
    ]:
        with pytest.raises(KeyUnusable, match=sentence):
            open_verifier(str(path))
    for path, sentence in [
        (tmp_path / "none.pem", "cannot be read: No such file"),
        (keys.public, "holds no private key in PEM"),
        (rsa_keys.private, "no key on one of the curves"),
        (koblitz.private, "no key on one of the curves"),
        (locked.private, "is encrypted"),
    ]:
        with pytest.raises(KeyUnusable, match=sentence):
            open_signer(str(path))
