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
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.machine import machine_line, print_table, write_json
from benchmarks.stack import (
    DEADLINE_S,
    HERE,
    SETTINGS,
    Progress,
    bucket,
    local_cloud,
    plain_stream,
    publish,
    sample_texts,
    upload_plain_model,
    usage,
)


@dataclass(frozen=True, slots=True)
class Run:
    """One side's figures for one kind of work."""

    items: int
    first_s: float
    """From process start to the first stored result."""
    timed_items: int
    working_s: float
    """Those stored after the first look that saw a result, and the time until the last; where all come at once, all
    of them and the whole time from process start."""
    cpu_s: float
    peak_mb: float
    objects: int

    @property
    def per_second(self) -> float:
        """Items a second."""
        return self.timed_items / self.working_s


def main() -> None:
    """Run both sides `--runs` times and print medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--plain-messages", type=int, default=200)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    print(machine_line())
    texts = sample_texts()
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


def worker() -> list[str]:
    """Return the worker's command."""
    return [sys.executable, "-m", "reviewmill", "worker"]


def stream(command: list[str], texts: list[str], count: int, prefix: str) -> Run:
    """Publish, start the process, and watch the results bucket until every message has a result."""
    publish(texts, count)
    progress = Progress(f"{prefix}/")
    return watched(command, count, lambda: progress.look()[0], lambda: progress.look()[1])


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
    before = 0
    while (got := done()) < count:
        if time.monotonic() - started > DEADLINE_S:
            raise TimeoutError(f"{got} of {count} after {DEADLINE_S:.0f} s: {command}")
        if got and not first:
            first, before = time.monotonic(), got
        cpu_s, peak_mb = usage(process.pid) or (cpu_s, peak_mb)
        time.sleep(0.02)
    ended = time.monotonic()
    cpu_s, peak_mb = usage(process.pid) or (cpu_s, peak_mb)
    process.send_signal(signal.SIGTERM)
    process.wait(30)
    if not first:
        return Run(count, ended - started, count, ended - started, cpu_s, peak_mb, objects())
    return Run(count, first - started, count - before, ended - first, cpu_s, peak_mb, objects())


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
