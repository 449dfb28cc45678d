"""How one call to Pub/Sub is tried, given up, and told: the only place where its unary calls are repeated."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from google.api_core import exceptions as api
from google.auth import exceptions as auth
from tenacity import Retrying, retry_if_exception_type, stop_before_delay, wait_random_exponential

from cloud.objects import CloudSetupError, PermissionMissing, TransientError

T = TypeVar("T")

TRANSIENT_ERRORS = (
    api.ServiceUnavailable,  # UNAVAILABLE: overload, a restart, or a connection that cannot be made
    api.DeadlineExceeded,  # DEADLINE_EXCEEDED: no answer in time (an empty pull, which is none, is told before)
    api.GatewayTimeout,  # the same, as HTTP tells it
    api.InternalServerError,  # INTERNAL: a fault of the service, or a stream that was reset
    api.ResourceExhausted,  # RESOURCE_EXHAUSTED: a quota of calls a minute
    api.Aborted,  # ABORTED: the service asks for the call again
    api.Cancelled,  # CANCELLED: the server went away while it worked; we cancel nothing ourselves
    api.Unknown,  # UNKNOWN: the client's retry for Pub/Sub counts it as transient, too
    auth.TransportError,  # the server of access tokens did not answer
)

_SHORTEST_TRY_S = 0.2
_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 2.0


def run_call(what: str, attempt: Callable[[float], T], *, timeout_s: float, try_s: float) -> T:
    """Return what `attempt` returns; blocks up to about `timeout_s`.

    `attempt` is given how long it may wait, in seconds: at most `try_s`, and no longer than the deadline.
    Raises TransientError and CloudSetupError.
    """
    ends = time.monotonic() + timeout_s
    retrying = Retrying(
        stop=stop_before_delay(timeout_s),
        wait=wait_random_exponential(multiplier=_FIRST_WAIT_S, max=_LONGEST_WAIT_S),
        retry=retry_if_exception_type(TRANSIENT_ERRORS),
        reraise=True,
    )
    try:
        return retrying(lambda: attempt(max(_SHORTEST_TRY_S, min(ends - time.monotonic(), try_s))))
    except Exception as error:
        raise translated(error, what) from error


def translated(error: BaseException, what: str) -> BaseException:
    """Return the port's error for an SDK's; an error that has none is a bug of ours and stays as it is."""
    if isinstance(error, (*TRANSIENT_ERRORS, api.RetryError)):
        return TransientError(f"{what}: {_sentence(error)}")
    if isinstance(error, api.NotFound):
        return CloudSetupError(f"{what} does not exist; create it, or correct its name or the project")
    if isinstance(error, api.PermissionDenied | api.Unauthenticated):
        return PermissionMissing(f"{what}: permission is missing ({_sentence(error)})")
    if isinstance(error, auth.GoogleAuthError):
        return CloudSetupError(f"{what}: the Google Cloud credentials do not work ({_sentence(error)})")
    return error


def _sentence(error: BaseException) -> str:
    """Return the error as one line of bounded length."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else text[:300] + "…"  # noqa: PLR2004 - a readable line of a log
