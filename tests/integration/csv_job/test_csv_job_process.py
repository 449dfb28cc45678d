"""CSV jobs of real worker processes: killed with SIGKILL, several at once, and with memory that does not grow."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cloud.connect import open_objects
from cloud.objects import ObjectInfo, Objects
from tests.integration.csv_job.test_csv_job_kill import FILE, PARTS
from tests.runs import without_run

ROOT = Path(__file__).parents[3]
DEADLINE_S = 90.0


class Folders:
    """An uploads and a results bucket in folders, and the worker processes on them."""

    def __init__(self, uploads: Path, results: Path) -> None:
        for folder in (uploads, results):
            folder.mkdir(exist_ok=True, parents=True)
        self._local = results.with_name("in.csv")
        self.uploads: Objects = open_objects(str(uploads))
        self.results: Objects = open_objects(str(results))

    def upload(self, data: bytes) -> ObjectInfo:
        self._local.write_bytes(data)
        return self.uploads.put_file("in.csv", self._local, content_type="text/csv", if_generation=0)

    def start(self, info: ObjectInfo, *, chunk_rows: int = 2) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.integration.csv_job.one_job"),
                *(self.uploads.uri, self.results.uri, info.name, str(info.generation), str(chunk_rows)),
            ],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )

    def finish(self, process: subprocess.Popen[str]) -> str:
        output, _ = process.communicate(timeout=DEADLINE_S)
        assert process.returncode == 0
        return output

    def stored(self) -> dict[str, bytes]:
        """Return the data of the results by name inside the job's folder, without what the run took."""
        infos = [info for info in self.results.listing("jobs/") if "/attempts/" not in info.name]
        return without_run({info.name.split("/", 2)[2]: self.results.get(info.name)[0] for info in infos})

    def parts(self) -> int:
        names = [info.name for info in self.results.listing("jobs/")]
        return sum("/parts/" in name and name.endswith(".json") for name in names)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "uploads", tmp_path / "results")


@pytest.fixture
def undisturbed(tmp_path: Path) -> Callable[[ObjectInfo], dict[str, bytes]]:
    """Return what a run of the same upload, from beginning to end, stores."""

    def run(info: ObjectInfo) -> dict[str, bytes]:
        other = Folders(tmp_path / "uploads", tmp_path / "undisturbed")
        assert other.finish(other.start(info)).startswith("done")
        return other.stored()

    return run


@pytest.mark.slow
def test_worker_processes_killed_in_the_middle_leave_nothing_wrong(
    folders: Folders, undisturbed: Callable[[ObjectInfo], dict[str, bytes]]
) -> None:
    info = folders.upload(FILE)
    for wanted in (1, 9, 17, 30):
        process = folders.start(info)
        deadline = time.monotonic() + DEADLINE_S
        while folders.parts() < wanted and process.poll() is None:
            assert time.monotonic() < deadline
        process.kill()
        process.communicate()
    assert folders.finish(folders.start(info)).startswith("done")
    assert folders.parts() == PARTS
    assert folders.stored() == undisturbed(info)


@pytest.mark.slow
def test_worker_processes_at_once_on_one_job_make_one_result(
    folders: Folders, undisturbed: Callable[[ObjectInfo], dict[str, bytes]]
) -> None:
    info = folders.upload(FILE)
    processes = [folders.start(info) for _ in range(3)]
    assert [folders.finish(process).split()[0] for process in processes] == ["done"] * 3
    assert folders.stored() == undisturbed(info)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    peaks_mb = []
    for size_mb in (8, 80):
        folders = Folders(tmp_path / str(size_mb) / "uploads", tmp_path / str(size_mb) / "results")
        row = b"word " * 200 + b"\n"
        info = folders.upload(b"text\n" + row * (size_mb * 1_000_000 // len(row)))
        state, peak, _ = folders.finish(folders.start(info, chunk_rows=20_000)).split()
        assert state == "done"
        peaks_mb.append(float(peak))
    # Holding the file, or its results, would cost 72 MB and more.
    assert peaks_mb[1] - peaks_mb[0] < 20
