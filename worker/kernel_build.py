"""The process that compiles the kernel: `python -m worker.kernel_build PARENT` writes a digest and the code.

A process of its own, because Numba would hold the interpreter lock of the worker for seconds and keep 100 MB of its
memory. It ends when its parent does.
"""

from __future__ import annotations

import hashlib
import os
import sys
import threading
import time

_POLL_S = 0.2


def _end_with(parent: int) -> None:
    """End this process as soon as its parent is another than the one that started it."""
    while os.getppid() == parent:
        time.sleep(_POLL_S)
    os._exit(1)


def seal(code: bytes) -> bytes:
    """Return code with its SHA-256 before it: LLVM ends the process when it links code that is cut off."""
    return hashlib.sha256(code).digest() + code


def unseal(sealed: bytes) -> bytes | None:
    """Return the code, or None if it is not what was sealed."""
    size = hashlib.sha256().digest_size
    digest, code = sealed[:size], sealed[size:]
    return code if code and hashlib.sha256(code).digest() == digest else None


def main() -> int:
    """Compile the kernel and write it, sealed, to standard output. The argument is the process id of the parent."""
    threading.Thread(target=_end_with, args=(int(sys.argv[1]),), daemon=True).start()
    os.environ["NUMBA_OPT"] = "0"  # read when Numba is imported, see compile_kernel
    from worker.core.kernel_compile import compile_kernel  # noqa: PLC0415 - after the line above

    sys.stdout.buffer.write(seal(compile_kernel()))
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
