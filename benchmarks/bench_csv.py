"""A CSV job, bucket to manifest, beside a plain script and Apache Beam: `python -m benchmarks.bench_csv`.

Every side is a process of its own against the same storage server, is ready with its model loaded before the clock
starts, and reads an uploaded CSV out of a bucket and writes predictions into another. All score with the same logistic
regression over words. Reports medians and ratios, the share of each phase in the job's work, and peak memory for a
small and a large file. The plain script also runs without scoring, to show what reading and writing take it. Linux
only: peak memory is read from /proc.

Beam cannot be installed beside the rest (protobuf, pyarrow): name the Python of another venv with --beam-python.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import joblib
from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Client

from benchmarks.machine import machine_line, print_table, write_json
from benchmarks.score_data import long_texts, read_sample, short_texts, words_model
from cloud.connect import open_objects
from cloud.objects import ObjectInfo
from emulator.storage.server import EmbeddedStorage
from training.compile import compile_pipeline
from worker.core.compiled import pack
from worker.kernel_cache import warm
from worker.kernel_folder import default_folder

HERE = Path(__file__).parent
UPLOADS, RESULTS = "gs://bench-uploads", "gs://bench-results"
BARS = {"plain": 10.0, "beam": 20.0}
SCORING_SHARE = 0.40
MEMORY_GROWTH, MEMORY_MB = 0.10, 400.0
_MB = 1_000_000
UNSCORED = "plain, unscored"
"""The plain script without its scoring: what reading and writing a file take it."""
_CPU = ", processor"
"""Ends the name of runs whose phases are seconds of the processor."""
_PHASES = ("read_s", "score_s", "format_s", "write_s", "compose_s", "report_s")


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one side."""

    rows: int
    seconds: float
    peak_mb: float
    timings: dict[str, float] = field(default_factory=dict)


def main() -> None:
    """Run every side `--runs` times, in turns, and print medians and ratios."""
    options = _parser().parse_args()
    print(machine_line())
    folder = default_folder(os.environ)
    if folder is not None:
        warm(folder)
    with tempfile.TemporaryDirectory() as made, storage_server():
        figures = measure(options, Path(made))
    report(figures)
    write_json("csv", {name: [asdict(run) for run in runs] for name, runs in figures.items()})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short-rows", type=int, default=1_000_000)
    parser.add_argument("--long-rows", type=int, default=50_000)
    parser.add_argument("--memory-mb", type=int, nargs=2, default=[10, 2_000], metavar=("SMALL", "LARGE"))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument(
        "--beam-python", metavar="FILE", help="Python of a venv with apache-beam; default: not measured"
    )
    parser.add_argument("--beam-rows", type=int, default=15_000, help="rows for Beam, which takes minutes for all")
    return parser


@contextmanager
def storage_server() -> Iterator[None]:
    """Start the embedded storage server as a process, with two buckets."""
    command = [sys.executable, "-c", _SERVER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        os.environ["STORAGE_EMULATOR_HOST"] = server.stdout.readline().strip()
        os.environ.setdefault("GOOGLE_CLOUD_PROJECT", "reviewmill-local")
        client = Client(project="reviewmill-local", credentials=AnonymousCredentials())
        for uri in (UPLOADS, RESULTS):
            client.create_bucket(uri.removeprefix("gs://"))
        try:
            yield
        finally:
            server.kill()


_SERVER = f"""
import sys
from {EmbeddedStorage.__module__} import EmbeddedStorage
with EmbeddedStorage() as storage:
    print(storage.url, flush=True)
    sys.stdin.read()
"""


def measure(options: argparse.Namespace, folder: Path) -> dict[str, list[Run]]:
    """Return the runs of every side on every file."""
    sentences, labels = read_sample()
    pipeline = words_model(sentences, labels)
    (folder / "model.npz").write_bytes(pack(compile_pipeline(pipeline)))
    joblib.dump(pipeline, folder / "model.joblib")
    sides = _sides(folder, options.beam_python)
    figures: dict[str, list[Run]] = {}
    for kind, texts in (
        ("short", short_texts(sentences, options.short_rows).texts),
        ("long", long_texts(sentences, options.long_rows).texts),
    ):
        files = {"": upload_texts(folder, f"{kind}.csv", texts)}
        if "beam" in sides:
            files["beam"] = upload_texts(folder, f"{kind}-beam.csv", texts[: options.beam_rows])
        for number in range(options.runs):
            print(f"{kind}: run {number + 1} of {options.runs}", file=sys.stderr)
            for side, command in sides.items():
                run = run_side(command, files.get(side, files[""]))
                figures.setdefault(f"{side}, {kind}", []).append(run)
            figures.setdefault(f"ours, {kind}{_CPU}", []).append(run_side([*sides["ours"], "cpu"], files[""]))
    for size_mb in options.memory_mb:
        text = long_texts(sentences, 1_000).texts
        print(f"memory: {size_mb} MB", file=sys.stderr)
        run = run_side(sides["ours"], upload_size(folder, f"{size_mb}.csv", text, size_mb * _MB))
        figures[f"ours, {size_mb} MB"] = [run]
    return figures


def _sides(folder: Path, beam_python: str | None) -> dict[str, list[str]]:
    sides = {
        "ours": [sys.executable, "-m", "benchmarks.csv_side", str(folder / "model.npz")],
        "plain": [sys.executable, str(HERE / "plain_csv_once.py"), str(folder / "model.joblib")],
        UNSCORED: [sys.executable, str(HERE / "plain_csv_once.py"), str(folder / "model.joblib")],
    }
    if beam_python:
        sides["beam"] = [beam_python, str(HERE / "beam_csv.py"), str(folder / "model.joblib")]
    sides = {side: [*command, UPLOADS, RESULTS] for side, command in sides.items()}
    sides[UNSCORED].append("unscored")
    return sides


def upload_texts(folder: Path, name: str, texts: Sequence[str]) -> ObjectInfo:
    """Upload a CSV with a column of ids and one of texts."""
    with (folder / name).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text"])
        writer.writerows(enumerate(texts))
    return _upload(folder / name)


def upload_size(folder: Path, name: str, texts: Sequence[str], size_bytes: int) -> ObjectInfo:
    """Upload a CSV of about so many bytes, which repeats the texts."""
    with (folder / name).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text"])
        row = 0
        while file.tell() < size_bytes:
            writer.writerows(enumerate(texts, row))
            row += len(texts)
    return _upload(folder / name)


def _upload(path: Path) -> ObjectInfo:
    uploads = open_objects(UPLOADS, timeout_s=600)
    there = [info.generation for info in uploads.listing(path.name)]
    info = uploads.put_file(path.name, path, content_type="text/csv", if_generation=there[0] if there else 0)
    uploads.close()
    path.unlink()
    return info


def run_side(command: list[str], file: ObjectInfo) -> Run:
    """Start one side, wait until it is ready, and time it from the event to its last write."""
    results = open_objects(RESULTS, timeout_s=60)
    for info in list(results.listing("")):
        results.delete(info.name)
    results.close()
    with subprocess.Popen(
        command, cwd=HERE.parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise RuntimeError(f"not ready: {command}")
        started = time.monotonic()
        process.stdin.write(f"{file.name} {file.generation}\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        seconds = time.monotonic() - started
    if not answer:
        raise RuntimeError(f"no answer: {command}")
    return Run(seconds=seconds, **json.loads(answer))


def report(figures: dict[str, list[Run]]) -> None:
    """Print the tables, and each bar with what was measured."""
    speeds = {name: statistics.median(run.rows / run.seconds for run in runs) for name, runs in figures.items()}
    rows = [
        [
            name,
            f"{runs[0].rows:,}",
            f"{statistics.median(run.seconds for run in runs):.2f}",
            f"{speeds[name]:,.0f}",
            f"{statistics.median(run.peak_mb for run in runs):,.0f}",
        ]
        for name, runs in figures.items()
        if not name.endswith(_CPU)
    ]
    print_table("Medians", ["side and file", "rows", "seconds", "rows/s", "peak MB"], rows)
    shares = {name: phase_shares(runs) for name, runs in figures.items() if runs[0].timings}
    print_table(
        "Share of the time by phase: phases overlap, and wait for the server; share of the processor's time",
        ["file", *(phase.removesuffix("_s") for phase in _PHASES)],
        [[name, *(f"{100 * share:.0f} %" for share in split)] for name, split in shares.items()],
    )
    print()
    for kind in ("short", "long"):
        for side, bar in BARS.items():
            if f"{side}, {kind}" in speeds:
                ratio = speeds[f"ours, {kind}"] / speeds[f"{side}, {kind}"]
                print(f"{kind}: {ratio:.1f} times the rows a second of {side} (bar: {bar:g})")
            else:
                print(f"{kind}: {side} not measured: name a Python with apache-beam by --beam-python (bar: {bar:g})")
        ratio = speeds[f"ours, {kind}"] / speeds[f"{UNSCORED}, {kind}"]
        print(f"{kind}: {ratio:.1f} times the rows a second of the plain script when it only reads and writes")
        cpu, wall = (shares[name][_PHASES.index("score_s")] for name in (f"ours, {kind}{_CPU}", f"ours, {kind}"))
        print(
            f"{kind}: scoring is {100 * cpu:.0f} % of the processor's time (bar: {100 * SCORING_SHARE:.0f} %), and "
            f"{100 * wall:.0f} % of the phases' seconds, which overlap and wait for the server on the same cores"
        )
    small, large = [runs[0].peak_mb for name, runs in figures.items() if name.endswith(" MB")]
    print(
        f"memory: {large:.0f} MB for the large file, {100 * (large / small - 1):+.1f} % against the small one "
        f"(bars: {100 * MEMORY_GROWTH:.0f} %, {MEMORY_MB:.0f} MB)"
    )


def phase_shares(runs: Sequence[Run]) -> list[float]:
    """Return the median share of each phase in the sum of all."""
    splits = [[run.timings.get(phase, 0.0) for phase in _PHASES] for run in runs]
    return [statistics.median(split[at] / sum(split) for split in splits) for at in range(len(_PHASES))]


if __name__ == "__main__":
    main()
