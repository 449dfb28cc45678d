"""`reviewmill publish csv` and `reviewmill verify` with Parquet."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from publisher.command import main as publish
from publisher.verify_command import main as verify
from schemas.events import Upload
from tests.integration.parquet.conftest import Cloud, Models, parquet
from worker.csv_job import JobPlaces
from worker.replay import ReplayRules, replay_job

ROWS = {
    "id": ["a", "b", "a", "d", "e"],
    "text": ["good, very", "bad", 'say "no"', "", "=fine"],
    "by": ["", "linear_svc", "bert", "", "decision_tree"],
}


@pytest.fixture(autouse=True)
def _settings(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cloud
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "reviewmill-local")
    monkeypatch.setenv("REVIEWMILL_UPLOADS", "gs://reviewmill-uploads")
    monkeypatch.setenv("REVIEWMILL_RESULTS", "gs://reviewmill-results")


def test_a_parquet_file_is_published_scored_and_verified(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    Path("in.parquet").write_bytes(parquet(ROWS))
    assert publish(["csv", "in.parquet", "--id-column", "id", "--model-column", "by"]) == 0
    (info,) = cloud.uploads.listing("")
    assert info.content_type == "application/vnd.apache.parquet"
    manifest = cloud.run(Upload("reviewmill-uploads", info.name, info.generation))
    assert (manifest.counts.rows, manifest.counts.predictions) == (5, 3)
    capsys.readouterr()
    assert verify([manifest.job]) == 0
    shown = capsys.readouterr()
    assert "verified: every row is accounted for" in shown.out
    assert "1 id stands for several texts (first: rows 1 and 3)" in shown.err


def test_a_csv_of_the_same_table_gives_the_same_bytes(cloud: Cloud) -> None:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(ROWS)
    writer.writerows(zip(*ROWS.values(), strict=True))
    said = {"id_column": "id", "model_column": "by"}
    one = cloud.stored(cloud.run(cloud.upload(parquet(ROWS), **said), range_bytes=64))  # of which it has none
    other = cloud.stored(cloud.run(cloud.upload(text.getvalue().encode(), "reviews.csv", **said)))
    assert one["predictions.csv"] == other["predictions.csv"]


def test_a_job_from_parquet_is_scored_again(cloud: Cloud) -> None:
    manifest = cloud.run(cloud.upload(parquet(ROWS), id_column="id", model_column="by", output="parquet"))
    summary = replay_job(manifest.job, "v2", JobPlaces(cloud.uploads, cloud.results, Models()), ReplayRules())
    # Row 1 is the only one that can be read and names no other model.
    assert (summary.rows, summary.changed, summary.after) == (1, 0, "v2")


@pytest.mark.parametrize(
    ("data", "options", "words"),
    [
        (parquet(ROWS)[:-20], [], "It is damaged, or no Parquet file"),
        (b"id,text\na,good\n", ["--format", "parquet"], "does not begin with PAR1. Leave --format out"),
        (b"id", ["--format", "parquet"], "does not begin with PAR1. Leave --format out"),
        (parquet({"words": ["a"]}), [], "missing_column"),
        (parquet(ROWS), ["--columns", "n"], "missing_column"),
        (parquet(ROWS), ["--format", "csv"], "not_csv"),
    ],
)
def test_what_no_worker_could_read_is_not_uploaded(
    cloud: Cloud, capsys: pytest.CaptureFixture[str], data: bytes, options: list[str], words: str
) -> None:
    Path("in.parquet").write_bytes(data)
    assert publish(["csv", "in.parquet", *options]) == 2
    assert words in capsys.readouterr().err
    assert list(cloud.uploads.listing("")) == []
