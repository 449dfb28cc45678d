"""Works on one CSV job as a process of its own: one_job.py UPLOADS RESULTS OBJECT GENERATION CHUNK_ROWS.

Prints the state, the peak memory of the process, and that of the largest process that it started, in MB.
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

from cloud.connect import open_objects
from schemas.events import Upload
from tests.unit.csv_job.conftest import Models
from worker.csv_job import JobPlaces, JobRules, run_job


def main() -> None:
    uploads, results, name, generation, chunk_rows = sys.argv[1:]
    manifest = run_job(
        Upload(uploads.rpartition("/")[2], name, int(generation)),
        JobPlaces(open_objects(uploads), open_objects(results), Models()),
        JobRules(chunk_rows=int(chunk_rows), max_rejections=0.9, threads=2),
        publish_completion=lambda _: None,
        clock=time.monotonic,
    )
    # Not `getrusage`: its peak counts the process that this one was forked from. Of what this one starts that is right:
    # this one is small.
    (peak,) = [line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line]
    started = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    sys.stdout.write(f"{manifest.state} {int(peak) / 1000} {started / 1000}\n")


if __name__ == "__main__":
    main()
