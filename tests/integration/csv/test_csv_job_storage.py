"""CSV jobs with trained models, through the real storage client."""

from __future__ import annotations

import csv
import io
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cloud.connect import open_objects
from cloud.gcs_compose import MAX_SOURCES
from cloud.objects import TransientError
from emulator.storage.faults import Status
from emulator.storage.server import EmbeddedStorage
from schemas.events import Upload
from schemas.jobs import Completion, JobManifest
from tests.integration.csv.conftest import SAMPLE, Buckets
from worker.csv_job import JobPlaces, JobRules, run_job
from worker.models import ModelStore
from worker.score_file import main as score_file

ROWS = 2_979
"""In the sample."""


def run(
    buckets: Buckets,
    models: Path,
    upload: Upload,
    *,
    chunk_rows: int = 700,
    stopping: Callable[[], bool] = lambda: False,
    completions: list[Completion] | None = None,
) -> JobManifest:
    store = ModelStore(open_objects(str(models)), check_every_s=5, now=time.monotonic)
    return run_job(
        upload,
        JobPlaces(buckets.uploads, buckets.results, store),
        JobRules(chunk_rows=chunk_rows, max_rejections=0.5, threads=2),
        publish_completion=(completions if completions is not None else list[Completion]()).append,
        clock=time.monotonic,
        stopping=stopping,
    )


def job_objects(buckets: Buckets, manifest: JobManifest) -> dict[str, bytes]:
    folder = f"jobs/{manifest.job}/"
    stored = {name.removeprefix(folder): data for name, data in buckets.stored(folder).items()}
    return {name: data for name, data in stored.items() if not name.startswith("attempts/")}


def test_a_job_scores_every_row_as_the_command_does(buckets: Buckets, models: Path, tmp_path: Path) -> None:
    completions: list[Completion] = []
    upload = buckets.upload(SAMPLE.read_bytes(), model="linear_svc")
    manifest = run(buckets, models, upload, completions=completions)
    assert (manifest.state, manifest.reason, manifest.model) == ("done", None, "linear_svc")
    assert (manifest.counts.rows, manifest.counts.predictions) == (ROWS, ROWS)
    output = tmp_path / "scored.csv"
    assert score_file([str(SAMPLE), "--models", str(models), "--model", "LinearSVC", "--output", str(output)]) == 0
    stored = job_objects(buckets, manifest)
    assert stored["predictions.csv"] == output.read_bytes()
    assert stored["rejections.jsonl"] == b""
    assert [name for name in stored if name.endswith(".csv") and "parts" in name] == [
        f"parts/00000{part}.csv" for part in range(5)
    ]
    assert completions[0].manifest == f"gs://reviewmill-results/jobs/{manifest.job}/manifest.json"
    assert {"read_s", "score_s", "format_s", "write_s", "compose_s", "report_s", "total_s"} == set(manifest.timings)
    assert manifest.cost["bytes_read"] >= upload_size(buckets, upload)


def upload_size(buckets: Buckets, upload: Upload) -> int:
    return buckets.uploads.info(upload.name, generation=upload.generation).size


def test_a_job_that_is_stopped_after_every_part_ends_with_the_same_bytes(buckets: Buckets, models: Path) -> None:
    data = SAMPLE.read_bytes()
    whole = run(buckets, models, buckets.upload(data, "whole.csv"))
    upload = buckets.upload(data, "cut.csv")
    stops = 0
    while True:
        asked = iter([False, True])
        try:
            manifest = run(buckets, models, upload, stopping=lambda asked=asked: next(asked))  # type: ignore[misc]
            break
        except TransientError:
            stops += 1
    assert stops == 4
    assert manifest.counts == whole.counts
    one, other = job_objects(buckets, whole), job_objects(buckets, manifest)
    assert set(one) == set(other)
    # The documents and the report name the job; the data must not differ.
    assert {name for name in one if one[name] != other[name]} <= {
        name for name in one if name.endswith((".json", ".html"))
    }
    # The last of the five workers read the last part alone.
    assert manifest.cost["bytes_read"] < upload_size(buckets, upload)


def test_a_worker_that_may_neither_change_nor_delete_ends_a_job_of_many_parts(
    buckets: Buckets, models: Path, storage: EmbeddedStorage
) -> None:
    denied = [storage.faults.inject(Status(403), method=method, count=None) for method in ("DELETE", "PATCH", "PUT")]
    upload = buckets.upload(SAMPLE.read_bytes())
    manifest = run(buckets, models, upload, chunk_rows=70)
    assert (manifest.state, manifest.counts.rows) == ("done", ROWS)
    parts = [name for name in job_objects(buckets, manifest) if name.startswith("parts/") and name.endswith(".csv")]
    assert len(parts) == 43 > MAX_SOURCES
    stored = job_objects(buckets, manifest)
    assert stored["predictions.csv"] == b"".join(stored[part] for part in sorted(parts))
    assert denied[0].fired, "nothing had to be deleted, so nothing was shown"
    assert [fault.fired for fault in denied[1:]] == [0, 0]
    # As after a worker that was killed before its last write: the next one joins to names that are taken.
    storage.store.delete("reviewmill-results", f"jobs/{manifest.job}/manifest.json")
    assert run(buckets, models, upload, chunk_rows=70).objects == manifest.objects


def test_workers_at_once_on_one_job_make_one_result(buckets: Buckets, models: Path) -> None:
    upload = buckets.upload(SAMPLE.read_bytes())
    manifests: list[JobManifest] = []
    threads = [
        threading.Thread(target=lambda: manifests.append(run(buckets, models, upload, chunk_rows=200)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(manifests) == 3
    assert manifests[0] == manifests[1] == manifests[2]
    rows = list(csv.DictReader(io.StringIO(job_objects(buckets, manifests[0])["predictions.csv"].decode())))
    assert [int(row["row"]) for row in rows] == list(range(1, ROWS + 1))


def test_an_upload_overwritten_during_the_job_fails_it_and_keeps_its_parts(buckets: Buckets, models: Path) -> None:
    upload = buckets.upload(SAMPLE.read_bytes())
    asked = iter([False, True])
    with pytest.raises(TransientError):
        run(buckets, models, upload, stopping=lambda: next(asked))
    newer = buckets.upload(b"text\ngood\n\n")
    manifest = run(buckets, models, upload)
    assert manifest.state == "failed"
    assert str(manifest.reason).startswith("source_gone: ")
    assert manifest.counts.rows == 700
    assert run(buckets, models, newer).counts.rows == 1


def test_bad_rows_are_named_and_their_neighbours_scored(buckets: Buckets, models: Path) -> None:
    data = (
        b'text,id\n"good, really",1\nbad\n"open,3\nfine,4\ngo\0od,5\ncaf\xe9,6\n,7\nbetter,8\nbest,9\nno,10\nyes,11\n'
    )
    manifest = run(buckets, models, buckets.upload(data, **{"id-column": "id"}))
    assert manifest.state == "done"
    stored = job_objects(buckets, manifest)
    rejections = [json.loads(line) for line in stored["rejections.jsonl"].decode().split("\n")[:-1]]
    assert [(one["row"], one["line"], one["code"]) for one in rejections] == [
        (2, 3, "too_few_fields"),
        (3, 4, "unclosed_quote"),
        (5, 6, "nul_byte"),
        (6, 7, "invalid_encoding"),
        (7, 8, "empty_text"),
    ]
    assert manifest.counts.predictions == 6
