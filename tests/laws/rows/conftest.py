"""The compiled kernel, to hold its way of reading and writing rows to the plain one."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from worker.core.kernel import Kernel
from worker.kernel_cache import KernelCache
from worker.kernel_folder import default_folder


@pytest.fixture(scope="session")
def kernel() -> Iterator[Kernel]:
    """The kernel that `make setup` compiled, in this machine's folder; compiled now where it did not."""
    cache = KernelCache(default_folder(os.environ))
    kernel = cache.wait(timeout_s=110)
    assert kernel is not None, cache.reason()
    yield kernel
    cache.close()
