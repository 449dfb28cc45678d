"""The compiled kernel, to hold its way of reading and writing rows to the plain one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from worker.core.kernel import Kernel
from worker.kernel_cache import KernelCache


@pytest.fixture(scope="session")
def kernel(pytestconfig: pytest.Config) -> Iterator[Kernel]:
    """The compiled kernel, kept between runs in pytest's own cache."""
    assert pytestconfig.cache is not None
    cache = KernelCache(pytestconfig.cache.mkdir("kernel"))
    kernel = cache.wait(timeout_s=110)
    assert kernel is not None, cache.reason()
    yield kernel
    cache.close()
