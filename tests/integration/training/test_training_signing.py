"""Signing as it is run: at training, of stored versions, and what the other commands make of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloud.faults import Fault, Faults
from cloud.faulty import FaultyObjects
from cloud.folder import FolderObjects
from cloud.memory import MemoryObjects
from cloud.objects import ContentConflict, TransientError
from cloud.signature_bundle import SIGNATURE
from tests.integration.security.signing_keys import Keys
from tests.integration.training.conftest import Trainings
from training import command, models_command
from training.registry import current, store
from training.signing import sign_stored
from worker.core.naming import model_file
from worker.score_file import main as score

MODEL = "decision_tree"
KEY = "REVIEWMILL_MODEL_PUBLIC_KEY"


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path, "ours")


@pytest.fixture
def theirs(tmp_path: Path) -> Keys:
    return Keys(tmp_path, "theirs")


def train(data: Path, bucket: Path, *more: object) -> int:
    return command.main([str(one) for one in (data, "--models", bucket, "--classifier", MODEL, *more)])


def models(bucket: Path, action: str, *more: object) -> int:
    return models_command.main([str(one) for one in (action, MODEL, *more, "--models", bucket)])


def version_in(bucket: Path) -> str:
    alias, _ = current(FolderObjects(bucket), MODEL)
    assert alias is not None
    return alias.version


def signature_in(bucket: Path) -> Path:
    return bucket / model_file(MODEL, version_in(bucket), SIGNATURE)


def test_a_version_is_signed_when_it_is_trained_then_shown_and_scored_with(
    data_file: Path,
    bucket: Path,
    keys: Keys,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(KEY, str(keys.public))
    assert train(data_file, bucket, "--sign-key", keys.private) == 0
    signature = signature_in(bucket).read_bytes()
    assert train(data_file, bucket, "--sign-key", keys.private) == 0
    assert signature_in(bucket).read_bytes() == signature, "the same version keeps its signature"
    capsys.readouterr()

    assert models(bucket, "show") == 0
    assert f"signature:                  signed with the key {keys.verifier().key_id}" in capsys.readouterr().out
    assert models(bucket, "promote", version_in(bucket)) == 0
    assert score([str(data_file), "--models", str(bucket), "--model", MODEL, "--format", "jsonl"]) == 0
    assert version_in(bucket) in capsys.readouterr().out


def test_a_stored_version_is_signed_once(
    data_file: Path, bucket: Path, keys: Keys, theirs: Keys, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(data_file, bucket) == 0
    assert not signature_in(bucket).exists()
    assert models(bucket, "sign", "--key", keys.private) == 0
    assert f"is signed now, with the key {keys.verifier().key_id}" in capsys.readouterr().out
    signature = signature_in(bucket).read_bytes()
    assert models(bucket, "sign", version_in(bucket), "--key", keys.private) == 0
    assert "was signed already" in capsys.readouterr().out
    assert models(bucket, "sign", "--key", theirs.private) == 1
    said = capsys.readouterr().err
    assert "signature_other_key" in said
    assert "Signatures are never replaced" in said
    assert signature_in(bucket).read_bytes() == signature


def test_what_is_not_signed_is_neither_shown_as_such_nor_promoted_nor_scored_with(
    data_file: Path,
    bucket: Path,
    keys: Keys,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert train(data_file, bucket) == 0
    assert models(bucket, "show") == 0
    assert "signature" not in capsys.readouterr().out, "nobody asks for signatures without a key"
    monkeypatch.setenv(KEY, str(keys.public))
    assert models(bucket, "show") == 0
    assert "signature:                  not signed: there is no model.sig" in capsys.readouterr().out
    assert models(bucket, "promote", version_in(bucket)) == 1
    assert "signature_missing" in capsys.readouterr().err
    assert score([str(data_file), "--models", str(bucket), "--model", MODEL]) == 2
    out, err = capsys.readouterr()
    assert "signature_missing" in err
    assert not out

    signature_in(bucket).write_bytes(b"rubbish")
    assert models(bucket, "show") == 0
    assert "signature:                  invalid: model.sig is not what" in capsys.readouterr().out


def test_training_for_workers_that_ask_for_signatures_needs_their_key(
    data_file: Path, keys: Keys, theirs: Keys, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bucket = data_file.parent / "models"
    monkeypatch.setenv(KEY, str(keys.public))
    for more, sentence in [
        ((), "Give --sign-key KEY.pem, or --no-promote"),
        (("--sign-key", theirs.private), "is not the private key of"),
        (("--sign-key", keys.public), "holds no private key in PEM"),
    ]:
        assert train(data_file, bucket, *more) == 2
        said = capsys.readouterr().err
        assert sentence in said
        assert "Training" not in said
        assert not bucket.exists()
    assert train(data_file, bucket, "--no-promote") == 0


def test_a_damaged_or_unknown_version_is_not_signed(
    data_file: Path, bucket: Path, keys: Keys, capsys: pytest.CaptureFixture[str]
) -> None:
    assert models(bucket, "sign", "--key", keys.private) == 2
    assert "no current version" in capsys.readouterr().err
    assert train(data_file, bucket) == 0
    assert models(bucket, "sign", "v1", "--key", keys.private) == 2
    assert "holds no version 'v1'" in capsys.readouterr().err
    signature_in(bucket).with_name("model.skops").write_bytes(b"other")
    assert models(bucket, "sign", "--key", keys.private) == 1
    assert "model.skops has 5 bytes instead of" in capsys.readouterr().err
    assert not signature_in(bucket).exists()


@pytest.mark.parametrize("kind", ["before", "lost_answer", "repeated"])
def test_a_broken_upload_of_a_signature_can_be_run_again(trainings: Trainings, keys: Keys, kind: str) -> None:
    objects = MemoryObjects()
    made = trainings.trained[MODEL].export
    store(objects, made)
    version = made.manifest.version
    faults = Faults(Fault("put", kind))  # type: ignore[arg-type] # the parameters are the three words
    try:
        assert sign_stored(FaultyObjects(objects, faults), MODEL, version, keys.signer())
    except TransientError:
        assert sign_stored(objects, MODEL, version, keys.signer()) == (kind == "before")
    assert not faults.unfired()
    assert not sign_stored(objects, MODEL, version, keys.signer())


def test_of_two_keys_that_sign_at_once_the_second_is_told(trainings: Trainings, keys: Keys, theirs: Keys) -> None:
    objects = MemoryObjects()
    made = trainings.trained[MODEL].export
    store(objects, made)

    class Raced(FaultyObjects):
        """Another process signs just before our write."""

        def put(self, name: str, data: bytes, **more: object) -> object:  # type: ignore[override] # passes all on
            sign_stored(objects, MODEL, made.manifest.version, theirs.signer())
            return super().put(name, data, **more)  # type: ignore[arg-type]

    with pytest.raises(ContentConflict):
        sign_stored(Raced(objects, Faults()), MODEL, made.manifest.version, keys.signer())  # type: ignore[arg-type]
