"""How the scorer's benchmark measures: contenders in turns, medians, starts of processes, peaks of memory."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
CORES = 2  # as many as the threads that are compared with one


def in_turns(
    contenders: Mapping[str, Callable[[], object]],
    rounds: int,
    *,
    parallel: Collection[str] = (),
    quick: Collection[str] = (),
    times: int = 1,
) -> dict[str, float]:
    """Return each contender's median of a round's mean of seconds; all run in every round.

    In a round each runs once for each of two cores, in turns, and those that are `quick` do so `times` times: a shared
    machine changes its speed within a second. It also slows one core down and not another, so those that are not
    `parallel` are held to one core after another.
    """
    for run in contenders.values():
        run()  # caches, lazily built tables, threads
    means: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        seconds: dict[str, list[float]] = {name: [] for name in contenders}
        for turn in range(CORES * times):
            for name, run in contenders.items():
                if turn >= CORES and name not in quick:
                    continue
                with contextlib.nullcontext() if name in parallel else one_core(turn):
                    start = time.perf_counter()
                    run()
                    seconds[name].append(time.perf_counter() - start)
        for name, values in seconds.items():
            means[name].append(statistics.fmean(values))
    return {name: statistics.median(values) for name, values in means.items()}


@contextlib.contextmanager
def one_core(number: int) -> Iterator[None]:
    """Hold this thread, and the processes it starts, to one of two cores; does nothing where the system cannot."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {sorted(cores)[number % min(CORES, len(cores))]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def count_words(path: Path) -> Callable[[], object]:
    """Return a run of `LC_ALL=C wc -w` on a file. Its start, about a millisecond, is in its time."""
    return lambda: subprocess.run(
        ["wc", "-w", str(path)],  # noqa: S607 - the one on the path
        env={**os.environ, "LC_ALL": "C"},
        stdout=subprocess.DEVNULL,
        check=True,
    )


@contextlib.contextmanager
def two_processes(model: Path, kernels: Path, texts: Sequence[str], folder: Path) -> Iterator[Callable[[], object]]:
    """Give a run that scores half of the texts in each of two processes, which share nothing but the machine.

    They are there and warm before it runs, so it shows how much more two cores can do here than one.
    """
    middle = len(texts) // 2
    sides = []
    with contextlib.ExitStack() as stack:
        for number, half in enumerate((texts[:middle], texts[middle:])):
            path = folder / f"half-{number}.json"
            path.write_text(json.dumps(half))
            command = [sys.executable, "-m", "benchmarks.score_side", str(model), str(kernels), str(path)]
            side = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            stack.enter_context(side)  # its end closes the pipe, on which the process ends
            sides.append(side)

        def run() -> None:
            for side in sides:
                assert side.stdin is not None
                print("score", file=side.stdin, flush=True)
            for side in sides:
                assert side.stdout is not None
                if not side.stdout.readline():
                    raise RuntimeError("a scoring process ended")

        yield run


def peak_bytes(run: Callable[[], object]) -> int:
    """Return the most memory that a run had at once beyond what was there before, result included."""
    tracemalloc.start()
    run()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def start_seconds(model: Path, kernels: Path, rounds: int) -> float:
    """Return the median of seconds from a process's start to its first prediction from a model's file."""
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from worker.core.compiled import unpack\n"
        "from worker.kernel_cache import KernelCache\n"
        "model = unpack(Path(sys.argv[1]).read_bytes(), kernel=KernelCache(Path(sys.argv[2])))\n"
        "print(model.score(['a good film']).labels)\n"
    )
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-c", program, str(model), str(kernels)], cwd=ROOT, stdout=subprocess.DEVNULL, check=True
        )
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)
