"""Rows that name trained models, through the real storage client: the bits that jobs of one model give."""

from __future__ import annotations

import csv
import io
import time
from pathlib import Path

from cloud.connect import open_objects
from schemas.events import Upload
from schemas.jobs import JobManifest
from schemas.names import MODEL_NAMES
from tests.integration.csv.conftest import SAMPLE, Buckets
from worker.csv_job import JobPlaces, JobRules, run_job
from worker.models import ModelStore

ROWS = 300


def run(buckets: Buckets, models: Path, upload: Upload) -> JobManifest:
    return run_job(
        upload,
        JobPlaces(
            buckets.uploads, buckets.results, ModelStore(open_objects(str(models)), check_every_s=5, now=time.monotonic)
        ),
        JobRules(chunk_rows=70, max_rejections=0.5, threads=2),
        publish_completion=lambda _: None,
        clock=time.monotonic,
    )


def lines(buckets: Buckets, manifest: JobManifest) -> dict[str, list[str]]:
    """Return what stands behind the file's own columns, by row."""
    (data,) = buckets.stored(f"jobs/{manifest.job}/predictions.csv").values()
    records = list(csv.reader(io.StringIO(data.decode(), newline="")))
    return {record[-5]: record[-4:] for record in records[1:]}


def test_rows_get_the_bits_of_the_model_that_they_name(buckets: Buckets, models: Path) -> None:
    with SAMPLE.open(newline="") as stream:
        texts = [row["text"] for row, _ in zip(csv.DictReader(stream), range(ROWS), strict=False)]
    named = io.StringIO()
    writer = csv.writer(named)
    writer.writerow(["text", "by"])
    writer.writerows([text, ("", *MODEL_NAMES)[row % 4]] for row, text in enumerate(texts, start=1))
    data = named.getvalue().encode()
    mixed = run(buckets, models, buckets.upload(data, "mixed.csv", **{"model-column": "by", "model": "linear_svc"}))
    assert (mixed.state, mixed.counts.predictions) == ("done", ROWS)
    alone = {name: lines(buckets, run(buckets, models, buckets.upload(data, f"{name}.csv", model=name)))
             for name in MODEL_NAMES}  # fmt: skip
    found = lines(buckets, mixed)
    for row in range(1, ROWS + 1):
        assert found[str(row)] == alone[("linear_svc", *MODEL_NAMES)[row % 4]][str(row)]
