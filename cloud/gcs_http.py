"""Requests to the storage service for much less of the processor's time than the client's own session takes for each.

Most of a request with `requests` goes into what is the same for every request to one address: here the environment's
proxies and certificates are looked at once. Credentials are the session's, and their tokens are fetched with `requests`
as it fetches them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from importlib import import_module
from pathlib import Path
from typing import Any

import certifi
import requests
import urllib3
from google.auth.transport.requests import AuthorizedSession, Request
from requests.adapters import HTTPAdapter
from requests.utils import get_auth_from_url, select_proxy

from cloud.objects import CloudSetupError

_AGENT = "reviewmill"
_TOKEN_TRIES = 3  # as `AuthorizedSession` has them
_REFRESHES = 2  # the same


class Http:
    """Connections to one address. Building it connects to nothing. Safe to use from several threads."""

    def __init__(self, session: AuthorizedSession, endpoint: str, *, connections: int) -> None:
        """Connect as `session` would. Up to `connections` are kept.

        Raises CloudSetupError for a proxy or certificates in the environment that cannot be used.
        """
        self._credentials = session.credentials
        self._tokens = requests.Session()
        self._tokens.mount("https://", HTTPAdapter(max_retries=_TOKEN_TRIES))
        self._fetch = Request(self._tokens)
        settings = session.merge_environment_settings(endpoint, {}, stream=None, verify=None, cert=None)
        options: dict[str, Any] = {"maxsize": connections, **_certificates(settings["verify"])}
        proxy = select_proxy(endpoint, settings["proxies"])
        self._pools = urllib3.PoolManager(**options) if proxy is None else _through(proxy, options)

    @contextmanager
    def request(
        self, method: str, url: str, headers: Mapping[str, str], *, body: tuple[bytes, ...] = (), timeout_s: float
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """Give the answer to one signed request, its body unread. Repeats nothing, but with a new token after a 401.

        Whoever does not read the body closes the connection by it. Raises the errors of `urllib3` and `google.auth`.
        """
        answer = self._send(method, url, headers, body, timeout_s)
        for _ in range(_REFRESHES):
            if answer.status != HTTPStatus.UNAUTHORIZED:
                break
            answer.close()
            self._credentials.refresh(partial(self._fetch, timeout=timeout_s))
            answer = self._send(method, url, headers, body, timeout_s)
        try:
            yield answer
        finally:
            answer.close()
            answer.release_conn()

    def close(self) -> None:
        """Close the connections."""
        self._pools.clear()
        self._tokens.close()

    def _send(
        self, method: str, url: str, headers: Mapping[str, str], body: tuple[bytes, ...], timeout_s: float
    ) -> urllib3.BaseHTTPResponse:
        signed = {"User-Agent": _AGENT, **headers}
        self._credentials.before_request(partial(self._fetch, timeout=timeout_s), method, url, signed)
        answer: urllib3.BaseHTTPResponse = self._pools.urlopen(
            method,
            url,
            body=body or None,
            headers=signed,
            timeout=timeout_s,
            retries=False,
            redirect=False,
            preload_content=False,
        )
        return answer


def _certificates(verify: object) -> dict[str, str]:
    """Return what urllib3 is to trust, given what `requests` found: a path of REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE."""
    if not isinstance(verify, str):
        return {"ca_certs": certifi.where()}
    if not Path(verify).exists():
        raise CloudSetupError(
            f"The certificates {verify!r} of REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE are not there. Correct the path, or "
            "unset the variable."
        )
    return {"ca_cert_dir" if Path(verify).is_dir() else "ca_certs": verify}


def _through(proxy: str, options: dict[str, Any]) -> urllib3.PoolManager:
    """Return connections through a proxy, whose address may hold a user and a password."""
    address = proxy if "://" in proxy else f"http://{proxy}"  # as `requests` reads it
    user, password = get_auth_from_url(address)
    try:
        if address.lower().startswith("socks"):
            import_module("socks")  # urllib3 only warns where it is not installed
            from urllib3.contrib.socks import SOCKSProxyManager  # noqa: PLC0415

            return SOCKSProxyManager(address, username=user or None, password=password or None, **options)
        headers = urllib3.make_headers(proxy_basic_auth=f"{user}:{password}") if user else None
        return urllib3.ProxyManager(address, proxy_headers=headers, **options)
    except (ImportError, ValueError, urllib3.exceptions.HTTPError) as error:
        scheme = address.partition("://")[0]
        raise CloudSetupError(
            f"The environment's proxy ({scheme}) cannot be used: {type(error).__name__}. Correct the variable that "
            "names it, or install what it needs (PySocks for SOCKS)."
        ) from None
