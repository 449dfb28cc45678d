"""What training stores, and that the worker's store serves it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from cloud.faults import Fault, Faults
from cloud.faulty import FaultyObjects
from cloud.folder import FolderObjects
from cloud.memory import MemoryObjects
from cloud.objects import TransientError
from schemas.models import ModelManifest
from schemas.names import MODEL_NAMES
from tests.integration.training.conftest import TODAY, Trainings, prepared_from, train_into
from training.clean import group_key
from training.compile import compile_pipeline
from training.errors import ParityError
from training.evaluate import metrics, predict
from training.export import export
from training.fit import fit
from training.parity import check_parity
from training.registry import point, store, versions
from training.report import details
from worker.core.compiled import pack, unpack
from worker.core.model_files import COMPILED, MANIFEST, sha256
from worker.core.naming import model_file
from worker.models import ModelStore

every = pytest.mark.parametrize("name", MODEL_NAMES)


def manifest_of(trainings: Trainings, name: str) -> ModelManifest:
    return trainings.trained[name].export.manifest


def store_over(objects: MemoryObjects | FolderObjects) -> ModelStore:
    return ModelStore(objects, check_every_s=0.0, now=time.monotonic)


@every
def test_what_is_served_is_what_scikit_learn_says(trainings: Trainings, name: str) -> None:
    pipeline = fit(name, trainings.prepared.parts.train, seed=0)
    texts = [example.text for example in trainings.prepared.parts.test] + ["", "?!", "ΣΊΣΥΦΟΣ İstanbul 素晴らしい"]
    model = store_over(trainings.objects).resolve(name, None)
    assert model.path == "compiled"
    scores = model.score(texts)
    assert scores.labels == pipeline.predict(texts).tolist()
    assert scores.probabilities is not None
    assert np.max(np.abs(scores.probabilities - pipeline.predict_proba(texts))) <= 1e-12


@every
def test_the_manifest_accounts_for_every_row(trainings: Trainings, name: str) -> None:
    data = manifest_of(trainings, name).data
    assert data.rows_read == trainings.data.count(b"\n") - 1
    assert data.rows_read == sum(data.rows_dropped.values()) + data.rows_train + data.rows_test
    assert data.sha256 == sha256(trainings.data)
    assert (data.rows_train, data.rows_test) == (
        len(trainings.prepared.parts.train),
        len(trainings.prepared.parts.test),
    )


def test_no_text_is_on_both_sides(trainings: Trainings) -> None:
    parts = trainings.prepared.parts
    train, test = ({group_key(example.text) for example in part} for part in (parts.train, parts.test))
    assert len(train) == len(parts.train)
    assert not train & test


@every
def test_the_metrics_are_of_the_stored_model_on_the_held_out_rows(trainings: Trainings, name: str) -> None:
    test = trainings.prepared.parts.test
    scores = store_over(trainings.objects).resolve(name, None).score([example.text for example in test])
    right = sum(label == example.label for label, example in zip(scores.labels, test, strict=True))
    stored = manifest_of(trainings, name).metrics
    assert stored["accuracy"] == pytest.approx(right / len(test))
    assert stored["accuracy"] > stored["majority_accuracy"] - 0.05
    assert stored.keys() == {"accuracy", "f1_macro", "majority_accuracy", "log_loss", "brier"}


@every
def test_the_manifest_holds_hard_golden_examples_and_a_profile(trainings: Trainings, name: str) -> None:
    manifest = manifest_of(trainings, name)
    texts = [golden.text for golden in manifest.golden]
    assert len(texts) >= 8
    assert any(not re.search(r"\w\w", text) for text in texts), "one without any word"
    assert any(not text.isascii() for text in texts)
    assert max(map(len, texts)) > 5_000
    assert manifest.labels == ["0", "1"]
    assert sum(manifest.profile.label_shares.values()) == pytest.approx(1)
    assert len(manifest.profile.probability_deciles) == 11
    assert manifest.profile.probability_deciles == sorted(manifest.profile.probability_deciles)
    assert re.fullmatch(r"20260131-[0-9a-f]{12}", manifest.version)


def test_the_same_training_gives_the_same_version_and_is_said_to_be_there(trainings: Trainings) -> None:
    again = train_into(trainings.objects, "linear_svc", prepared_from(trainings.data))
    first = trainings.trained["linear_svc"]
    assert (first.new, again.new) == (True, False)
    assert again.export == first.export
    other = train_into(MemoryObjects(), "linear_svc", prepared_from(trainings.data, seed=1))
    assert other.export.manifest.version != first.export.manifest.version


def test_another_process_gives_the_same_bytes(trainings: Trainings, tmp_path: Path) -> None:
    """Addresses, hash seeds and what was trained before must leave no trace."""
    data = tmp_path / "small.csv"
    data.write_bytes(trainings.data)
    code = (
        "import sys; from datetime import date; from pathlib import Path; from cloud.folder import FolderObjects\n"
        "from tests.integration.training.conftest import prepared_from, train_into\n"
        "data = Path(sys.argv[1]).read_bytes()\n"
        "train_into(FolderObjects(Path(sys.argv[2])), 'decision_tree', prepared_from(data))\n"
    )
    bucket = tmp_path / "models"
    subprocess.run(
        [sys.executable, "-c", code, str(data), str(bucket)],
        check=True,
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONHASHSEED": "7"},
    )
    objects = FolderObjects(bucket)
    expected = trainings.trained["decision_tree"].export
    (version,) = versions(objects, "decision_tree")
    assert version == expected.manifest.version
    for file, content in {**expected.files, MANIFEST: expected.manifest_bytes}.items():
        assert objects.get(model_file("decision_tree", version, file))[0] == content


@pytest.mark.parametrize("kind", ["before", "lost_answer", "repeated"])
@pytest.mark.parametrize("call", [1, 2, 3, 4])
def test_a_broken_upload_can_be_run_again(trainings: Trainings, kind: str, call: int) -> None:
    made = trainings.trained["decision_tree"].export
    inner = MemoryObjects()
    faults = Faults(Fault("put", kind, first=call))  # type: ignore[arg-type]
    objects = FaultyObjects(inner, faults)

    def run() -> None:
        store(objects, made)
        point(objects, "decision_tree", made.manifest.version, sha256(made.manifest_bytes))

    if kind == "repeated":
        run()  # the client's own retry: a 412 although the write succeeded
    else:
        with pytest.raises(TransientError):
            run()
        complete = list(versions(inner, "decision_tree"))
        if call < 3:
            assert not complete, "the manifest is last"
        run()
    assert not faults.unfired()
    assert store_over(inner).resolve("decision_tree", None).version == made.manifest.version


def test_files_of_any_size_are_stored_once(trainings: Trainings) -> None:
    made = trainings.trained["decision_tree"].export
    made.files["model.skops"], small = b"x" * (9 * 1024 * 1024), made.files["model.skops"]
    try:
        objects = MemoryObjects()
        assert store(objects, made)
        assert not store(objects, made)
        name = model_file("decision_tree", made.manifest.version, "model.skops")
        assert objects.info(name).size == 9 * 1024 * 1024
    finally:
        made.files["model.skops"] = small


def test_a_compiled_form_that_disagrees_is_not_exported(trainings: Trainings) -> None:
    pipeline = fit("logistic_regression", trainings.prepared.parts.train, seed=0)
    test = trainings.prepared.parts.test
    held_out = predict(pipeline, [example.text for example in test], [example.label for example in test])
    arrays = compile_pipeline(pipeline)
    assert check_parity(unpack(pack(arrays)), held_out) <= 1e-12
    shifted = {**arrays, "intercepts": arrays["intercepts"] + 1e-9}
    with pytest.raises(ParityError, match="Probabilities"):
        check_parity(unpack(pack(shifted)), held_out)
    turned = {**arrays, "coefficients": -arrays["coefficients"]}
    with pytest.raises(ParityError, match="labels"):
        check_parity(unpack(pack(turned)), held_out)


def test_a_pipeline_without_a_compiled_form_is_served_by_scikit_learn_and_says_why(trainings: Trainings) -> None:
    parts = trainings.prepared.parts
    pipeline = Pipeline(
        [("tfidf", TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 3))), ("c", LogisticRegression())]
    )
    pipeline.fit([example.text for example in parts.train], [example.label for example in parts.train])
    pipeline[0].vocabulary_ = {term: int(column) for term, column in pipeline[0].vocabulary_.items()}
    texts = [example.text for example in parts.test]
    held_out = predict(pipeline, texts, [example.label for example in parts.test])
    made = export(
        "logistic_regression",
        pipeline,
        held_out,
        metrics=metrics(held_out, parts.train),
        data=trainings.prepared.data,
        today=TODAY,
    )
    assert COMPILED not in made.files
    assert "analyzer='char_wb'" in dict(details(made.manifest, None))["scored by"]
    objects = MemoryObjects()
    store(objects, made)
    point(objects, "logistic_regression", made.manifest.version, sha256(made.manifest_bytes))
    model = store_over(objects).resolve(None, None)
    assert model.path == "scikit-learn"
    scores = model.score(texts)
    assert scores.labels == held_out.labels
    assert scores.probabilities is not None
    assert held_out.probabilities is not None
    assert np.array_equal(scores.probabilities, held_out.probabilities)
    assert len(model.score([])) == 0
