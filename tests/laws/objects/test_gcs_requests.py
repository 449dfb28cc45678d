"""Requests to a storage service that answers what it should not, and how they are signed and sent."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import urllib3
from google.api_core import exceptions as api
from google.auth import exceptions as auth
from google.auth.credentials import AnonymousCredentials, Credentials
from google.auth.transport.requests import AuthorizedSession

from cloud.gcs_calls import is_transient
from cloud.gcs_http import Http
from cloud.gcs_media import Media
from cloud.objects import CloudSetupError

HUGE = 10**12

Answer = Callable[[BaseHTTPRequestHandler], None]


class OneToken(Credentials):
    """Credentials whose first token the service does not take any more."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.token, self.refreshed = "old", 0

    @property
    def expired(self) -> bool:
        return False

    @property
    def valid(self) -> bool:
        return True

    def refresh(self, request: object) -> None:  # noqa: ARG002 - the port's
        self.token, self.refreshed = "new", self.refreshed + 1


@contextmanager
def service(answer: Answer, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Answer every request so; give the address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answer(self)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            answer(self)

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"{'http' if tls is None else 'https'}://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def reply(handler: BaseHTTPRequestHandler, status: int, body: bytes = b"", *, length: int | None = None) -> None:
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    handler.end_headers()
    handler.wfile.write(body)


def open_http(address: str, credentials: Any = None) -> Http:  # noqa: ANN401 - of any kind
    session = AuthorizedSession(credentials or AnonymousCredentials())
    session.trust_env = False
    return Http(session, address, connections=2)


def upload(media: Media, *, timeout_s: float = 5.0) -> None:
    media.upload("name", b"bytes", content_type="text/csv", if_generation=0, metadata=None, timeout_s=timeout_s)


def test_a_whole_object_for_a_range_is_not_read() -> None:
    gone = threading.Event()

    def whole(handler: BaseHTTPRequestHandler) -> None:
        reply(handler, 200, b"x" * 1000, length=HUGE)
        try:
            while True:
                handler.wfile.write(b"x" * 65536)
        except OSError:
            gone.set()

    with service(whole) as address, closing(open_http(address)) as http:
        media = Media(http, address, "/b/bucket")
        with pytest.raises(api.GoogleAPICallError, match="range"):
            list(media.download("/b/bucket/o/name", 1, 0, 10, timeout_s=5.0))
        assert gone.wait(timeout=10)


@pytest.mark.parametrize(
    ("status", "body", "kind", "sentence"),
    [
        (412, b'{"error": {"message": "At least one condition failed"}}', api.PreconditionFailed, "condition failed"),
        (403, b'{"error": {"message": "denied to all"}}', api.Forbidden, "denied to all"),
        (503, b"<html>a proxy speaks</html>", api.ServiceUnavailable, "a proxy speaks"),
        (500, b"", api.InternalServerError, "no reason was given"),
        (429, b'["not", "an", "error"]', api.TooManyRequests, "not"),
        (404, b'{"error": "a string"}', api.NotFound, "a string"),
    ],
)
def test_an_error_is_the_services_own(
    status: int, body: bytes, kind: type[api.GoogleAPICallError], sentence: str
) -> None:
    with service(lambda handler: reply(handler, status, body)) as address, closing(open_http(address)) as http:
        media = Media(http, address, "/b/bucket")
        with pytest.raises(kind, match=sentence):
            upload(media)
        with pytest.raises(kind, match=sentence):
            list(media.download("/b/bucket/o/name", 1, 0, 10, timeout_s=5.0))


def test_an_upload_that_something_else_answers_is_tried_again() -> None:
    with service(lambda handler: reply(handler, 200, b"welcome")) as address, closing(open_http(address)) as http:
        with pytest.raises(ConnectionError, match="no JSON") as caught:
            upload(Media(http, address, "/b/bucket"))
        assert is_transient(caught.value)


def test_a_token_that_is_not_taken_any_more_is_fetched_anew_once() -> None:
    seen: list[str | None] = []

    def demand(handler: BaseHTTPRequestHandler) -> None:
        seen.append(handler.headers["Authorization"])
        reply(handler, 206 if seen[-1] == "Bearer new" else 401, b"0123456789" * (seen[-1] == "Bearer new"))

    credentials = OneToken()
    with service(demand) as address, closing(open_http(address, credentials)) as http:
        media = Media(http, address, "/b/bucket")
        assert b"".join(media.download("/b/bucket/o/name", 1, 0, 10, timeout_s=5.0)) == b"0123456789"
        assert seen == ["Bearer old", "Bearer new"]
    with (
        service(lambda handler: reply(handler, 401)) as address,
        closing(open_http(address, credentials)) as http,
        pytest.raises(api.Unauthorized),
    ):
        upload(Media(http, address, "/b/bucket"))
    assert credentials.refreshed == 1 + 2


class SlowToken(OneToken):
    """Credentials that ask a server for their token, as those of users and service accounts do."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.address = address

    def before_request(self, request: Any, method: str, url: str, headers: dict[str, str]) -> None:  # noqa: ANN401, ARG002 - google-auth's
        request(url=self.address, method="POST")


def test_a_token_server_that_hangs_is_waited_for_as_long_as_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    asked, given_up = threading.Event(), threading.Event()

    def hang(_: BaseHTTPRequestHandler) -> None:
        asked.set()
        given_up.wait(60)

    with service(hang) as address, closing(open_http(address, SlowToken(address))) as http:
        try:
            with pytest.raises(auth.TransportError) as caught:
                upload(Media(http, address, "/b/bucket"), timeout_s=0.3)
            assert asked.wait(20)  # a busy machine's server may get there later
        finally:
            given_up.set()
    assert is_transient(caught.value)


def test_a_service_that_is_not_there_may_be_later() -> None:
    with service(lambda handler: reply(handler, 200)) as address:
        pass
    with closing(open_http(address)) as http, pytest.raises(Exception, match="refused") as caught:
        upload(Media(http, address, "/b/bucket"))
    assert is_transient(caught.value)


def test_a_connection_is_used_again() -> None:
    ports: set[int] = set()

    def count(handler: BaseHTTPRequestHandler) -> None:
        ports.add(handler.client_address[1])
        reply(handler, 206, b"0123456789")

    with service(count) as address, closing(open_http(address)) as http:
        media = Media(http, address, "/b/bucket")
        for _ in range(5):
            assert b"".join(media.download("/b/bucket/o/name", 1, 0, 10, timeout_s=5.0)) == b"0123456789"
    assert len(ports) == 1


@pytest.mark.parametrize("scheme", ["http://", ""])
def test_the_environments_proxy_is_asked(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []

    def proxy(handler: BaseHTTPRequestHandler) -> None:
        lines.append(f"{handler.path} {handler.headers['Proxy-Authorization']}")
        reply(handler, 206, b"0123456789")

    with service(proxy) as address:
        monkeypatch.setenv("http_proxy", address.replace("http://", f"{scheme}user:secret@"))
        monkeypatch.delenv("no_proxy", raising=False)
        session = AuthorizedSession(AnonymousCredentials())
        with closing(Http(session, "http://storage.invalid", connections=2)) as http:
            media = Media(http, "http://storage.invalid", "/b/bucket")
            assert b"".join(media.download("/b/bucket/o/name", 1, 0, 10, timeout_s=5.0)) == b"0123456789"
    assert lines == [
        "http://storage.invalid/download/storage/v1/b/bucket/o/name?alt=media&generation=1 Basic dXNlcjpzZWNyZXQ="
    ]


def test_a_proxy_of_no_kind_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    for proxy in ("socks5h://127.0.0.1:9", "gopher://127.0.0.1:9"):
        monkeypatch.setenv("https_proxy", proxy)
        with pytest.raises(CloudSetupError, match="proxy"):
            Http(AuthorizedSession(AnonymousCredentials()), "https://storage.invalid", connections=2)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of 127.0.0.1 that is its own authority, with its key, and a link by which a folder finds it."""
    folder = tmp_path_factory.mktemp("certificates")
    path = folder / "server.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(folder / "key"), "-out", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    hashed = subprocess.run(["openssl", "x509", "-hash", "-noout", "-in", path], check=True, capture_output=True)
    (folder / f"{hashed.stdout.decode().strip()}.0").write_text(path.read_text())
    with path.open("a") as file:
        file.write((folder / "key").read_text())
    return path


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
@pytest.mark.parametrize("kind", ["file", "folder", "none", "gone"])
def test_the_environments_certificates_are_trusted(
    kind: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = {"file": certificate, "folder": certificate.parent, "gone": certificate.parent / "gone"}
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    if kind != "none":
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(named[kind]))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    with service(lambda handler: reply(handler, 206, b"0123456789"), context) as address:
        if kind == "gone":
            with pytest.raises(CloudSetupError, match="REQUESTS_CA_BUNDLE"):
                Http(AuthorizedSession(AnonymousCredentials()), address, connections=2)
            return
        with closing(Http(AuthorizedSession(AnonymousCredentials()), address, connections=2)) as http:
            pieces = Media(http, address, "/b/bucket").download("/b/bucket/o/name", 1, 0, 10, timeout_s=5.0)
            if kind == "none":
                with pytest.raises(urllib3.exceptions.SSLError):
                    list(pieces)
            else:
                assert b"".join(pieces) == b"0123456789"
