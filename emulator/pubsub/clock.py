"""The server's one clock: seconds since 1970 that never go back, for deadlines and publish times."""

import time

_OFFSET_S = time.time() - time.monotonic()


def now_s() -> float:
    """Return the time in seconds since 1970, steady while the process lives."""
    return time.monotonic() + _OFFSET_S
