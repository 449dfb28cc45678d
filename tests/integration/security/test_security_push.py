"""An endpoint that checks who pushes, as a process: keys come over HTTP, tokens are signed with a key of the test's."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import jwt
from google.auth.crypt import RSASigner

from .conftest import Answer, Function, SecureCloud

AUDIENCE = "https://score.example"
EMAIL = "pusher@project.iam.gserviceaccount.com"
KEY = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
PUBLIC = KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
SIGNER = RSASigner.from_string(
    KEY.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    ),
    key_id="k1",
)


class KeysPage(BaseHTTPRequestHandler):
    """Answers as Google's page of keys does."""

    def do_GET(self) -> None:
        body = json.dumps({"k1": PUBLIC.decode()}).encode()
        self.send_response(200 if self.path == "/keys" else 500)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@contextmanager
def keys_server() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), KeysPage)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module", params=["score_message", "score_upload"])
def checked(request: pytest.FixtureRequest, cloud: SecureCloud) -> Iterator[Function]:
    with keys_server() as url:
        settings = {"AUDIENCE": AUDIENCE, "EMAIL": EMAIL, "KEYS": f"{url}/keys"}
        with cloud.function(
            request.param, **{f"REVIEWMILL_PUSH_{name}": value for name, value in settings.items()}
        ) as function:
            yield function


def token(**changes: object) -> dict[str, str]:
    now = int(time.time())
    claims = {"iss": "https://accounts.google.com", "aud": AUDIENCE, "email": EMAIL, "email_verified": True}
    claims |= {"iat": now - 60, "exp": now + 3_600, **changes}
    return {"Authorization": "Bearer " + jwt.encode(SIGNER, claims).decode()}


def push(function: Function, headers: dict[str, str], key: str) -> Answer:
    """Push a review in the body that Pub/Sub sends to an endpoint."""
    data = base64.b64encode(json.dumps({"text": "A great phone.", "id": key}).encode()).decode()
    message = {"data": data, "messageId": "1", "publishTime": "2026-11-22T18:05:09.123Z"}
    body = json.dumps({"message": message, "subscription": "projects/p/subscriptions/s"}).encode()
    return function.send(body, {"Content-Type": "application/json", **headers})


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "https://other.example"},
        {"email": "other@project.iam.gserviceaccount.com"},
        {"email_verified": False},
        {"iss": "https://evil.example"},
        {"exp": 1_700_000_000, "iat": 1_600_000_000},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_push_with_a_wrong_token_is_refused(checked: Function, changes: dict[str, object]) -> None:
    answer = push(checked, token(**changes), "no")
    assert (answer.status, json.loads(answer.body)["error"]["code"]) == (401, "unauthenticated")


def test_a_push_without_a_token_is_refused_whatever_its_body(checked: Function) -> None:
    assert push(checked, {}, "no").status == 401
    assert checked.send(b"no event", {}).status == 401


def test_a_push_with_the_right_token_is_scored(cloud: SecureCloud) -> None:
    key = f"pushed-{uuid4().hex}"
    with (
        keys_server() as url,
        cloud.function(
            "score_message",
            REVIEWMILL_PUSH_AUDIENCE=AUDIENCE,
            REVIEWMILL_PUSH_EMAIL=EMAIL,
            REVIEWMILL_PUSH_KEYS=f"{url}/keys",
        ) as function,
    ):
        assert push(function, {}, "no").status == 401
        assert push(function, token(), key).status == 200
    lines = b"".join(cloud.stored(cloud.settings.results, "reviews/").values())
    assert key.encode() in lines
    assert b'"key":"no"' not in lines


def test_a_push_that_cannot_be_judged_is_asked_for_again(cloud: SecureCloud) -> None:
    with (
        keys_server() as url,
        cloud.function(
            "score_message",
            REVIEWMILL_PUSH_AUDIENCE=AUDIENCE,
            REVIEWMILL_PUSH_EMAIL=EMAIL,
            REVIEWMILL_PUSH_KEYS=f"{url}/broken",
        ) as function,
    ):
        answer = push(function, token(), "no")
    assert (answer.status, json.loads(answer.body)["error"]["code"]) == (500, "not_ready")


def test_classify_needs_no_token_of_pushes(cloud: SecureCloud) -> None:
    changes = {"REVIEWMILL_PUSH_AUDIENCE": AUDIENCE, "REVIEWMILL_PUSH_EMAIL": EMAIL}
    with cloud.function("classify", **changes) as function:
        assert function.send(b"", {}, method="GET").body == b"Welcome to Classifier"
