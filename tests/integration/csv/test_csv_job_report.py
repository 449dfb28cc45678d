"""Reports of jobs with trained models: the terms that counted, and what a browser makes of the page."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.connect import open_objects
from schemas.jobs import JobManifest
from tests.integration.csv.conftest import SAMPLE, Buckets
from worker.core.compiled import CompiledModel
from worker.csv_job import JobPlaces, JobRules, run_job
from worker.models import ModelStore

BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)


def run(buckets: Buckets, models: Path, data: bytes, **metadata: str) -> tuple[JobManifest, bytes]:
    manifest = run_job(
        buckets.upload(data, **metadata),
        JobPlaces(buckets.uploads, buckets.results, store(models)),
        JobRules(chunk_rows=1_000, max_rejections=0.5, threads=2),
        publish_completion=lambda _: None,
        clock=time.monotonic,
    )
    return manifest, buckets.stored(f"jobs/{manifest.job}/")[f"jobs/{manifest.job}/report.html"]


def store(models: Path) -> ModelStore:
    return ModelStore(open_objects(str(models)), check_every_s=5, now=time.monotonic)


def test_terms_add_up_to_the_decision_value(models: Path) -> None:
    model = store(models).resolve("logistic_regression", None)
    assert isinstance(model.scorer, CompiledModel)
    assert model.explain is not None
    texts = ["", "Great phone, works great", "not good, waste of money"]
    scores = model.score(texts)
    assert scores.decisions is not None
    nothing, *decisions = scores.decisions.tolist()
    for text, decision in zip(texts[1:], decisions, strict=True):
        added = model.explain([text], [1])
        against, towards = (added[label] for label in model.labels)
        assert sum(towards.values()) / 1e6 == pytest.approx(decision - nothing, abs=1e-4)
        assert against == {term: -value for term, value in towards.items()}
    twice = model.explain(texts, [1, 3, 2])[model.labels[1]]
    assert twice["great"] == pytest.approx(3 * model.explain([texts[1]], [1])[model.labels[1]]["great"], abs=2)


def test_a_tree_has_no_terms_and_a_report_all_the_same(buckets: Buckets, models: Path) -> None:
    model = store(models).resolve("decision_tree", None)
    assert model.explain is not None
    assert model.explain(["Great phone"], [1]) == {}
    _, report = run(buckets, models, SAMPLE.read_bytes(), model="decision_tree")
    assert b"Drift against" in report
    assert b"A decision tree has none to show" in report
    assert b"<h3>Towards" not in report


def test_the_report_names_the_words_that_everyone_would(buckets: Buckets, models: Path) -> None:
    _, report = run(buckets, models, SAMPLE.read_bytes())
    towards_0, towards_1 = report.split(b"Towards 0")[1].split(b"Towards 1")
    assert b"<bdi>bad</bdi>" in towards_0
    assert b"<bdi>great</bdi>" in towards_1


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.5)
        yield server


def browse(page: Path, *options: str) -> bytes:
    if BROWSER is None:
        missing = "no Chromium is installed: the report is not looked at in a browser"
        # A skip there would be the same as no test at all: nobody reads it.
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    profile = page.parent / "profile"
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}", *options]
    done = subprocess.run([*command, page.as_uri()], capture_output=True, timeout=100, check=True)
    return done.stdout


def background(png: Path) -> tuple[int, ...]:
    """Return the colour of the first pixel, which no filter of PNG changes, of 8-bit RGB or RGBA."""
    data, at, packed = png.read_bytes(), 8, b""
    while at < len(data):
        size = int.from_bytes(data[at : at + 4])
        packed += data[at + 8 : at + 8 + size] if data[at + 4 : at + 8] == b"IDAT" else b""
        at += size + 12
    pixels = zlib.decompress(packed)
    assert len(set(pixels)) > 50, "an empty page"
    return tuple(pixels[1:4])


@pytest.mark.slow
def test_a_browser_shows_the_report_and_asks_nobody(
    buckets: Buckets, models: Path, tmp_path: Path, listener: socket.socket
) -> None:
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/x"
    hostile = f"<script>document.title='owned'</script><img src={url}><link rel=stylesheet href={url}> {'bad ' * 40}"
    data = SAMPLE.read_bytes() + f'"{hostile}",1,"{hostile}"\n'.encode()
    _, report = run(buckets, models, data)
    page = tmp_path / "report.html"
    page.write_bytes(report)
    dom = browse(page, "--dump-dom").decode()
    assert "<title>Report of reviews.csv</title>" in dom
    assert "&lt;script&gt;" in dom
    assert "<script" not in dom
    assert "<img" not in dom
    for name, dark in (("light.png", 1), ("dark.png", 0)):
        shot = tmp_path / name
        scheme = f"--blink-settings=preferredColorScheme={dark}"
        browse(page, f"--screenshot={shot}", "--window-size=1000,1600", "--hide-scrollbars", scheme)
        assert background(shot) == ((0xFF, 0xFF, 0xFF) if dark else (0x14, 0x18, 0x1D))
    with pytest.raises(TimeoutError):
        listener.accept()
