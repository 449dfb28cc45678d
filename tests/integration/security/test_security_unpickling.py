"""Whole jobs in processes whose unpickler is poisoned: serving never reads a pickle.

`sitecustomize` runs before any code of ours. Whatever unpickles afterwards is noted in a file, and fails.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

import pytest

from cloud import connect
from worker.core.naming import job_id

from .conftest import ROOT, SecureCloud, wait_until

pytestmark = pytest.mark.timeout(300)

POISON = """
import os, traceback, pickle, _pickle

def refuse(*_args, **_kwargs):
    with open(os.environ["UNPICKLED"], "a") as told:
        told.write("".join(traceback.format_stack()) + "\\n")
    raise AssertionError("a pickle was read")

for module in (pickle, _pickle):
    for name in ("Unpickler", "_Unpickler", "load", "loads", "_load", "_loads"):
        if hasattr(module, name):
            setattr(module, name, refuse)
with open(os.environ["UNPICKLED"] + ".started", "a") as told:
    told.write("poisoned\\n")
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
    path = Path(environment["UNPICKLED"])
    assert path.with_name(path.name + ".started").read_text().startswith("poisoned")
    return path.read_text() if path.exists() else ""


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
