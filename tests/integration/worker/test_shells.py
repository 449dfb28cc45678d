"""One story behind all doors: the same requests give the same result bytes, pulled or pushed."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from functions_framework import create_app

from cloud import connect
from cloud.queue import Received
from emulator.provision import provision
from emulator.topology import SubscriptionPlan, plan
from schemas.outcomes import text_digest
from worker.core.envelope import normal_time
from worker.core.naming import job_id
from worker.function import _parts

from .conftest import LocalCloud, wait_until

STAMP = "2026-11-22T18:05:09.123456Z"
REQUESTS: list[bytes] = [
    b'{"text": "A great phone, would buy again.", "id": "good"}',
    b'{"text": "Terrible battery.", "id": "svc", "model": "LinearSVC"}',
    b'{"text": "Terrible battery.", "id": "tree", "model": "DecisionClassifier"}',
    b'{"text": "no id"}',
    '{"text": "\u00e9t\u00e9 \u0130stanbul \U0001f600", "id": "unicode"}'.encode(),
    b'{"text": "", "id": "empty"}',
    b'{"text": "a", "id": "who", "model": "bert"}',
    b'{"text": "a", "id": "when", "version": "v0"}',
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"text": "' + b"a" * 100_001 + b'", "id": "long"}',
]


@pytest.fixture
def fresh(cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> LocalCloud:
    """The cloud with topics, subscriptions and buckets of this test's own, and the same models."""
    mark = uuid4().hex[:8]
    settings = replace(
        cloud.settings,
        reviews_topic=f"reviews-{mark}",
        reviews_subscription=f"reviews-worker-{mark}",
        uploads_topic=f"uploads-{mark}",
        uploads_subscription=f"uploads-worker-{mark}",
        uploads=f"gs://uploads-{mark}",
        results=f"gs://results-{mark}",
    )
    topology = plan(settings)
    copy = SubscriptionPlan(f"copy-{mark}", settings.reviews_topic, dead_letter_topic=None)
    topology = replace(
        topology,
        subscriptions=(*topology.subscriptions, copy),
        buckets=(*topology.buckets, f"pushed-{mark}"),
    )
    provision(topology, cloud.environment, wait_s=60)
    monkeypatch.setenv("REVIEWMILL_RESULTS", f"gs://pushed-{mark}")
    monkeypatch.setenv("REVIEWMILL_UPLOADS", settings.uploads)
    return replace(cloud, settings=settings)


@pytest.fixture
def functions(fresh: LocalCloud) -> Iterator[dict[str, FlaskClient]]:  # noqa: ARG001 - its environment is used
    """The three cloud functions as functions-framework serves them, with fresh parts."""
    _parts.cache_clear()
    yield {
        name: create_app(name, "main.py", kind).test_client()
        for name, kind in (("score_message", "cloudevent"), ("score_upload", "cloudevent"), ("classify", "http"))
    }
    _parts.cache_clear()


def pushed_results(fresh: LocalCloud) -> str:
    return fresh.settings.results.replace("results-", "pushed-")


def copies(fresh: LocalCloud, count: int) -> list[Received]:
    """Return the published messages, from a subscription that no worker pulls."""
    name = fresh.settings.reviews_topic.replace("reviews-", "copy-")
    subscription = connect.open_subscription(fresh.settings.project, name)
    got: list[Received] = []

    def all_here() -> bool:
        got.extend(subscription.pull(100, timeout_s=2))
        return len(got) >= count

    wait_until(all_here)
    subscription.close()
    return got


def post_event(client: FlaskClient, kind: str, source: str, data: object) -> int:
    headers = {"ce-id": "1", "ce-specversion": "1.0", "ce-type": kind, "ce-source": source}
    return client.post("/", json=data, headers=headers).status_code


def post_message(client: FlaskClient, message: Received, publish_time: str) -> int:
    body = {
        "data": base64.b64encode(message.data).decode(),
        "attributes": dict(message.attributes),
        "messageId": message.message_id,
        "publishTime": publish_time,
    }
    kind = "google.cloud.pubsub.topic.v1.messagePublished"
    return post_event(client, kind, "//pubsub.googleapis.com/t", {"message": body, "subscription": "s"})


def publish(fresh: LocalCloud, requests: list[bytes]) -> None:
    topic = connect.open_topic(fresh.settings.project, fresh.settings.reviews_topic)
    futures = [topic.publish(data, {"enqueued_at": STAMP}) for data in requests]
    assert len({future.result(timeout=60) for future in futures}) == len(requests)
    topic.close()


def count_results(fresh: LocalCloud) -> int:
    return sum(len(fresh.lines(fresh.settings.results, kind)) for kind in ("reviews", "rejections"))


def test_pulled_and_pushed_messages_give_the_same_lines(fresh: LocalCloud, functions: dict[str, FlaskClient]) -> None:
    publish(fresh, REQUESTS)
    with fresh.worker():
        wait_until(lambda: count_results(fresh) == len(REQUESTS))
    for message in copies(fresh, len(REQUESTS)):
        # Pushes show three decimals where they suffice; pulls show what was stored.
        assert post_message(functions["score_message"], message, message.publish_time) == 200
    for kind in ("reviews/v1/dt=2026-11-22/hr=18/", "rejections/v1/dt=2026-11-22/hr=18/"):
        pulled = fresh.lines(fresh.settings.results, kind)
        assert pulled
        assert pulled == fresh.lines(pushed_results(fresh), kind)
    codes = {line["key"]: line["code"] for line in map(json.loads, fresh.lines(fresh.settings.results, "rejections"))}
    assert {key: codes[key] for key in ("empty", "who", "when", "long")} == {
        "empty": "empty_text",
        "who": "unknown_model",
        "when": "unknown_version",
        "long": "text_too_long",
    }
    assert sorted(code for key, code in codes.items() if key.startswith("m:")) == ["invalid_utf8", "nested_too_deep"]


def test_one_message_gives_the_same_object_through_both_doors(
    fresh: LocalCloud, functions: dict[str, FlaskClient]
) -> None:
    publish(fresh, REQUESTS[:1])
    with fresh.worker():
        wait_until(lambda: count_results(fresh) == 1)
    message = copies(fresh, 1)[0]
    for _ in range(2):  # a redelivery writes nothing new
        assert post_message(functions["score_message"], message, normal_time(message.publish_time)) == 200
    assert fresh.stored(fresh.settings.results) == fresh.stored(pushed_results(fresh))


CSV = b"text,id,note\n" + b"".join(
    b'"row %d is %s, with a comma",%d,\xe2\x82\xac\n' % (n, (b"great", b"awful")[n % 2], n) for n in range(500)
)


def test_a_dropped_csv_gives_the_same_bytes_through_both_doors(
    fresh: LocalCloud, functions: dict[str, FlaskClient]
) -> None:
    uploads = fresh.bucket(fresh.settings.uploads)
    info = uploads.put(
        "in box/caf\u00e9.csv", CSV, content_type="text/csv", if_generation=0, metadata={"model": "LinearSVC"}
    )
    bucket = fresh.settings.uploads.removeprefix("gs://")
    job = f"jobs/{job_id(bucket, info.name, info.generation)}/"
    with fresh.worker(chunk_rows=100):
        wait_until(lambda: f"{job}manifest.json" in fresh.stored(fresh.settings.results, job))
    event = {"bucket": bucket, "name": info.name, "generation": str(info.generation), "size": str(info.size)}
    kind = "google.cloud.storage.object.v1.finalized"
    assert post_event(functions["score_upload"], kind, "//storage.googleapis.com/b", event) == 200
    pulled, pushed = fresh.stored(fresh.settings.results, job), fresh.stored(pushed_results(fresh), job)
    assert pulled[f"{job}predictions.csv"] == pushed[f"{job}predictions.csv"]
    manifest = json.loads(pulled[f"{job}manifest.json"])
    assert manifest["counts"] == {"rows": 500, "predictions": 500, "rejections": 0}
    assert manifest["model"] == "linear_svc"
    assert len([name for name in pulled if name.endswith(".csv") and "/parts/" in name]) == 5


def test_a_folder_that_is_made_in_the_console_is_no_job(fresh: LocalCloud, functions: dict[str, FlaskClient]) -> None:
    uploads = fresh.bucket(fresh.settings.uploads)
    bucket = fresh.settings.uploads.removeprefix("gs://")
    marks = [uploads.put("linear_svc/", b"", content_type="text/plain", if_generation=0)]
    marks.append(replace(marks[0], name="gone/"))
    rows = uploads.put("odd/", CSV, content_type="text/csv", if_generation=0)
    job = f"jobs/{job_id(bucket, rows.name, rows.generation)}/"
    with fresh.worker():
        # The notification of the mark comes before this one.
        wait_until(lambda: f"{job}manifest.json" in fresh.stored(fresh.settings.results, job))
    assert all(name.startswith(job) for name in fresh.stored(fresh.settings.results))
    for mark in marks:
        event = {"bucket": bucket, "name": mark.name, "generation": str(mark.generation), "size": "0"}
        kind = "google.cloud.storage.object.v1.finalized"
        assert post_event(functions["score_upload"], kind, "//storage.googleapis.com/b", event) == 200
    assert fresh.stored(pushed_results(fresh)) == {}


def test_an_event_about_another_bucket_is_not_followed(fresh: LocalCloud, functions: dict[str, FlaskClient]) -> None:
    event = {"bucket": "reviewmill-models", "name": "models/x.csv", "generation": "1"}
    kind = "google.cloud.storage.object.v1.finalized"
    assert post_event(functions["score_upload"], kind, "//storage.googleapis.com/b", event) == 500
    assert fresh.stored(pushed_results(fresh)) == {}


def test_classify_answers_with_the_same_scores(fresh: LocalCloud, functions: dict[str, FlaskClient]) -> None:
    text = "A great phone, would buy again."
    publish(fresh, REQUESTS[:1])
    with fresh.worker():
        wait_until(lambda: count_results(fresh) == 1)
    stored = json.loads(fresh.lines(fresh.settings.results, "reviews")[0])
    answer = functions["classify"].post("/", json={"x": [text, "Terrible."]}).get_json()
    assert stored["text_sha256"] == text_digest(text)
    assert answer[0] == {"text": text} | {name: stored[name] for name in ("label", "probability", "model", "version")}
    assert [row["label"] for row in answer] == ["1", "0"]


def test_classify_speaks_plain_lines_to_those_who_ask(functions: dict[str, FlaskClient]) -> None:
    answer = functions["classify"].post(
        "/", json={"x": ["Great\tphone\n"], "model": ["LinearSVC"]}, headers={"Accept": "text/plain"}
    )
    label, probability, text = answer.get_data(as_text=True).removesuffix("\n").split("\t")
    assert (label, text) == ("1", "Great phone")
    assert 0.5 <= float(probability) <= 1


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{}", 400, "missing_field"),
        (b'{"x": []}', 400, "empty_field"),
        (b'{"x": "text"}', 400, "wrong_type"),
        (b'{"x": [""]}', 400, "empty_field"),
        (b'{"x": ["a"], "model": "bert"}', 400, "unknown_model"),
        (b'{"x": ["a"], "model": ["LinearSVC", "LinearSVC"]}', 400, "field_too_long"),
        (b'{"x": ["a"], "y": 1}', 400, "unknown_field"),
        (b"not json", 400, "invalid_json"),
        (b"", 400, "invalid_json"),
        (b'{"x": ["' + b"a" * 9_000_001 + b'"]}', 413, "too_large"),
    ],
    ids=lambda value: repr(value[:30]) if isinstance(value, bytes) else str(value),
)
def test_classify_refuses_with_a_code(functions: dict[str, FlaskClient], body: bytes, status: int, code: str) -> None:
    answer = functions["classify"].post("/", data=body, content_type="application/json")
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (status, code)


def test_classify_welcomes_and_refuses_other_methods(functions: dict[str, FlaskClient]) -> None:
    assert functions["classify"].get("/").get_data(as_text=True) == "Welcome to Classifier"
    assert functions["classify"].head("/").status_code == 200
    assert functions["classify"].delete("/").status_code == 405


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"secret": 1}', 400),
        (b'{"message": {"messageId": "1"}, "subscription": "projects/p/subscriptions/secret"}', 400),
        (b"", 400),
    ],
)
@pytest.mark.parametrize("function", ["score_message", "score_upload"])
def test_a_request_that_is_no_event_is_not_repeated_in_the_answer(
    functions: dict[str, FlaskClient], function: str, body: bytes, status: int
) -> None:
    headers = {"Authorization": "Bearer secret"}
    answer = functions[function].post("/", data=body, content_type="application/json", headers=headers)
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (status, "bad_request")
    assert "secret" not in answer.get_data(as_text=True)


def test_event_functions_name_the_methods_that_they_take(functions: dict[str, FlaskClient]) -> None:
    answer = functions["score_message"].get("/")
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (405, "method_not_allowed")
    assert answer.headers["Allow"]


def test_the_worker_takes_both_kinds_of_message_from_one_subscription(fresh: LocalCloud) -> None:
    uploads = fresh.bucket(fresh.settings.uploads)
    info = uploads.put("x.csv", CSV, content_type="text/csv", if_generation=0)
    bucket = fresh.settings.uploads.removeprefix("gs://")
    topic = connect.open_topic(fresh.settings.project, fresh.settings.reviews_topic)
    topic.publish(
        b"",
        {
            "eventType": "OBJECT_FINALIZE",
            "bucketId": bucket,
            "objectId": info.name,
            "objectGeneration": str(info.generation),
        },
    ).result(timeout=60)
    topic.close()
    publish(fresh, REQUESTS[:3])
    job = f"jobs/{job_id(bucket, info.name, info.generation)}/"
    with fresh.worker():
        wait_until(
            lambda: count_results(fresh) == 3 and f"{job}manifest.json" in fresh.stored(fresh.settings.results, job)
        )
