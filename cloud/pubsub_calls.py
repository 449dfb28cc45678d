"""How one call to Pub/Sub is tried, given up, and told."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from google.api_core import exceptions as api
from google.auth import exceptions as auth

from cloud.attempts import one_line, run_attempts
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


def _is_transient(error: BaseException) -> bool:
    return isinstance(error, TRANSIENT_ERRORS)


def run_call(what: str, attempt: Callable[[float], T], *, timeout_s: float, try_s: float) -> T:
    """Return what `attempt` returns; blocks up to about `timeout_s`.

    `attempt` is given how long it may wait, in seconds: at most `try_s`, and no longer than the deadline.
    Raises TransientError and CloudSetupError.
    """
    try:
        return run_attempts(attempt, _is_transient, timeout_s=timeout_s, try_s=try_s)
    except Exception as error:
        raise translated(error, what) from error


def translated(error: BaseException, what: str) -> BaseException:
    """Return the port's error for an SDK's; an error that has none is a bug of ours and stays as it is."""
    if isinstance(error, (*TRANSIENT_ERRORS, api.RetryError)):
        return TransientError(f"{what}: {one_line(error)}")
    if isinstance(error, api.NotFound):
        return CloudSetupError(f"{what} does not exist; create it, or correct its name or the project")
    if isinstance(error, api.PermissionDenied | api.Unauthenticated):
        return PermissionMissing(f"{what}: permission is missing ({one_line(error)})")
    if isinstance(error, auth.GoogleAuthError):
        return CloudSetupError(f"{what}: the Google Cloud credentials do not work ({one_line(error)})")
    return error
