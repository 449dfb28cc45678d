"""Where the compiled kernel comes from: a folder of machine code, or a process that compiles it in the background.

`KernelCache` is the `KernelSupply` of a process. With a warmed folder (`python -m worker.kernel_cache`, as an image's
build runs it) the kernel is there at the first call, within 100 ms. Without, the first call starts a process that
compiles it; until that is done, texts take the plain path, which gives the same results. Where nothing can be written
(a read-only disk) the code stays in memory, and where there is no Numba or llvmlite the plain path stays.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import subprocess
import sys
import threading
from pathlib import Path
from typing import Final

from worker.core.kernel import Kernel, why_never
from worker.kernel_build import unseal
from worker.kernel_folder import KernelFolder, default_folder

_CORE: Final = Path(__file__).parent / "core"
_ROOT: Final = Path(__file__).parent.parent


def code_name() -> str:
    """Return the file name of this kernel's code: it changes with the source, the compiler and the processor.

    Raises ImportError without llvmlite.
    """
    import llvmlite  # noqa: PLC0415 - 60 ms, and not there on every machine

    from worker.core.kernel_compile import processor  # noqa: PLC0415 - imports llvmlite

    digest = hashlib.sha256()
    for part in (llvmlite.__version__, sys.platform, platform.machine(), processor()):
        digest.update(part.encode() + b"\0")
    for source in sorted(_CORE.glob("kernel*.py")):
        digest.update(source.read_bytes())
    return f"kernel-{digest.hexdigest()[:32]}"


class KernelCache:
    """Hands out the kernel once it is there. Safe to use from any number of threads; `close` ends what it started."""

    def __init__(self, folder: Path | None) -> None:
        """Nothing is read or started before the first call of `now`. `folder` None keeps the code in memory."""
        self._folder = KernelFolder(folder) if folder is not None else None
        self._lock: Final = threading.Lock()
        self._done: Final = threading.Event()
        self._kernel: Kernel | None = None
        self._build: subprocess.Popen[bytes] | None = None
        self._started = False
        self._reason = "the kernel has not been asked for yet"

    def now(self) -> Kernel | None:
        """Return the kernel if it can be had at once, else None; the first call starts to compile it."""
        if self._kernel is None and not self._started:
            with self._lock:
                if not self._started:
                    self._start()
                    self._started = True
        return self._kernel

    def wait(self, timeout_s: float) -> Kernel | None:
        """Return the kernel as soon as it is there, None if it is not in time or never will be."""
        self.now()
        self._done.wait(timeout_s)
        return self._kernel

    def reason(self) -> str:
        """Return why there is no kernel now, for people."""
        return self._reason

    def close(self) -> None:
        """End a compilation that still runs. The cache can still be asked, but compiles no more."""
        with self._lock:
            self._started = True
        if self._build is not None:
            self._build.kill()
            self._done.wait()

    def _start(self) -> None:
        """Load the code from the folder, or start to compile it."""
        try:
            name = code_name()
        except ImportError as fault:
            self._give_up(why_never() or f"llvmlite cannot be imported: {fault}")
            return
        code = self._folder.read(name) if self._folder is not None else None
        if code is not None:
            self._load(code)
            return
        self._reason = "the kernel is being compiled in the background"
        self._build = subprocess.Popen(  # noqa: S603 - our own module, by the interpreter that runs us
            [sys.executable, "-m", "worker.kernel_build", str(os.getpid())],
            cwd=_ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        threading.Thread(target=self._finish, args=(self._build, name), name="kernel-build", daemon=True).start()

    def _finish(self, build: subprocess.Popen[bytes], name: str) -> None:
        """Wait for the compilation; keep its code and load it."""
        sealed, faults = build.communicate()
        code = unseal(sealed)
        if build.returncode or code is None:
            last = faults.decode(errors="replace").strip().rpartition("\n")[2]
            self._give_up(f"the kernel could not be compiled: {last or 'the compilation was ended'}")
            return
        if self._folder is not None:
            self._folder.write(name, code)
        self._load(code)

    def _load(self, code: bytes) -> None:
        try:
            self._kernel = Kernel(code)
        except RuntimeError as fault:
            self._reason = f"the kernel could not be loaded: {fault}"
        self._done.set()

    def _give_up(self, reason: str) -> None:
        self._reason = reason
        self._done.set()


def warm(folder: Path) -> bool:
    """Compile the kernel into a folder unless it is there. Returns whether it is there then. Takes seconds."""
    cache = KernelCache(folder)
    with contextlib.closing(cache):
        kernel = cache.wait(timeout_s=600)
    return kernel is not None and KernelFolder(folder).read(code_name()) is not None


def main() -> int:
    """Warm the folder that the environment names: `python -m worker.kernel_cache`."""
    folder = default_folder(os.environ)
    if folder is None or not warm(folder):
        sys.stderr.write(f"kernel_cache: the kernel could not be kept in {folder}\n")
        return 1
    sys.stdout.write(f"kernel_cache: the kernel is in {folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
