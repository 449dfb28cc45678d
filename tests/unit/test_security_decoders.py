"""Hostile bytes at every decoder: case files made by hand, and generated ones (10,000 for each decoder in CI)."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud.objects import TransientError
from cloud.push_tokens import Keys, PushVerifier
from schemas.errors import InvalidInput
from schemas.events import decode_push, is_notification, upload_from_cloud_event, upload_from_notification
from schemas.jobs import Dialect
from schemas.ranges import decode_range_task
from schemas.requests import decode_classify, decode_review
from worker.core import compiled_archive
from worker.core.compiled_errors import InvalidModel
from worker.core.rows import open_rows

CASES = Path(__file__).resolve().parents[1] / "cases"
EXAMPLES = 10_000 if os.environ.get("CI") else 300
DECODERS: dict[str, Callable[[bytes], object]] = {
    "review": decode_review,
    "classify": decode_classify,
    "push": decode_push,
    "upload": upload_from_cloud_event,
    "range": decode_range_task,
}


@cache
def cases(name: str) -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = yaml.safe_load((CASES / name).read_text(encoding="utf-8"))
    return loaded


def payload(case: dict[str, Any]) -> bytes:
    if "hex" in case:
        return bytes.fromhex(case["hex"])
    text: str = case["data"]
    if "repeat" in case:
        text = text.replace("@", case.get("before", "a") * case["repeat"])
    return text.encode()


HOSTILE = cases("requests/hostile_requests.yaml") + cases("events/bad_events.yaml")


@pytest.mark.parametrize("case", HOSTILE, ids=[f"{case['door']}: {case['name']}" for case in HOSTILE])
def test_a_hostile_document_is_refused_with_its_code_and_key(case: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as caught:
        DECODERS[case["door"]](payload(case))
    assert (caught.value.code, caught.value.key) == (case["code"], case.get("key"))
    assert len(caught.value.reason) < 400
    assert caught.value.reason.endswith((".", ")"))


def test_names_of_cases_differ() -> None:
    names = [(case["door"], case["name"]) for case in HOSTILE]
    assert len(set(names)) == len(names)


NAMES = ["text", "id", "model", "version", "x", "message", "data", "messageId", "publishTime", "attributes"]
WORDS = st.sampled_from([*NAMES, "bucket", "name", "generation", "subscription", "object", "range"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=8,
)
SOUND = [
    b'{"text": "great", "id": "a1", "model": "linear_svc", "version": "v1"}',
    b'{"x": ["great", "bad"], "model": ["linear_svc"]}',
    b'{"message": {"messageId": "1", "publishTime": "x", "data": "YQ==", "attributes": {"a": "b"}}}',
    b'{"bucket": "b", "name": "a.csv", "generation": "1", "size": "5"}',
    b'{"bucket": "b", "object": "a.csv", "generation": 1, "range": 5}',
]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Return a sound document with a few bytes replaced, removed or put in."""
    data = bytearray(draw(st.sampled_from(SOUND)))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        data[start : start + draw(st.integers(0, 5))] = draw(
            st.binary(max_size=5) | st.sampled_from([b'"', b"\\u", b"{"])
        )
    return bytes(data)


def refusal(decode: Callable[[], object]) -> InvalidInput | None:
    """Return what decoding raises; any other exception fails the test."""
    try:
        decode()
    except InvalidInput as error:
        return error
    return None


BYTES = st.binary(max_size=200) | VALUES.map(lambda value: json.dumps(value).encode()) | damaged()
many = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.timeout(600)
@given(data=BYTES)
@many
def test_any_bytes_decode_or_raise_the_one_error_at_every_decoder(data: bytes) -> None:
    for decoder in DECODERS.values():
        error = refusal(partial(decoder, data))
        assert error is None or (error.code.isidentifier() and len(error.reason) < 400)


CELLS = st.lists(st.sampled_from([b'"', b",", b"\n", b"\r\n", b"a", b'a","', b"\0", b"\xff", b"text"]), max_size=40)


@pytest.mark.timeout(600)
@given(data=CELLS.map(b"".join) | st.binary(max_size=100))
@many
def test_any_bytes_are_rows_or_raise_the_one_error(data: bytes) -> None:
    for head in (b"", b"text,b\n"):
        refusal(lambda: list(open_rows([head + data], Dialect())))  # noqa: B023 - called at once


ATTRIBUTES = st.dictionaries(
    st.sampled_from(["eventType", "bucketId", "objectId", "objectGeneration"]) | st.text(max_size=5),
    st.sampled_from(["OBJECT_FINALIZE", "b", "a.csv", "1"]) | st.text(max_size=20),
    max_size=6,
)


@pytest.mark.timeout(600)
@given(attributes=ATTRIBUTES)
@many
def test_any_attributes_name_an_upload_or_raise_the_one_error(attributes: dict[str, str]) -> None:
    is_notification(attributes)
    error = refusal(lambda: upload_from_notification(attributes))
    if error is not None:
        assert error.code == "invalid_event"
        return
    upload = upload_from_notification(attributes)
    assert upload is None or (upload.name.isprintable() and upload.bucket and 0 <= upload.generation < 10**19)


@pytest.mark.timeout(600)
@given(header=st.text(max_size=100) | st.text("abc.-_=Bearer ", max_size=200).map("Bearer ".__add__))
@many
def test_no_made_up_header_proves_a_caller(header: str) -> None:
    def no_keys() -> Keys:
        raise TransientError("a key is asked for")

    verifier = PushVerifier(audience="a", email="e", fetch_keys=no_keys, now=lambda: 0.0)
    assert verifier.refusal(header)


@pytest.mark.timeout(600)
@given(data=st.binary(max_size=300) | st.binary(max_size=300).map(b"PK\x03\x04".__add__))
@many
def test_no_made_up_archive_is_a_model(data: bytes) -> None:
    with pytest.raises(InvalidModel):
        compiled_archive.read(data, max_bytes=1_000_000)
