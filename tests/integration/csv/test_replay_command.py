"""`reviewmill replay` with trained versions, through the real storage client."""

from __future__ import annotations

import csv
import io
import json
import time
from pathlib import Path

import pytest

from cloud.connect import open_objects
from publisher.results_command import main as results
from tests.integration.csv.conftest import SAMPLE, Buckets
from training.command import main as train
from worker.csv_job import JobPlaces, JobRules, run_job
from worker.models import ModelStore
from worker.replay_command import main


@pytest.fixture(scope="module")
def two_versions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two versions of a classifier; the first one is current."""
    folder = tmp_path_factory.mktemp("versions")
    half = folder / "half.csv"
    half.write_bytes(b"".join(SAMPLE.read_bytes().splitlines(keepends=True)[:600]))
    for data, more in ((SAMPLE, []), (half, ["--no-promote"])):
        command = [str(data), "--models", str(folder / "models"), "--classifier", "logistic_regression", *more]
        assert train(command) == 0
    return folder / "models"


def test_a_past_job_is_compared_with_another_version(
    buckets: Buckets, two_versions: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REVIEWMILL_MODELS", str(two_versions))
    store = ModelStore(open_objects(str(two_versions)), check_every_s=5, now=time.monotonic)
    manifest = run_job(
        buckets.upload(SAMPLE.read_bytes()),
        JobPlaces(buckets.uploads, buckets.results, store),
        JobRules(chunk_rows=700, max_rejections=0.5, threads=2),
        publish_completion=lambda _: None,
        clock=time.monotonic,
    )
    names = {
        info.name.split("/")[3]
        for info in open_objects(str(two_versions)).listing("models/")
        if "/versions/" in info.name
    }
    (other,) = names - {manifest.version}
    assert main([manifest.job]) == 2
    assert "the job used version" in capsys.readouterr().err.lower()
    assert main([f"gs://reviewmill-results/jobs/{manifest.job}/manifest.json", "--version", other]) == 0
    shown = capsys.readouterr().out
    stored = buckets.stored(f"jobs/{manifest.job}/")
    changes = stored[f"jobs/{manifest.job}/replays/{other}/changes.csv"]
    old = {row["row"]: row["reviewmill_label"] for row in predictions(stored[f"jobs/{manifest.job}/predictions.csv"])}
    changed = predictions(changes)
    assert changed
    assert all(old[row["row"]] == row["before"] != row["after"] for row in changed)
    assert f"of which {len(changed):,} have another label" in shown
    assert f"gs://reviewmill-results/jobs/{manifest.job}/replays/{other}/changes.csv" in shown
    first = changed[0]
    numbers = [f"{float(first[name]):.4f}" for name in ("probability_before", "probability_after")]
    line = f"  {first['row']}  {first['before']} → {first['after']}  {numbers[0]} → {numbers[1]}"
    assert line.split() in [said.split() for said in shown.splitlines()]
    assert "  row " in shown
    assert results(["job", manifest.job, "--replay", other, "--format", "csv"]) == 0
    assert capsys.readouterr().out.encode() == changes
    assert results(["job", manifest.job, "--replay", other, "--format", "jsonl", "--limit", "1"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["row"], row["id"]) == (int(first["row"]), None)
    assert row["probability_after"] == float(first["probability_after"])
    assert results(["job", manifest.job, "--replay", "v0"]) == 1
    assert f"reviewmill replay {manifest.job} --version v0" in capsys.readouterr().err


def test_a_job_is_named_by_its_upload_and_a_failed_one_says_so(
    buckets: Buckets, two_versions: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REVIEWMILL_MODELS", str(two_versions))
    store = ModelStore(open_objects(str(two_versions)), check_every_s=5, now=time.monotonic)
    manifest = run_job(
        buckets.upload(b"id,text\na,good\n,\nb,\nc,bad\n", "half #2.csv", id_column="id"),
        JobPlaces(buckets.uploads, buckets.results, store),
        JobRules(chunk_rows=2, max_rejections=0.0, threads=1),
        publish_completion=lambda _: None,
        clock=time.monotonic,
    )
    assert manifest.state == "failed"
    versions = {
        info.name.split("/")[3]
        for info in open_objects(str(two_versions)).listing("models/")
        if "/versions/" in info.name
    }
    (other,) = versions - {manifest.version}
    assert main(["gs://reviewmill-uploads/half #2.csv", "--version", other]) == 0
    captured = capsys.readouterr()
    assert manifest.job in captured.out
    assert "the job itself has failed. Of its file it came to 2 rows" in captured.err
    assert main(["gs://reviewmill-uploads/gone.csv"]) == 2
    assert "There is no upload gs://reviewmill-uploads/gone.csv" in capsys.readouterr().err


def test_a_job_without_labels_says_why(
    buckets: Buckets, two_versions: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REVIEWMILL_MODELS", str(two_versions))
    store = ModelStore(open_objects(str(two_versions)), check_every_s=5, now=time.monotonic)
    places = JobPlaces(buckets.uploads, buckets.results, store)
    rules = JobRules(chunk_rows=2, max_rejections=0.0, threads=1)
    manifest = run_job(
        buckets.upload(b"id,words\na,good\n", "no-text.csv"),
        places,
        rules,
        publish_completion=lambda _: None,
        clock=time.monotonic,
    )
    assert main([manifest.job]) == 2
    assert "failed before its first row, so it has no labels. missing_column" in capsys.readouterr().err
    manifest = run_job(
        buckets.upload(b"id,text\na,good\n", "good.csv"),
        places,
        rules,
        publish_completion=lambda _: None,
        clock=time.monotonic,
    )
    buckets.results.delete(f"jobs/{manifest.job}/manifest.json")
    assert main([manifest.job]) == 1
    assert f"is not done. Replay it then; this waits for it: reviewmill results job {manifest.job} --wait" in (
        capsys.readouterr().err
    )


def predictions(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


@pytest.mark.parametrize("job", ["nonsense", "reviews-0123456789abcdef"])
def test_a_job_that_is_not_there_is_named(
    buckets: Buckets, two_versions: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], job: str
) -> None:
    assert buckets.uploads.uri
    monkeypatch.setenv("REVIEWMILL_MODELS", str(two_versions))
    assert main([job, "--version", "v2"]) == 2
    assert f"reviewmill replay: {job}: " in capsys.readouterr().err
