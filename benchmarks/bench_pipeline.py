"""The main job measured, beside the same work done by a plain script: `make bench`.

Reports messages a second and CPU-seconds per 1,000 messages through the pull worker, rows a second of a CSV job,
objects written per 1,000 messages, seconds from process start to the first prediction, and peak memory. Both sides run
against the same emulators in one run; the plain script does fewer messages, because it is slow, and figures are per
message.
Linux only: CPU time and memory are read from /proc.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import joblib
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from benchmarks.machine import machine_line, print_table, write_json
from cloud import connect
from cloud.objects import Objects
from worker.settings import Settings

HERE = Path(__file__).parent
SAMPLE = HERE.parent / "training/data/sentiment_sentences.csv"
DEADLINE_S = 600.0
SETTINGS = Settings()


@dataclass(frozen=True, slots=True)
class Run:
    """One side's figures for one kind of work."""

    items: int
    first_s: float
    """From process start to the first stored result."""
    working_s: float
    """From the first stored result to the last."""
    cpu_s: float
    peak_mb: float
    objects: int

    @property
    def per_second(self) -> float:
        """Items a second, from process start to the last result less the start-up."""
        return self.items / max(self.working_s, 1e-9)


def main() -> None:
    """Run both sides `--runs` times and print medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--plain-messages", type=int, default=200)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    print(machine_line())
    texts = [row["text"] for row in csv.DictReader(io.StringIO(SAMPLE.read_text()))]
    figures: dict[str, list[Run]] = {}
    for number in range(options.runs):
        print(f"run {number + 1} of {options.runs}", file=sys.stderr)
        with local_cloud():
            upload_plain_model(texts)
            figures.setdefault("worker, messages", []).append(stream(worker(), texts, options.messages, "reviews"))
            figures.setdefault("plain script, messages", []).append(
                stream(plain_stream(options.plain_messages), texts, options.plain_messages, "predictions")
            )
            figures.setdefault("worker, CSV rows", []).append(csv_job(texts, options.rows, plain=False))
            figures.setdefault("plain script, CSV rows", []).append(csv_job(texts, options.rows, plain=True))
    report(figures)


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


def worker() -> list[str]:
    """Return the worker's command."""
    return [sys.executable, "-m", "reviewmill", "worker"]


def plain_stream(count: int) -> list[str]:
    """Return the plain script's command."""
    bucket_name = SETTINGS.results.removeprefix("gs://")
    return [sys.executable, str(HERE / "plain_stream.py"), SETTINGS.reviews_subscription, bucket_name, str(count)]


def stream(command: list[str], texts: list[str], count: int, prefix: str) -> Run:
    """Publish, start the process, and watch the results bucket until every message has a result."""
    topic = connect.open_topic(SETTINGS.project, SETTINGS.reviews_topic)
    futures = [
        topic.publish(json.dumps({"text": texts[n % len(texts)], "id": f"{prefix}-{n}"}).encode(), {})
        for n in range(count)
    ]
    for future in futures:
        future.result(timeout=DEADLINE_S)
    topic.close()
    results = bucket(SETTINGS.results)
    before = {info.name for info in results.listing(f"{prefix}/")}
    counted: dict[str, int] = {}

    def done() -> int:
        for info in results.listing(f"{prefix}/"):
            if info.name not in before and info.name not in counted:
                counted[info.name] = 1 if prefix == "predictions" else results.get(info.name)[0].count(b"\n")
        return sum(counted.values())

    return watched(command, count, done, lambda: len(counted))


def csv_job(texts: list[str], rows: int, *, plain: bool) -> Run:
    """Score one CSV, bucket to bucket."""
    data = io.StringIO()
    writer = csv.writer(data)
    writer.writerow(["id", "text"])
    writer.writerows((n, texts[n % len(texts)]) for n in range(rows))
    name = f"{'plain' if plain else 'worker'}.csv"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_text(data.getvalue())
        place = SETTINGS.results if plain else SETTINGS.uploads
        bucket(place).put_file(name, path, content_type="text/csv", if_generation=0)
    results = bucket(SETTINGS.results)
    wanted = f"{name}.predictions.csv" if plain else "/manifest.json"

    def done() -> int:
        listing = results.listing(name if plain else "jobs/")
        return rows if any(info.name.endswith(wanted) for info in listing) else 0

    command = worker()
    if plain:
        command = [sys.executable, str(HERE / "plain_csv.py"), SETTINGS.results.removeprefix("gs://"), name]
    return watched(command, rows, done, lambda: sum(1 for _ in results.listing("jobs/")))


def watched(command: list[str], count: int, done: Callable[[], int], objects: Callable[[], int]) -> Run:
    """Run a command until `done` reaches `count`, then end it."""
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    first = cpu_s = peak_mb = 0.0
    while (got := done()) < count:
        if time.monotonic() - started > DEADLINE_S:
            raise TimeoutError(f"{got} of {count} after {DEADLINE_S:.0f} s: {command}")
        first = first or (time.monotonic() if got else 0.0)
        cpu_s, peak_mb = usage(process.pid) or (cpu_s, peak_mb)
        time.sleep(0.02)
    ended = time.monotonic()
    cpu_s, peak_mb = usage(process.pid) or (cpu_s, peak_mb)
    process.send_signal(signal.SIGTERM)
    process.wait(30)
    first = first or ended
    # Where all results come at once, the time from the start is all there is.
    working = ended - first if ended - first > 0.1 else ended - started  # noqa: PLR2004 - seconds
    return Run(count, first - started, working, cpu_s, peak_mb, objects())


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


def report(figures: dict[str, list[Run]]) -> None:
    """Print medians, and the worker's ratio to the plain script."""

    def median(name: str, figure: Callable[[Run], float]) -> float:
        return statistics.median(figure(run) for run in figures[name])

    rows = [
        [
            name,
            f"{median(name, lambda run: run.per_second):,.0f}",
            f"{median(name, lambda run: 1000 * run.cpu_s / run.items):.3f}",
            f"{median(name, lambda run: run.first_s):.2f}",
            f"{median(name, lambda run: run.peak_mb):,.0f}",
            f"{median(name, lambda run: 1000 * run.objects / run.items):,.1f}",
        ]
        for name in figures
    ]
    print_table(
        f"Medians of {len(next(iter(figures.values())))} runs",
        ["side and work", "items/s", "CPU s per 1,000", "start to first, s", "peak MB", "objects per 1,000"],
        rows,
    )
    for work in ("messages", "CSV rows"):
        fast = median(f"worker, {work}", lambda run: run.per_second)
        slow = median(f"plain script, {work}", lambda run: run.per_second)
        print(f"{work}: {fast / slow:,.1f} times the plain script's items a second")
    write_json("pipeline", {name: [asdict(run) for run in runs] for name, runs in figures.items()})


if __name__ == "__main__":
    main()
