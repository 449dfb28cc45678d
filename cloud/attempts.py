"""How the adapters repeat a call to the cloud, whichever service it goes to."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from tenacity import Retrying, retry_if_exception, stop_before_delay, wait_random_exponential

T = TypeVar("T")

NO_CREDENTIALS = (
    "No Google Cloud credentials were found: run `gcloud auth application-default login`, or start the local cloud "
    "with `reviewmill local` and set the variables it prints."
)

_SHORTEST_TRY_S = 0.2
_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 2.0
_MAX_SENTENCE = 300


def run_attempts(
    attempt: Callable[[float], T], is_transient: Callable[[BaseException], bool], *, timeout_s: float, try_s: float
) -> T:
    """Return what `attempt` returns; blocks up to about `timeout_s`, then raises the last error as it is.

    `attempt` is given how long it may wait for the network, in seconds: at most `try_s`, and no longer than what is
    left. Waits between tries are random below a bound that doubles (https://cloud.google.com/storage/docs/retry-strategy),
    and a wait that would end after the deadline is not begun.
    """
    ends = time.monotonic() + timeout_s
    retrying = Retrying(
        stop=stop_before_delay(timeout_s),
        wait=wait_random_exponential(multiplier=_FIRST_WAIT_S, max=_LONGEST_WAIT_S),
        retry=retry_if_exception(is_transient),
        reraise=True,
    )
    return retrying(lambda: attempt(max(_SHORTEST_TRY_S, min(ends - time.monotonic(), try_s))))


def one_line(error: BaseException) -> str:
    """Return the error as one line of bounded length; responses can hold whole pages."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= _MAX_SENTENCE else text[:_MAX_SENTENCE] + "…"
