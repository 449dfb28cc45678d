"""Whole jobs in processes whose unpickler is poisoned: serving never reads a pickle.

`sitecustomize` runs before any code of ours. Whatever unpickles afterwards is noted in a file, and fails.
"""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from datetime import date
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from cloud import connect
from schemas.models import Split
from training.evaluate import predict
from training.export import export
from worker.core.model_files import MANIFEST, sha256
from worker.core.naming import job_id, model_file
from worker.isolate import SUSPECT_FROM

from .conftest import ROOT, SecureCloud, wait_until

pytestmark = pytest.mark.timeout(300)

MODEL = "logistic_regression"

POISON = """
import os, subprocess, sys, traceback, pickle, _pickle

def refuse(*_args, **_kwargs):
    with open(os.environ["UNPICKLED"], "a") as told:
        told.write("".join(traceback.format_stack()) + "\\n")
    raise AssertionError("a pickle was read")

# Classes stay classes: libraries that are only imported derive their own from them.
for module in (pickle, _pickle):
    for name in ("load", "loads", "_load", "_loads"):
        if hasattr(module, name):
            setattr(module, name, refuse)
    for name in ("Unpickler", "_Unpickler"):
        if hasattr(module, name):
            poisoned = {"__init__": refuse, "load": refuse, "find_class": refuse}
            setattr(module, name, type(name, (getattr(module, name),), poisoned))

# A child whose environment is made anew (the Parquet decoder's is) is poisoned like the others.
start = subprocess.Popen.__init__

def start_poisoned(self, *args, env=None, **kwargs):
    if env is not None and "UNPICKLED" not in env:
        path = os.pathsep.join([os.path.dirname(__file__), env.get("PYTHONPATH", "")])
        env = {**env, "PYTHONPATH": path, "UNPICKLED": os.environ["UNPICKLED"]}
    start(self, *args, env=env, **kwargs)

subprocess.Popen.__init__ = start_poisoned
with open(os.environ["UNPICKLED"] + ".started", "a") as told:
    told.write("poisoned: " + " ".join(sys.orig_argv) + "\\n")
"""


@pytest.fixture
def poison(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a process whose unpickler is poisoned, and which has no cache of compiled code."""
    (tmp_path / "poison").mkdir()
    (tmp_path / "poison/sitecustomize.py").write_text(POISON)
    return {
        "PYTHONPATH": os.pathsep.join([str(tmp_path / "poison"), str(ROOT)]),
        "UNPICKLED": str(tmp_path / "unpickled"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }


def unpickled(environment: Mapping[str, str]) -> str:
    """Return where the process unpickled; fails when the poison was not there."""
    assert poisoned(environment).startswith("poisoned")
    path = Path(environment["UNPICKLED"])
    return path.read_text() if path.exists() else ""


def poisoned(environment: Mapping[str, str]) -> str:
    """Return the command lines of the processes that were poisoned."""
    return Path(environment["UNPICKLED"] + ".started").read_text()


@pytest.mark.parametrize("read", ["pickle.loads(b)", "pickle.Unpickler(io.BytesIO(b)).load()", "_pickle.loads(b)"])
def test_the_poison_works(poison: dict[str, str], read: str) -> None:
    program = f"import io, pickle, _pickle; b = pickle.dumps(1); {read}"
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **poison}, capture_output=True, check=False, timeout=60
    )
    assert b"a pickle was read" in done.stderr
    assert read in program
    assert unpickled(poison)


def test_a_worker_scores_reviews_and_a_csv_without_unpickling(cloud: SecureCloud, poison: dict[str, str]) -> None:
    mark = uuid4().hex
    models = ("LogisticRegression", "LinearSVC", "DecisionClassifier")
    with cloud.worker(**poison) as worker:
        topic = connect.open_topic(cloud.settings.project, cloud.settings.reviews_topic)
        for model in models:
            request = {"text": "A great phone.", "id": f"{mark}-{model}", "model": model}
            topic.publish(json.dumps(request).encode(), {})
        topic.close()
        uploads = cloud.bucket(cloud.settings.uploads)
        info = uploads.put(f"{mark}.csv", b"text\ngreat\nbad\n", content_type="text/csv", if_generation=0)
        manifest = f"jobs/{job_id('reviewmill-uploads', info.name, info.generation)}/manifest.json"

        def done() -> bool:
            stored = cloud.stored(cloud.settings.results)
            lines = b"".join(data for name, data in stored.items() if name.startswith("reviews/"))
            return manifest in stored and all(f"{mark}-{model}".encode() in lines for model in models)

        wait_until(done, worker.printed)
        assert json.loads(cloud.stored(cloud.settings.results)[manifest])["counts"]["predictions"] == 2
    assert unpickled(poison) == ""


def store_without_compiled_form(cloud: SecureCloud) -> str:
    """Store a version of logistic_regression that scikit-learn itself scores, and return its name."""
    texts, labels = ["a great phone", "a bad phone", "great, great", "bad and sad"] * 5, ["1", "0", "1", "0"] * 5
    vectoriser = TfidfVectorizer(ngram_range=(1, 4), sublinear_tf=True)
    pipeline = Pipeline([("tfidf", vectoriser), ("classifier", LogisticRegression())]).fit(texts, labels)
    data = Split("made.csv", sha256(b""), rows_read=20, rows_dropped={}, rows_train=20, rows_test=20)
    made = export(MODEL, pipeline, predict(pipeline, texts, labels), metrics={}, data=data, today=date(2026, 11, 22))
    assert made.manifest.not_compiled
    models, version = cloud.bucket(cloud.settings.models), made.manifest.version
    for name, content in {**made.files, MANIFEST: made.manifest_bytes}.items():
        models.put(model_file(MODEL, version, name), content, content_type="application/octet-stream", if_generation=0)
    return version


def fail_often(cloud: SecureCloud, request: dict[str, str]) -> None:
    """Publish a request and give it back until the next worker isolates it."""
    with (
        closing(connect.open_topic(cloud.settings.project, cloud.settings.reviews_topic)) as topic,
        closing(connect.open_subscription(cloud.settings.project, cloud.settings.reviews_subscription)) as reviews,
    ):
        topic.publish(json.dumps(request).encode(), {}).result(timeout=60)
        for _ in range(SUSPECT_FROM - 1):
            (received,) = reviews.pull(1, timeout_s=60)
            reviews.give_back([received.ack_id])


def test_skops_isolation_shared_ranges_and_parquet_unpickle_nothing(cloud: SecureCloud, poison: dict[str, str]) -> None:
    mark = uuid4().hex
    version = store_without_compiled_form(cloud)
    fail_often(cloud, {"text": "A great phone.", "id": mark, "model": MODEL, "version": version})
    table = io.BytesIO()
    pq.write_table(pa.table({"text": ["great", "bad"], "id": ["1", "2"]}), table)
    shared = b"text,id\n" + b"".join(b"a great phone,%d\n" % number for number in range(500))
    uploads = cloud.bucket(cloud.settings.uploads)
    files = {f"{mark}.parquet": (table.getvalue(), 2), f"{mark}.csv": (shared, 500)}
    said = {"model": MODEL, "version": version}
    with cloud.worker(**poison, REVIEWMILL_RANGE_BYTES="2000") as worker:
        rows = {}
        for name, (data, count) in files.items():
            info = uploads.put(name, data, content_type="text/csv", if_generation=0, metadata=said)
            rows[f"jobs/{job_id('reviewmill-uploads', name, info.generation)}/manifest.json"] = count

        def done() -> bool:
            stored = cloud.stored(cloud.settings.results)
            lines = b"".join(data for name, data in stored.items() if name.startswith("reviews/"))
            return stored.keys() >= rows.keys() and mark.encode() in lines

        wait_until(done, worker.printed)
    stored = cloud.stored(cloud.settings.results)
    manifests = {name: json.loads(stored[name]) for name in rows}
    assert {name: manifest["counts"]["predictions"] for name, manifest in manifests.items()} == rows
    assert {manifest["version"] for manifest in manifests.values()} == {version}
    assert any(name.replace("manifest", "ranges") in stored for name in rows)
    for process in ("reviewmill worker", "worker.isolated", "worker.parquet.decoder"):
        assert process in poisoned(poison)
    assert unpickled(poison) == ""


def test_the_functions_score_without_unpickling(cloud: SecureCloud, poison: dict[str, str]) -> None:
    mark = uuid4().hex
    headers = {"Content-Type": "application/json"}
    with cloud.function("classify", **poison) as classify:
        for model in ("LogisticRegression", "LinearSVC", "DecisionClassifier"):
            answer = classify.send(json.dumps({"x": ["A great phone."], "model": model}).encode(), headers)
            assert (answer.status, len(json.loads(answer.body))) == (200, 1)
    with cloud.function("score_message", **poison) as score_message:
        data = base64.b64encode(json.dumps({"text": "A great phone.", "id": mark}).encode()).decode()
        message = {"data": data, "messageId": "1", "publishTime": "2026-11-22T18:05:09.123Z"}
        body = json.dumps({"message": message, "subscription": "s"}).encode()
        assert score_message.send(body, headers).status == 200
    assert mark.encode() in b"".join(cloud.stored(cloud.settings.results, "reviews/").values())
    uploads = cloud.bucket(cloud.settings.uploads)
    info = uploads.put(f"{mark}.csv", b"text\ngreat\nbad\n", content_type="text/csv", if_generation=0)
    with cloud.function("score_upload", **poison) as score_upload:
        resource = {"bucket": "reviewmill-uploads", "name": info.name, "generation": str(info.generation)}
        event = {"specversion": "1.0", "id": "1", "source": "//storage.googleapis.com/b", "data": resource}
        event["type"] = "google.cloud.storage.object.v1.finalized"
        assert (
            score_upload.send(json.dumps(event).encode(), {"Content-Type": "application/cloudevents+json"}).status
            == 200
        )
    manifest = f"jobs/{job_id('reviewmill-uploads', info.name, info.generation)}/manifest.json"
    assert manifest in cloud.stored(cloud.settings.results)
    assert unpickled(poison) == ""
