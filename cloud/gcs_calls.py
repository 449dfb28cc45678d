"""How one call to Cloud Storage is tried, given up, and told: the only place where storage calls are repeated."""

from __future__ import annotations

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import TypeVar

import requests
import urllib3
from google.api_core import exceptions as api
from google.auth import exceptions as auth
from google.cloud.storage.exceptions import DataCorruption
from tenacity import Retrying, retry_if_exception, stop_before_delay, wait_random_exponential

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
    urllib3.exceptions.ProtocolError,  # the same, where the raw body is read
    urllib3.exceptions.TimeoutError,  # a timeout, where the raw body is read
    urllib3.exceptions.SSLError,  # the encrypted connection broke
    ConnectionError,  # reset by the peer; the client raises it for a short body, too
    DataCorruption,  # the bytes that arrived are not those of the checksum; they may be the next time
    auth.TransportError,  # the server of access tokens did not answer
)

_SHORTEST_TRY_S = 0.2
_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 2.0


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
        ends = time.monotonic() + self.timeout_s
        retrying = Retrying(
            stop=stop_before_delay(self.timeout_s),
            wait=wait_random_exponential(multiplier=_FIRST_WAIT_S, max=_LONGEST_WAIT_S),
            retry=retry_if_exception(is_transient),
            reraise=True,
        )
        try:
            return retrying(lambda: attempt(max(_SHORTEST_TRY_S, min(ends - time.monotonic(), self.timeout_s / 2))))
        except Exception as error:
            raise _translated(error, what) from error


def _translated(error: Exception, what: str) -> Exception:
    """Return the port's error for an SDK's; an error that has none is a bug of ours and stays as it is."""
    if is_transient(error):
        return TransientError(f"{what}: {_sentence(error)}")
    if isinstance(error, api.PreconditionFailed):
        return PreconditionFailed(f"{what} is not at the generation that was demanded")
    if isinstance(error, api.NotFound):
        # The service answers 404 for both; only its sentence tells them apart.
        if "bucket does not exist" in str(error).lower():
            return CloudSetupError(f"{what}: the bucket does not exist; create it, or correct its name")
        return ObjectNotFound(what)
    if isinstance(error, api.Forbidden | api.Unauthorized):
        return PermissionMissing(f"{what}: permission is missing ({_sentence(error)})")
    if isinstance(error, auth.GoogleAuthError):
        return CloudSetupError(f"{what}: the Google Cloud credentials do not work ({_sentence(error)})")
    return error


def _sentence(error: Exception) -> str:
    """Return the error as one line of bounded length; responses can hold whole pages."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else text[:300] + "…"  # noqa: PLR2004 - a readable line of a log
