"""Requests to the storage service for half of what the client's own session takes for each.

Most of the processor's time for a request with `requests` goes into what is the same for every request to one address:
here the environment's proxies and certificates are looked at once. Credentials are the session's, and their tokens are
fetched with `requests`, as it fetches them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import certifi
import urllib3
from google.auth.transport.requests import AuthorizedSession, Request
from requests.utils import get_auth_from_url, select_proxy

_AGENT = "reviewmill"


class Http:
    """Connections to one address. Building it connects to nothing. Safe to use from several threads."""

    def __init__(self, session: AuthorizedSession, endpoint: str, *, connections: int) -> None:
        """Connect as `session` would. Up to `connections` are kept."""
        self._credentials = session.credentials
        self._fetch = Request()
        settings = session.merge_environment_settings(endpoint, {}, stream=None, verify=None, cert=None)
        verify = settings["verify"]
        options: dict[str, Any] = {
            "maxsize": connections,
            "ca_certs": verify if isinstance(verify, str) else certifi.where(),
        }
        proxy = select_proxy(endpoint, settings["proxies"])
        if proxy is None:
            self._pools = urllib3.PoolManager(**options)
        else:
            user, password = get_auth_from_url(proxy)
            headers = urllib3.make_headers(proxy_basic_auth=f"{user}:{password}") if user else None
            self._pools = urllib3.ProxyManager(proxy, proxy_headers=headers, **options)

    @contextmanager
    def request(
        self, method: str, url: str, headers: Mapping[str, str], *, body: tuple[bytes, ...] = (), timeout_s: float
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """Give the answer to one signed request, its body unread. Repeats nothing, but once with a new token after 401.

        Whoever does not read the body closes the connection by it. Raises the errors of `urllib3` and `google.auth`.
        """
        answer = self._send(method, url, headers, body, timeout_s)
        if answer.status == HTTPStatus.UNAUTHORIZED:
            answer.close()
            self._credentials.refresh(self._fetch)
            answer = self._send(method, url, headers, body, timeout_s)
        try:
            yield answer
        finally:
            answer.close()
            answer.release_conn()

    def close(self) -> None:
        """Close the connections."""
        self._pools.clear()

    def _send(
        self, method: str, url: str, headers: Mapping[str, str], body: tuple[bytes, ...], timeout_s: float
    ) -> urllib3.BaseHTTPResponse:
        signed = {"User-Agent": _AGENT, **headers}
        self._credentials.before_request(self._fetch, method, url, signed)
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
