"""What functions-framework itself would answer never leaves: no page, no echo, no unbounded body."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import pytest

from worker.function_door import MAX_BODY_BYTES

from .conftest import Function, SecureCloud

SECRET = "CANARY7f3a"
AUTHORIZED = {"Authorization": f"Bearer {SECRET}", "X-Other": SECRET}
JSON = {"Content-Type": "application/json"}
STRUCTURED = {"Content-Type": "application/cloudevents+json"}
BINARY = {
    "ce-id": "1",
    "ce-specversion": "1.0",
    "ce-type": "google.cloud.pubsub.topic.v1.messagePublished",
    "ce-source": "//pubsub.googleapis.com/t",
    **JSON,
}
DATA = base64.b64encode(b'{"text": "%s", "%s": 1}' % (SECRET.encode(), SECRET.encode())).decode()


def push(**message: object) -> bytes:
    return json.dumps({"message": message, "subscription": SECRET}).encode()


MALFORMED: dict[str, tuple[dict[str, str], bytes, int]] = {
    "no body": (JSON, b"", 400),
    "not JSON": (JSON, b"not json " + SECRET.encode(), 400),
    "no content type": ({}, SECRET.encode(), 415),
    "form": ({"Content-Type": "application/x-www-form-urlencoded"}, b"a=" + SECRET.encode(), 415),
    "a list": (JSON, json.dumps([SECRET]).encode(), 400),
    "a string": (JSON, json.dumps(SECRET).encode(), 400),
    "null": (JSON, b"null", 400),
    "an empty object": (JSON, b"{}", 400),
    "another object": (JSON, json.dumps({SECRET: SECRET}).encode(), 400),
    "message is text": (JSON, json.dumps({"message": SECRET, "subscription": "s"}).encode(), 400),
    "message without data": (JSON, push(messageId="1", publishTime=SECRET), 400),
    "message without id": (JSON, push(data=DATA), 400),
    "data is no base64": (JSON, push(messageId="1", data=f"!{SECRET}", publishTime="x"), 400),
    "data is an object": (JSON, push(messageId="1", data={SECRET: SECRET}, publishTime="x"), 400),
    "attributes are a list": (JSON, push(messageId="1", data=DATA, attributes=[SECRET]), 400),
    "deep": (JSON, b"[" * 100_000, 400),
    "unknown type": (JSON, json.dumps({"context": {"eventType": SECRET}, "data": SECRET}).encode(), 400),
    "structured, no attributes": (STRUCTURED, json.dumps({"specversion": "1.0", "data": SECRET}).encode(), 400),
    "structured, unknown version": (STRUCTURED, json.dumps({"specversion": SECRET, "data": SECRET}).encode(), 400),
    "structured, not JSON": (STRUCTURED, SECRET.encode(), 400),
    "structured, null data": (
        STRUCTURED,
        json.dumps({"specversion": "1.0", "id": "1", "type": SECRET, "source": SECRET, "data": None}).encode(),
        400,
    ),
    "structured, broken base64": (
        STRUCTURED,
        json.dumps({"specversion": "1.0", "id": "1", "type": "t", "source": "s", "data_base64": SECRET}).encode(),
        400,
    ),
    "binary, not JSON": (BINARY, SECRET.encode(), 400),
    "binary, other JSON": (BINARY, json.dumps({SECRET: SECRET}).encode(), 400),
    "binary, unknown version": ({**BINARY, "ce-specversion": SECRET}, json.dumps({SECRET: 1}).encode(), 400),
    "binary, half a surrogate pair": (BINARY, b'{"message": {"messageId": "\\ud800", "publishTime": "x"}}', 400),
    "binary, huge number": (BINARY, b'{"message": 1' + b"0" * 400 + b"}", 400),
    "binary, not UTF-8": (BINARY, b'{"message": "\xff' + SECRET.encode() + b'"}', 400),
}


@pytest.fixture(scope="module")
def score_message(cloud: SecureCloud) -> Iterator[Function]:
    with cloud.function("score_message") as function:
        yield function


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_event_is_answered_with_a_small_json_error(score_message: Function, name: str) -> None:
    headers, body, status = MALFORMED[name]
    answer = score_message.send(body, {**headers, **AUTHORIZED}, path=f"/{SECRET}?{SECRET}")
    assert answer.headers["Content-Type"] == "application/json"
    assert set(json.loads(answer.body)) == {"error"}
    assert set(json.loads(answer.body)["error"]) == {"code", "reason"}
    assert SECRET not in answer.body.decode()
    assert SECRET not in str(answer.headers)
    assert answer.status == status
    assert SECRET not in score_message.child.printed()


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_another_method_is_refused_as_json(score_message: Function, method: str) -> None:
    answer = score_message.send(b"", AUTHORIZED, method=method)
    assert (answer.status, json.loads(answer.body)["error"]["code"]) == (405, "method_not_allowed")
    assert "POST" in answer.headers["Allow"]


@pytest.mark.parametrize("target", ["score_message", "score_upload", "classify"])
def test_a_body_over_the_limit_is_refused_unread(cloud: SecureCloud, target: str) -> None:
    declared = (
        f"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {MAX_BODY_BYTES + 1}\r\n"
    )
    with cloud.function(target) as function:
        refused = function.send_raw(declared.encode() + b"\r\n" + SECRET.encode())
        assert refused.startswith(b'413 {"error":{"code":"too_large"'), refused
        # The process goes on.
        assert function.send(b"{}", JSON).status == 400


def test_a_body_of_unknown_length_is_read_up_to_the_limit(score_message: Function) -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"%x\r\n%s\r\n" % (1_000_000, b"a" * 1_000_000)
    chunks = chunk * (MAX_BODY_BYTES // 1_000_000 + 1)
    assert score_message.send_raw(head + chunks + b"0\r\n\r\n").startswith(b'413 {"error":{"code":"too_large"')
    short = b"7\r\nno json\r\n0\r\n\r\n"
    assert score_message.send_raw(head + short).startswith(b'400 {"error":')


def test_paths_that_the_framework_keeps_for_itself_are_refused_as_json(cloud: SecureCloud) -> None:
    with cloud.function("classify") as classify:
        for path in ("/robots.txt", "/favicon.ico"):
            answer = classify.send(b"", AUTHORIZED, method="GET", path=path)
            assert (answer.status, json.loads(answer.body)["error"]["code"]) == (404, "not_found")
