"""The pull worker beside two plain subscribers on the same messages and emulators, in one run: `make bench-stream`.

Sides: the worker; a function as tutorials write it (one message, one download of the model, one prediction, one
object); Google's sample of a streaming pull with the model loaded once. Figures are taken from a side's first stored
result to its last, so that start-up counts for none of them: messages a second, CPU-seconds of the process per 1,000
messages, and objects written per 1,000 messages. The plain sides do fewer messages, because they are slow.
Linux only: CPU time is read from /proc.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from benchmarks.machine import machine_line, print_table, write_json
from benchmarks.stack import (
    DEADLINE_S,
    HERE,
    SETTINGS,
    Progress,
    local_cloud,
    plain_stream,
    publish,
    sample_texts,
    upload_plain_model,
    usage,
)

BARS = {"throughput": 20.0, "cpu": 8.0, "objects": 5.0}


@dataclass(frozen=True, slots=True)
class Side:
    """One contender: its command, how many messages it gets, and where its results go."""

    name: str
    command: Sequence[str]
    messages: int
    prefix: str


@dataclass(frozen=True, slots=True)
class Figures:
    """What one side did between its first look with a result and its last."""

    messages: int
    seconds: float
    cpu_s: float
    objects: int

    @property
    def per_second(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds

    @property
    def cpu_per_thousand(self) -> float:
        """CPU-seconds per 1,000 messages."""
        return 1_000 * self.cpu_s / self.messages

    @property
    def objects_per_thousand(self) -> float:
        """Objects per 1,000 messages."""
        return 1_000 * self.objects / self.messages


def main() -> int:
    """Run every side `--runs` times; 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=100_000, help="for the worker")
    parser.add_argument("--sample-messages", type=int, default=2_000, help="for Google's sample")
    parser.add_argument("--plain-messages", type=int, default=150, help="for the plain function")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    print(machine_line())
    texts = sample_texts()
    results = SETTINGS.results.removeprefix("gs://")
    sample = [sys.executable, str(HERE / "sample_stream.py"), SETTINGS.reviews_subscription, results]
    sides = [
        Side("worker", [sys.executable, "-m", "reviewmill", "worker"], options.messages, "reviews/"),
        Side("Google's sample", sample, options.sample_messages, "predictions/"),
        Side("plain function", plain_stream(options.plain_messages), options.plain_messages, "predictions/"),
    ]
    figures: dict[str, list[Figures]] = {side.name: [] for side in sides}
    for number in range(options.runs):
        with local_cloud():
            upload_plain_model(texts)
            for side in sides:
                print(f"run {number + 1} of {options.runs}: {side.name}", file=sys.stderr)
                publish(texts, side.messages)
                figures[side.name].append(measure(side))
    return report(figures)


def measure(side: Side) -> Figures:
    """Run a side until every message has a result; then end it."""
    progress = Progress(side.prefix)
    process = subprocess.Popen(side.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    marks: list[tuple[float, float, int, int]] = []
    started = time.monotonic()
    cpu_s, alive = 0.0, True
    try:
        # One more look after its end: the plain function ends with its last message.
        while alive and (not marks or marks[-1][2] < side.messages) and time.monotonic() - started < DEADLINE_S:
            time.sleep(0.05)
            used = usage(process.pid)
            cpu_s, alive = (cpu_s, False) if used is None else (used[0], True)
            looked = time.monotonic()
            messages, objects = progress.look()
            if messages:
                marks.append((looked, cpu_s, messages, objects))
    finally:
        process.terminate()
        process.wait(30)
    if not marks or marks[-1][2] < side.messages:
        raise RuntimeError(f"{side.name}: {marks[-1][2] if marks else 0} of {side.messages} messages have a result")
    first, last = marks[0], marks[-1]
    return Figures(last[2] - first[2], last[0] - first[0], last[1] - first[1], last[3] - first[3])


def report(figures: dict[str, list[Figures]]) -> int:
    """Print medians and the worker's ratios; 1 when a bar is missed."""
    speed = {name: statistics.median(run.per_second for run in runs) for name, runs in figures.items()}
    cpu = {name: statistics.median(run.cpu_per_thousand for run in runs) for name, runs in figures.items()}
    objects = {name: statistics.median(run.objects_per_thousand for run in runs) for name, runs in figures.items()}
    print_table(
        f"Medians of {len(figures['worker'])} runs",
        ["side", "messages/s", "CPU s per 1,000", "objects per 1,000", "worker's speed", "less CPU"],
        [
            [
                name,
                f"{speed[name]:,.0f}",
                f"{cpu[name]:.3f}",
                f"{objects[name]:,.1f}",
                f"{speed['worker'] / speed[name]:,.1f} x",
                f"{cpu[name] / cpu['worker']:,.1f} x",
            ]
            for name in figures
        ],
    )
    write_json("stream", {name: [asdict(run) for run in runs] for name, runs in figures.items()})
    missed = [f"objects: {objects['worker']:.1f} > {BARS['objects']:g}"] if objects["worker"] > BARS["objects"] else []
    for name in figures.keys() - {"worker"}:
        if speed["worker"] < BARS["throughput"] * speed[name]:
            missed.append(f"throughput against {name}: below {BARS['throughput']:g} x")
        if cpu[name] < BARS["cpu"] * cpu["worker"]:
            missed.append(f"CPU against {name}: below {BARS['cpu']:g} x")
    print("\n" + ("\n".join(f"missed: {bar}" for bar in missed) or "every bar is met"))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
