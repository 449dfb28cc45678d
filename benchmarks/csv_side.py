"""One CSV job in a process of its own, for bench_csv: `python -m benchmarks.csv_side MODEL.npz UPLOADS RESULTS [cpu]`.

With `cpu` the phases are in seconds of the processor instead of seconds, and one thread scores.

Says "ready" once the model and the compiled kernel are loaded, takes `OBJECT GENERATION` from stdin, runs the job as a
worker does, from the event to the manifest, and prints its figures as one line of JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from cloud.connect import open_objects
from schemas.events import Upload
from worker.allocator import give_back_large_blocks
from worker.core.compiled import unpack
from worker.core.report_plots import can_plot
from worker.csv_job import JobPlaces, JobRules, run_job
from worker.kernel_cache import KernelCache
from worker.kernel_folder import default_folder
from worker.model_load import LoadedModel
from worker.settings import Settings


@dataclass(frozen=True, slots=True)
class OneModel:
    """A model store with one model."""

    model: LoadedModel

    def resolve(self, model: str | None, version: str | None) -> LoadedModel:
        """Return it, whatever was asked for."""
        assert model == self.model.name
        assert version in {None, self.model.version}
        return self.model


def main() -> None:
    """Run one job."""
    path, uploads, results, *cpu = sys.argv[1:]
    give_back_large_blocks()
    settings = Settings()
    with contextlib.closing(KernelCache(default_folder(os.environ))) as kernel:
        if kernel.wait(timeout_s=600) is None:
            sys.exit(f"no compiled kernel: {kernel.reason()}")
        scorer = unpack(Path(path).read_bytes(), kernel=kernel)
        model = LoadedModel("logistic_regression", "bench", "a" * 64, scorer.labels, "compiled", scorer)
        model.score(["One text, to have everything loaded."])
        can_plot()  # loads the plotting library, as a worker's first job does
        places = JobPlaces(open_objects(uploads), open_objects(results), OneModel(model))
        threads = 1 if cpu else settings.threads or os.cpu_count() or 1
        rules = JobRules(settings.chunk_rows, settings.max_rejections, threads, settings.range_bytes, kernel)
        print("ready", flush=True)
        name, generation = sys.stdin.readline().split()
        manifest = run_job(
            Upload(uploads.removeprefix("gs://"), name, int(generation)),
            places,
            rules,
            publish_completion=lambda _: None,
            clock=time.thread_time if cpu else time.monotonic,
        )
    # Not `getrusage`: its peak counts the process that this one was forked from.
    (peak,) = [line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line]
    figures = {"rows": manifest.counts.predictions, "peak_mb": int(peak) / 1000, "timings": manifest.timings}
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
