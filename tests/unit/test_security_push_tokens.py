"""Tokens of pushes, made with a key of the test's own: only the right one passes."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import jwt
from google.auth.crypt import RSASigner

from cloud.objects import TransientError
from cloud.push_tokens import PushVerifier
from worker.settings import InvalidSettings, load_settings

AUDIENCE = "https://score.example"
EMAIL = "pusher@project.iam.gserviceaccount.com"


def make_key() -> tuple[RSASigner, str]:
    """Return a signer under the key id `k1`, and its public key as PEM."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return RSASigner.from_string(private, key_id="k1"), public.decode()


SIGNER, PUBLIC = make_key()
STRANGER, _ = make_key()


def claims(**changes: object) -> dict[str, Any]:
    """Return the claims of a good token; None leaves one out."""
    now = int(time.time())
    good = {
        "iss": "https://accounts.google.com",
        "aud": AUDIENCE,
        "email": EMAIL,
        "email_verified": True,
        "iat": now - 60,
        "exp": now + 3_600,
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def bearer(body: Mapping[str, Any], signer: RSASigner = SIGNER, key_id: object = "k1") -> str:
    token: bytes = jwt.encode(signer, body, key_id=key_id)
    return f"Bearer {token.decode()}"


def unsigned(algorithm: str) -> str:
    """Return a token that names an algorithm and carries no signature, or one that anybody can make."""
    parts = [json.dumps(part).encode() for part in ({"alg": algorithm, "kid": "k1", "typ": "JWT"}, claims())]
    return "Bearer " + b".".join([*(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts), b""]).decode()


class Keys:
    """Where keys come from: counts how often it is asked, and can be out of order."""

    def __init__(self, keys: dict[str, str]) -> None:
        self.keys = keys
        self.asked = 0
        self.broken = False

    def __call__(self) -> dict[str, str]:
        self.asked += 1
        if self.broken:
            raise TransientError("no keys now")
        return self.keys


class Clock:
    """A clock that stands still until it is told."""

    def __init__(self) -> None:
        self.time_s = 0.0

    def __call__(self) -> float:
        return self.time_s


def verifier(keys: Keys | None = None, clock: Clock | None = None) -> PushVerifier:
    return PushVerifier(audience=AUDIENCE, email=EMAIL, fetch_keys=keys or Keys({"k1": PUBLIC}), now=clock or Clock())


@pytest.mark.parametrize("issuer", ["https://accounts.google.com", "accounts.google.com"])
def test_a_token_of_google_for_us_passes(issuer: str) -> None:
    assert verifier().refusal(bearer(claims(iss=issuer))) is None


NOW = int(time.time())
BAD: dict[str, str | None] = {
    "nothing": None,
    "empty": "",
    "another scheme": "Basic dXNlcjpwYXNz",
    "no token": "Bearer ",
    "no dots": "Bearer abc",
    "three empty parts": "Bearer ..",
    "not base64": "Bearer !.!.!",
    "not JSON": "Bearer YQ.YQ.YQ",
    "header is a list": "Bearer W10.W10.YQ",
    "deep header": "Bearer " + base64.urlsafe_b64encode(b"[" * 5_000).decode() + ".e30.YQ",
    "too long": "Bearer " + "a" * 9_000,
    "no algorithm": unsigned("none"),
    "a secret instead of a key": unsigned("HS256"),
    "another curve": unsigned("ES256"),
    "unknown algorithm": unsigned("XX"),
    "another's signature": bearer(claims(), STRANGER),
    "another key id": bearer(claims(), key_id="k2"),
    "key id is a number": bearer(claims(), key_id=1),
    "changed claims": bearer(claims()).replace(".ey", ".eyJ", 1),
    "cut signature": bearer(claims())[:-8],
    "another audience": bearer(claims(aud="https://other.example")),
    "our audience among others": bearer(claims(aud=[AUDIENCE, "https://other.example"])),
    "no audience": bearer(claims(aud=None)),
    "another issuer": bearer(claims(iss="https://evil.example")),
    "an issuer that begins well": bearer(claims(iss="https://accounts.google.com.evil.example")),
    "no issuer": bearer(claims(iss=None)),
    "issuer is a number": bearer(claims(iss=1)),
    "issuer is a list": bearer(claims(iss=["https://accounts.google.com"])),
    "another account": bearer(claims(email="other@project.iam.gserviceaccount.com")),
    "no account": bearer(claims(email=None)),
    "account not verified": bearer(claims(email_verified=False)),
    "account verified by a word": bearer(claims(email_verified="true")),
    "expired": bearer(claims(exp=NOW - 600)),
    "of the future": bearer(claims(iat=NOW + 86_400, exp=NOW + 90_000)),
    "no expiry": bearer(claims(exp=None)),
    "expiry is text": bearer(claims(exp="never")),
    "claims are a list": "Bearer " + jwt.encode(SIGNER, [1]).decode(),
}


@pytest.mark.parametrize("name", BAD)
def test_any_other_token_is_refused_without_repeating_it(name: str) -> None:
    refusal = verifier().refusal(BAD[name])
    assert refusal
    token = (BAD[name] or "").partition(" ")[2]
    assert not token or token not in refusal
    assert EMAIL not in refusal


def test_keys_are_fetched_once_and_again_when_old() -> None:
    keys, clock = Keys({"k1": PUBLIC}), Clock()
    checked = verifier(keys, clock)
    for _ in range(3):
        assert checked.refusal(bearer(claims())) is None
    assert keys.asked == 1
    clock.time_s = 3_601
    assert checked.refusal(bearer(claims())) is None
    assert keys.asked == 2


def test_a_new_key_is_fetched_when_a_token_names_it_but_not_for_every_forgery() -> None:
    keys, clock = Keys({"k0": PUBLIC}), Clock()
    checked = verifier(keys, clock)
    for _ in range(50):
        assert checked.refusal(bearer(claims()))
    assert keys.asked == 1
    keys.keys, clock.time_s = {"k1": PUBLIC}, 61
    assert checked.refusal(bearer(claims())) is None
    assert keys.asked == 2


def test_old_keys_serve_while_new_ones_cannot_be_had() -> None:
    keys, clock = Keys({"k1": PUBLIC}), Clock()
    checked = verifier(keys, clock)
    assert checked.refusal(bearer(claims())) is None
    keys.broken, clock.time_s = True, 7_200
    assert checked.refusal(bearer(claims())) is None


def test_without_keys_no_token_passes_and_none_is_called_bad() -> None:
    keys = Keys({})
    keys.broken = True
    with pytest.raises(TransientError):
        verifier(keys).refusal(bearer(claims()))


@pytest.mark.parametrize(
    ("environment", "fault"),
    [
        ({"REVIEWMILL_PUSH_AUDIENCE": AUDIENCE}, "go together"),
        ({"REVIEWMILL_PUSH_EMAIL": EMAIL}, "go together"),
        ({"REVIEWMILL_PUSH_KEYS": "http://keys.example/"}, "must begin with https://"),
        ({"REVIEWMILL_PUSH_KEYS": "http://localhost.evil.example/"}, "must begin with https://"),
        ({"REVIEWMILL_PUSH_AUDIENCE": " "}, "is empty"),
    ],
)
def test_half_a_check_of_pushes_is_refused(environment: dict[str, str], fault: str) -> None:
    with pytest.raises(InvalidSettings, match=fault):
        load_settings(environment)
