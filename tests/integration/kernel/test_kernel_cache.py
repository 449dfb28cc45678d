"""Where the kernel's code is kept, whom it is taken from, and what happens where it cannot be."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from worker.kernel_build import seal
from worker.kernel_cache import KernelCache, code_name
from worker.kernel_folder import KernelFolder, default_folder

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def compiled() -> Path:
    """This machine's folder of kernels, where `make setup` left the code; compiled now where it did not."""
    folder = default_folder(os.environ)
    assert folder is not None
    cache = KernelCache(folder)
    assert cache.wait(timeout_s=110) is not None, cache.reason()
    return folder


@pytest.fixture
def folder(compiled: Path, tmp_path: Path) -> Path:
    """A folder of this test's own with the code in it."""
    own = tmp_path / "kernels"
    own.mkdir(0o755)
    shutil.copy(compiled / code_name(), own)
    (own / code_name()).chmod(0o644)
    return own


@pytest.fixture
def cold() -> Iterator[list[KernelCache]]:
    """Caches that may have started to compile; they are ended with the test."""
    caches: list[KernelCache] = []
    yield caches
    for cache in caches:
        cache.close()


def test_a_warm_folder_has_the_kernel_at_the_first_question(folder: Path) -> None:
    assert KernelCache(folder).now() is not None


def test_a_read_only_folder_serves(folder: Path) -> None:
    (folder / code_name()).chmod(0o444)
    folder.chmod(0o555)
    assert KernelCache(folder).now() is not None


@pytest.mark.parametrize("mode", [0o666, 0o664, 0o646], ids=oct)
def test_code_that_others_can_write_is_not_run(folder: Path, mode: int, cold: list[KernelCache]) -> None:
    (folder / code_name()).chmod(mode)
    assert KernelFolder(folder).read(code_name()) is None
    cold.append(KernelCache(folder))
    assert cold[0].now() is None
    assert cold[0].reason() == "the kernel is being compiled in the background"


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o757], ids=oct)
def test_a_folder_that_others_can_write_is_neither_read_nor_written(folder: Path, mode: int) -> None:
    folder.chmod(mode)
    assert KernelFolder(folder).read(code_name()) is None
    assert not KernelFolder(folder).write("kernel-x", b"code")
    assert not (folder / "kernel-x").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_code_of_another_user_is_not_run(folder: Path) -> None:
    os.chown(folder / code_name(), 65534, 65534)
    assert KernelFolder(folder).read(code_name()) is None
    os.chown(folder / code_name(), 0, 0)
    os.chown(folder, 65534, 65534)
    assert KernelFolder(folder).read(code_name()) is None


def test_links_are_not_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    assert KernelFolder(tmp_path / "link").read(code_name()) is None
    shutil.move(folder / code_name(), folder / "elsewhere")
    (folder / code_name()).symlink_to(folder / "elsewhere")
    assert KernelFolder(folder).read(code_name()) is None


@pytest.mark.parametrize("content", [b"", b"x" * 32, seal(b"code")[:-1], seal(b"code") + b"x"])
def test_code_that_is_cut_off_or_changed_is_not_linked(folder: Path, content: bytes) -> None:
    (folder / code_name()).write_bytes(content)
    assert KernelFolder(folder).read(code_name()) is None


def test_a_pipe_in_the_place_of_the_code_is_not_waited_for(folder: Path) -> None:
    (folder / code_name()).unlink()
    os.mkfifo(folder / code_name(), 0o600)
    assert KernelFolder(folder).read(code_name()) is None


def test_what_is_written_is_read(tmp_path: Path) -> None:
    kept = KernelFolder(tmp_path / "a" / "b")
    assert kept.write("kernel-x", b"code")
    assert kept.read("kernel-x") == b"code"
    assert [path.name for path in kept.path.iterdir()] == ["kernel-x"]


def test_where_nothing_can_be_written_the_writer_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert not KernelFolder(tmp_path / "file" / "kernels").write("kernel-x", b"code")


def test_a_cold_cache_answers_at_once_and_close_ends_the_compilation(cold: list[KernelCache]) -> None:
    cache = KernelCache(None)
    cold.append(cache)
    assert cache.now() is None
    cache.close()
    assert cache.now() is None
    assert cache.wait(timeout_s=0) is None
    assert "ended" in cache.reason()


def test_the_compilation_ends_with_the_process_that_started_it() -> None:
    """The child writes its process id; when its parent has ended, so does it."""
    parent = (
        "from worker.kernel_cache import KernelCache\n"
        "import os\n"
        "cache = KernelCache(None)\n"
        "cache.now()\n"
        "print(cache._build.pid, flush=True)\n"
        "os._exit(0)\n"
    )
    done = subprocess.run([sys.executable, "-c", parent], cwd=ROOT, check=True, capture_output=True, timeout=60)
    child = int(done.stdout)
    for _ in range(600):
        if not _runs(child):
            return
        subprocess.run(["sleep", "0.1"], check=True)
    pytest.fail("the compilation still runs")


def _runs(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_without_llvmlite_the_reason_is_given() -> None:
    program = (
        "import sys\n"
        "sys.modules['llvmlite'] = None\n"
        "from worker.kernel_cache import KernelCache\n"
        "cache = KernelCache(None)\n"
        "print(cache.now(), cache.reason())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout == "None llvmlite is not installed (the extra `compiled`)\n"


def test_the_first_prediction_needs_no_heavy_import(folder: Path) -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from worker.core.compiled import unpack\n"
        "from worker.kernel_cache import KernelCache\n"
        f"assert KernelCache(Path({str(folder)!r})).now() is not None\n"
        "print(sorted({'numba', 'sklearn', 'scipy', 'pandas', 'pyarrow'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


def test_the_folder_is_the_named_one_or_the_users_cache() -> None:
    assert default_folder({"REVIEWMILL_KERNEL_CACHE": "/k", "HOME": "/h"}) == Path("/k")
    assert default_folder({"XDG_CACHE_HOME": "/x", "HOME": "/h"}) == Path("/x/reviewmill")
    assert default_folder({"HOME": "/h"}) == Path("/h/.cache/reviewmill")
    assert default_folder({}) is None
