"""Who pushes: verification of the token that Pub/Sub signs for a push endpoint.

Cloud Run and Cloud Functions verify it before a request arrives, where only named accounts may invoke. This is for
endpoints that nothing stands before. https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator, Mapping

from google.auth import exceptions, jwt
from google.auth.transport.requests import Request

from cloud.objects import TransientError
from schemas.nesting import TOO_DEEP, nests_too_deep

ISSUERS = frozenset({"accounts.google.com", "https://accounts.google.com"})
"""Both forms are in use (https://developers.google.com/identity/gsi/web/guides/verify-google-id-token)."""

CLOCK_SKEW_S = 10
MAX_TOKEN_CHARS = 8_192
_KEYS_LIVE_S = 3_600.0
"""Google announces a key a day before it signs with it."""
_ASK_AGAIN_S = 60.0
"""A token that names an unknown key makes the keys be fetched anew, but forged ones cannot make that a flood."""
_FETCH_TIMEOUT_S = 5.0

Keys = Mapping[str, str]
"""Key id → certificate or public key, PEM."""


class _Refused(Exception):  # noqa: N818 - reads as the fact it is
    """The token does not prove the caller; the message says why, and holds nothing of the token."""


class PushVerifier:
    """Checks the Authorization header of pushes: signature, issuer, audience, email, times. Threads may share it."""

    def __init__(self, *, audience: str, email: str, fetch_keys: Callable[[], Keys], now: Callable[[], float]) -> None:
        self._audience = audience
        self._email = email
        self._fetch_keys = fetch_keys
        self._now = now
        self._lock = threading.Lock()
        self._keys: Keys = {}
        self._fetched: float | None = None

    def refusal(self, authorization: str | None) -> str | None:
        """Return why the header does not prove the caller, None when it does. Raises TransientError without keys.

        May block on fetching the keys. What is returned holds nothing of the token.
        """
        try:
            self._check(authorization or "")
        except _Refused as refused:
            return str(refused)
        return None

    def _check(self, authorization: str) -> None:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token or len(token) > MAX_TOKEN_CHARS:
            raise _Refused("The request has no bearer token. Let the subscription push with one.")
        try:
            if any(map(nests_too_deep, _segments(token.encode()))):
                raise _Refused("The token is nested too deeply.")
            key_id = jwt.decode_header(token).get("kid")
            if not isinstance(key_id, str):
                raise _Refused("The token names no key.")
            claims = jwt.decode(
                token, self._keys_with(key_id), audience=self._audience, clock_skew_in_seconds=CLOCK_SKEW_S
            )
        except (exceptions.GoogleAuthError, ValueError, TypeError, AttributeError):
            raise _Refused("The token is not signed by Google for this audience, or has expired.") from None
        issuer = claims.get("iss")
        if not isinstance(issuer, str) or issuer not in ISSUERS:
            raise _Refused("The token is of another issuer than Google.")
        if claims.get("email") != self._email or claims.get("email_verified") is not True:
            raise _Refused("The token is of another account than the one that may push.")

    def _keys_with(self, key_id: str) -> Keys:
        """Return the current keys, fetched anew when they are old or lack `key_id`."""
        with self._lock:
            age = None if self._fetched is None else self._now() - self._fetched
            if age is None or age > _KEYS_LIVE_S or (key_id not in self._keys and age > _ASK_AGAIN_S):
                try:
                    self._keys, self._fetched = self._fetch_keys(), self._now()
                except TransientError:
                    # The old keys are still Google's; without any, no token can be judged.
                    if not self._keys:
                        raise
            return self._keys


def _segments(token: bytes) -> Iterator[bytes]:
    """Yield the JSON of a token's header and claims, as the verifier decodes it; ValueError for no base64."""
    for segment in token.split(b".")[:2]:
        yield base64.urlsafe_b64decode(segment + b"=" * (-len(segment) % 4))


def fetch_keys_from(url: str) -> Callable[[], Keys]:
    """Return a function that fetches the keys, a JSON object of key id → PEM. It raises TransientError."""

    def fetch() -> Keys:
        try:
            response = Request()(url, timeout=_FETCH_TIMEOUT_S)
            if nests_too_deep(response.data):
                raise ValueError(TOO_DEEP)
            keys = json.loads(response.data)
        except (exceptions.GoogleAuthError, ValueError) as error:
            raise TransientError(f"the keys at {url} could not be read ({type(error).__name__})") from error
        if response.status != 200 or not isinstance(keys, dict):  # noqa: PLR2004 - HTTP's OK
            raise TransientError(f"the keys at {url} could not be read (status {response.status})")
        return keys

    return fetch
