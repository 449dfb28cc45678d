"""How one call to Cloud Storage is tried, given up, and told."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import TypeVar

import requests
import urllib3
from google.api_core import exceptions as api
from google.auth import exceptions as auth
from google.cloud.storage.exceptions import DataCorruption

from cloud.attempts import one_line, run_attempts
from cloud.objects import CloudSetupError, ObjectNotFound, PermissionMissing, PreconditionFailed, TransientError

T = TypeVar("T")

TRANSIENT_ERRORS = (
    api.TooManyRequests,  # 429: the rate of requests, or of writes to one name (about one a second)
    api.InternalServerError,  # 500: a fault of the service
    api.BadGateway,  # 502: a fault between the front end and the service
    api.ServiceUnavailable,  # 503: overload, or a restart
    api.GatewayTimeout,  # 504: the service did not answer its front end in time
    requests.ConnectionError,  # refused, reset or no route; also a connect timeout
    requests.Timeout,  # no byte came for as long as we wait for one
    requests.exceptions.ChunkedEncodingError,  # the body ended too early
    urllib3.exceptions.ProtocolError,  # the same, and a connection that was reset, without `requests`
    urllib3.exceptions.TimeoutError,  # no byte came, or no connection: refused, no route, no such host
    urllib3.exceptions.ProxyError,
    urllib3.exceptions.SSLError,  # the encrypted connection broke
    ConnectionError,  # reset by the peer; the client raises it for a short body, too
    DataCorruption,  # the bytes that arrived are not those of the checksum; they may be the next time
    auth.TransportError,  # the server of access tokens did not answer
)


def is_transient(error: BaseException) -> bool:
    """Tell whether the same call may succeed later."""
    if isinstance(error, TRANSIENT_ERRORS):
        return True
    # 408 has no class of its own: the client took too long to send its request.
    return isinstance(error, api.GoogleAPICallError) and error.code == HTTPStatus.REQUEST_TIMEOUT


class Calls:
    """Runs calls, each with a deadline of its own. Safe to use from several threads."""

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s

    def run(self, what: str, attempt: Callable[[float], T]) -> T:
        """Return what `attempt` returns; blocks up to about `timeout_s`.

        `attempt` is given how long it may wait for the network, in seconds: at most half of the deadline, so that a
        connection that went silent leaves time for another. `what` is the object, for messages. Raises the errors of
        the object port.
        """
        try:
            return run_attempts(attempt, is_transient, timeout_s=self.timeout_s, try_s=self.timeout_s / 2)
        except Exception as error:
            raise _translated(error, what) from error


def _translated(error: Exception, what: str) -> Exception:
    """Return the port's error for an SDK's; an error that has none is a bug of ours and stays as it is."""
    if is_transient(error):
        return TransientError(f"{what}: {one_line(error)}")
    if isinstance(error, api.PreconditionFailed):
        return PreconditionFailed(f"{what} is not at the generation that was demanded")
    if isinstance(error, api.NotFound):
        # The service answers 404 for both; only its sentence tells them apart.
        if "bucket does not exist" in str(error).lower():
            return CloudSetupError(f"{what}: the bucket does not exist; create it, or correct its name")
        return ObjectNotFound(what)
    if isinstance(error, api.Forbidden | api.Unauthorized):
        return PermissionMissing(f"{what}: permission is missing ({one_line(error)})")
    if isinstance(error, auth.GoogleAuthError):
        return CloudSetupError(f"{what}: the Google Cloud credentials do not work ({one_line(error)})")
    return error
