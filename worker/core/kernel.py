"""What the compiled kernel is to the rest of the core."""

from typing import Protocol


class Kernel(Protocol):
    """A loaded kernel."""


class KernelSupply(Protocol):
    """Hands out the kernel when there is one."""

    def now(self) -> Kernel | None:
        """Return the kernel if it is ready; never waits."""

    def wait(self) -> Kernel | None:
        """Return the kernel, after waiting for it; None where it cannot be had."""
