"""What the benchmarks of the pipeline share: a local cloud, messages to score, and a look at what was stored."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import joblib
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from cloud import connect
from cloud.objects import Objects
from worker.settings import Settings

HERE = Path(__file__).parent
SAMPLE = HERE.parent / "training/data/sentiment_sentences.csv"
DEADLINE_S = 600.0
SETTINGS = Settings()


def sample_texts() -> list[str]:
    """Return the texts of the sample that ships."""
    return [row["text"] for row in csv.DictReader(io.StringIO(SAMPLE.read_text()))]


@contextmanager
def local_cloud() -> Iterator[None]:
    """Start the emulators, set up and trained, and point this process at them."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "reviewmill", "local", "--no-worker", "--train", "--folder", folder]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert process.stdout
        for line in process.stdout:
            name, _, value = line.strip().removeprefix("export ").partition("=")
            if line.startswith("export "):
                os.environ[name] = value
            if line.startswith("ready"):
                break
        try:
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


def upload_plain_model(texts: list[str]) -> None:
    """Fit the same kind of model as the worker's and store it the way the plain script wants it."""
    labels = [row["label"] for row in csv.DictReader(io.StringIO(SAMPLE.read_text()))]
    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(max_iter=1000))
    model.fit(texts, labels)
    data = io.BytesIO()
    joblib.dump(model, data)
    bucket(SETTINGS.results).put("model.joblib", data.getvalue(), content_type="application/x", if_generation=0)


def plain_stream(count: int) -> list[str]:
    """Return the plain script's command."""
    bucket_name = SETTINGS.results.removeprefix("gs://")
    return [sys.executable, str(HERE / "plain_stream.py"), SETTINGS.reviews_subscription, bucket_name, str(count)]


def publish(texts: list[str], count: int) -> None:
    """Put so many messages into the reviews topic."""
    topic = connect.open_topic(SETTINGS.project, SETTINGS.reviews_topic)
    mark = f"{time.time_ns():x}"
    futures = [
        topic.publish(json.dumps({"text": texts[n % len(texts)], "id": f"{mark}-{n}"}).encode(), {})
        for n in range(count)
    ]
    for future in futures:
        future.result(timeout=DEADLINE_S)
    topic.close()


class Progress:
    """Counts the results that were stored under a prefix since it was made."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._results = bucket(SETTINGS.results)
        self._before = {info.name for info in self._results.listing(prefix)}
        self._lines: dict[str, int] = {}

    def look(self) -> tuple[int, int]:
        """Return messages and objects so far."""
        for info in self._results.listing(self._prefix):
            if info.name not in self._before and info.name not in self._lines:
                # One object a message, or a line each.
                lines = self._results.get(info.name)[0].count(b"\n") if info.name.endswith(".jsonl") else 1
                self._lines[info.name] = lines
        return sum(self._lines.values()), len(self._lines)


def usage(pid: int) -> tuple[float, float] | None:
    """Return CPU seconds and peak memory in MB of a process; None once it has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    peak = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
    return ((int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK"), int(peak[0]) / 1000) if peak else None


def bucket(uri: str) -> Objects:
    """Open a bucket of the running emulator."""
    return connect.open_objects(uri)
