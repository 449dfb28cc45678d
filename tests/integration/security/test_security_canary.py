"""A marker in every input: it may come out in the columns of the upload it came in with, and nowhere else.

The processes run with the most talkative logs there are.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cloud import connect
from emulator.topology import kept
from worker.core.naming import job_id

from .conftest import Function, SecureCloud, wait_until

pytestmark = [pytest.mark.timeout(300), pytest.mark.slow]

SECRET = "CANARY7f3a"
BYTES = SECRET.encode()
STAMP = "2026-11-22T18:05:09.123456Z"

REVIEWS: dict[str, bytes] = {
    "good": b'{"text": "A great phone, %s", "id": "good"}' % BYTES,
    "no id": b'{"text": "%s"}' % BYTES,
    "too long": b'{"text": "%s", "id": "long"}' % (BYTES * 12_000),
    "bad id": b'{"text": "a", "id": "%s not an id"}' % BYTES,
    "bad model": b'{"text": "a", "id": "model", "model": "%s"}' % BYTES,
    "bad version": b'{"text": "a", "id": "version", "version": "%s"}' % BYTES,
    "wrong type": b'{"text": ["%s"], "id": "type"}' % BYTES,
    "unknown field": b'{"text": "a", "%s": "%s", "id": "field"}' % (BYTES, BYTES),
    "duplicate": b'{"text": "%s", "text": "%s"}' % (BYTES, BYTES),
    "plain text": BYTES,
    "cut": b'{"text": "%s' % BYTES,
    "not UTF-8": b'{"text": "%s\xff"}' % BYTES,
    "half a pair": b'{"text": "%s \\ud800 "}' % BYTES,
    "deep": b'{"text": ' + b"[" * 5_000 + b'"%s"' % BYTES,
    "a number": b'{"text": "%s", "version": 1e999}' % BYTES,
    "control": b'{"text": "%s\x01"}' % BYTES,
}

HOSTILE_ATTRIBUTES: tuple[dict[str, str], ...] = (
    {"eventType": "OBJECT_FINALIZE", "bucketId": "b", "objectId": f"{SECRET}\n.csv", "objectGeneration": "1"},
    {"eventType": "OBJECT_FINALIZE", "bucketId": "b", "objectId": "a.csv", "objectGeneration": SECRET},
    {"eventType": SECRET, "bucketId": SECRET, "objectId": SECRET},
)


def _parquet(columns: dict[str, list[str | None]]) -> bytes:
    target = io.BytesIO()
    pq.write_table(pa.table(columns), target)
    return target.getvalue()


TABLES: dict[str, tuple[bytes, dict[str, str]]] = {
    "good.csv": (b"text,id,%s\ngreat %s,1,%s\nbad,2,b\n" % (BYTES, BYTES, BYTES), {}),
    "rows.csv": (
        b"text,id,other\nfine,1,x\nfine too,9,y\nand this,8,z\n%s\x00,2,b\n%s\n%s\xff,3,c\n%s,4,d,e,f\n,5,%s\n"
        % (BYTES, BYTES, BYTES, BYTES, BYTES),
        {"max-rejections": "100"},
    ),
    "quote.csv": (b'text,id\nfine,1\nfine,2\n"%s,3\n' % BYTES, {"max-rejections": "100"}),
    "column.csv": (b"%s,other\n%s,b\n" % (BYTES, BYTES), {}),
    "duplicate.csv": (b"text,text,%s\n%s,b,c\n" % (BYTES, BYTES), {}),
    "model.csv": (b"text\n%s\n" % BYTES, {"model": SECRET}),
    "limit.csv": (b"text\n%s\n" % BYTES, {"max-rejections": SECRET}),
    "encoding.csv": (b"text\n%s\n" % BYTES, {"encoding": "utf-16"}),
    "bytes.csv": (b"\xff\xfe" + f"text\n{SECRET}\n".encode("utf-16-le"), {}),
    "packed.csv": (gzip.compress(b"text\n%s\n" % BYTES), {}),
    "empty.csv": (b"", {"other": SECRET}),
    "tabs.tsv": (b"text\tid\n%s\t1\n%s\x00\t2\n%s\t3\t4\n" % (BYTES, BYTES, BYTES), {"max-rejections": "100"}),
    "lines.jsonl": (b"".join(data + b"\n" for data in REVIEWS.values()), {"max-rejections": "100"}),
    "table.parquet": (_parquet({"text": [f"good {SECRET}", SECRET, None], SECRET: [SECRET] * 3}), {}),
    "damaged.parquet": (_parquet({"text": [SECRET] * 3})[:-9] + BYTES, {}),
    "shared.csv": (
        b"text,id,%s\n" % BYTES
        + b"".join(b"%s,%d,%s\n" % (BYTES + (b"" if row % 9 else b"\0"), row, BYTES) for row in range(2_000)),
        {"max-rejections": "1000"},
    ),
}

LETTERS = (b'{"text": "dead %s", "id": "letter"}' % BYTES, BYTES, b'{"text": ["%s"]}' % BYTES)
SEALED_HOUR, SEALED_STAMP = "dt=2026-01-02/hr=03", "2026-01-02T03:04:05.678901Z"


@dataclass(frozen=True, slots=True)
class Traces:
    """What everything left behind: name → bytes."""

    logs: dict[str, bytes]
    results: dict[str, bytes]
    models: dict[str, bytes]
    answers: dict[str, bytes]
    completions: list[bytes]


@pytest.fixture(scope="module")
def traces(cloud: SecureCloud) -> Traces:
    """Send the marker in through every door and collect what came of it."""
    logs: dict[str, bytes] = {}
    answers: dict[str, bytes] = {}
    logs |= _redrive(cloud)
    talkative = {"REVIEWMILL_LOG_LEVEL": "DEBUG", "REVIEWMILL_BREAKER_SHARE": "1"}
    with cloud.worker(**talkative, REVIEWMILL_RANGE_BYTES="20000") as worker:
        _publish(cloud)
        uploaded = _upload(cloud)
        logs |= _run_publisher(cloud)
        wait_until(lambda: not _unsettled(cloud, uploaded), lambda: str(_unsettled(cloud, uploaded)))
    logs["worker"] = worker.printed().encode()
    sealed = cloud.command("compact", "--partition", SEALED_HOUR, "--keep", REVIEWMILL_LOG_LEVEL="DEBUG")
    assert sealed.returncode == 0, sealed.stderr
    logs["compact"] = sealed.stdout + sealed.stderr
    for target in ("score_message", "score_upload", "classify"):
        with cloud.function(target, REVIEWMILL_LOG_LEVEL="DEBUG") as function:
            answers |= _call(function, target, uploaded)
        logs[target] = function.child.printed().encode()
    results, models = cloud.stored(cloud.settings.results), cloud.stored(cloud.settings.models)
    return Traces(logs, results, models, answers, _completions(cloud))


def _redrive(cloud: SecureCloud) -> dict[str, bytes]:
    """Put letters where Pub/Sub puts what it gives up, look at them and publish them again; return what was said."""
    source = "CloudPubSubDeadLetterSource"
    attributes = {
        f"{source}Subscription": cloud.settings.reviews_subscription,
        f"{source}TopicPublishTime": SEALED_STAMP,
        "other": SECRET,
    }
    with closing(connect.open_topic(cloud.settings.project, cloud.settings.dead_letter_topic)) as topic:
        for data in LETTERS:
            topic.publish(data, attributes).result(timeout=60)
    told = {}
    for options in (("--dry-run",), ()):
        done = cloud.command("redrive", "--wait", "2", *options, REVIEWMILL_LOG_LEVEL="DEBUG")
        assert b"redriven 3 + left 0" in done.stdout, done.stderr
        told[" ".join(("redrive", *options))] = done.stdout + done.stderr
    return told


def _completions(cloud: SecureCloud) -> list[bytes]:
    """Return every message that tells of a finished job."""
    found: list[bytes] = []
    with closing(connect.open_subscription(cloud.settings.project, kept(cloud.settings.completions_topic))) as letters:
        while batch := letters.pull(100, timeout_s=2):
            letters.acknowledge([message.ack_id for message in batch])
            found += [message.data + json.dumps(dict(message.attributes)).encode() for message in batch]
    return found


def _publish(cloud: SecureCloud) -> None:
    topic = connect.open_topic(cloud.settings.project, cloud.settings.reviews_topic)
    for data in REVIEWS.values():
        topic.publish(data, {"enqueued_at": STAMP, "source": SECRET})
    topic.publish(b'{"text": "a", "id": "stamp"}', {"enqueued_at": SECRET, SECRET: SECRET})
    for attributes in HOSTILE_ATTRIBUTES:
        topic.publish(BYTES, attributes)
    topic.close()


def _upload(cloud: SecureCloud) -> dict[str, int]:
    """Return name → generation of the files that were uploaded."""
    uploads = cloud.bucket(cloud.settings.uploads)
    return {
        name: uploads.put(name, data, content_type="text/csv", if_generation=0, metadata=metadata).generation
        for name, (data, metadata) in TABLES.items()
    }


def _run_publisher(cloud: SecureCloud) -> dict[str, bytes]:
    lines = [*(data for data in REVIEWS.values() if b"\n" not in data), b'{"text": "last %s", "id": "last"}' % BYTES]
    (cloud.folder / "reviews.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    (cloud.folder / "reviews.csv").write_bytes(TABLES["rows.csv"][0])
    (cloud.folder / "one.jsonl").write_bytes(b'{"text": "one %s", "id": "one"}\n' % BYTES)
    commands = (
        ("publish", "review", f"hello {SECRET}", "--id", "hello"),
        ("publish", "review", f"hello {SECRET}", "--id", f"{SECRET} not an id"),
        ("publish", "reviews", "reviews.jsonl"),
        ("publish", "reviews", "reviews.csv"),
        ("publish", "reviews", "one.jsonl", "--wait"),
        ("publish", "csv", "reviews.csv", "--wait"),
    )
    told = {}
    for number, command in enumerate(commands):
        done = cloud.command(*command, REVIEWMILL_LOG_LEVEL="DEBUG")
        told[f"publisher {number} {' '.join(command[:2])}"] = done.stdout + done.stderr
    return told


def _unsettled(cloud: SecureCloud, uploaded: dict[str, int]) -> set[str]:
    """Return the messages without an outcome, by their ids, and the uploads without a manifest."""
    stored = cloud.stored(cloud.settings.results)
    lines = b"".join(data for name, data in stored.items() if name.startswith(("reviews/", "rejections/"))).splitlines()
    keys = {json.loads(line)["key"] for line in lines}
    bucket = cloud.settings.uploads.removeprefix("gs://")
    names = {name for name in uploaded if f"jobs/{job_id(bucket, name, uploaded[name])}/manifest.json" not in stored}
    return {"good", "long", "model", "version", "field", "stamp", "hello", "one", "letter"} - keys | names


def _call(function: Function, target: str, uploaded: dict[str, int]) -> dict[str, bytes]:
    """Send the function what belongs to it and what does not; return the answers that are errors."""
    told: dict[str, bytes] = {}
    for name, body, kind in _bodies(target, uploaded):
        headers = {"Content-Type": kind, "Authorization": f"Bearer {SECRET}", "X-Request": SECRET}
        answer = function.send(body, headers, path=f"/{SECRET}?q={SECRET}")
        if answer.status != 200:
            told[f"{target} {name}"] = answer.body + str(answer.headers).encode()
    return told


def _bodies(target: str, uploaded: dict[str, int]) -> Iterator[tuple[str, bytes, str]]:
    for name, data in REVIEWS.items():
        message = {"data": base64.b64encode(data).decode(), "messageId": "7", "publishTime": STAMP}
        envelope = {"message": {**message, "attributes": {"enqueued_at": SECRET}}, "subscription": SECRET}
        yield f"push {name}", json.dumps(envelope).encode(), "application/json"
        yield f"raw {name}", data, "application/json"
        yield f"text {name}", data, "text/plain"
        yield f"texts {name}", json.dumps({"x": [data.decode(errors="replace")]}).encode(), "application/json"
        yield f"structured {name}", data, "application/cloudevents+json"
    for name, generation in uploaded.items():
        resource = {"bucket": "reviewmill-uploads", "name": name, "generation": str(generation), SECRET: SECRET}
        event = {"specversion": "1.0", "id": "1", "source": "//storage.googleapis.com/b", "data": resource}
        event["type"] = "google.cloud.storage.object.v1.finalized"
        yield f"event {name}", json.dumps(event).encode(), "application/cloudevents+json"
    yield "model", json.dumps({"x": [SECRET], "model": SECRET}).encode(), "application/json"
    yield "accept", json.dumps({"x": [SECRET], SECRET: SECRET}).encode(), "application/json"
    assert target


def around(data: bytes) -> list[bytes]:
    """Return where the marker stands in data."""
    parts = data.split(BYTES)
    return [before[-160:] + BYTES + after[:60] for before, after in pairwise(parts)][:5]


def test_logs_never_hold_what_was_sent(traces: Traces) -> None:
    assert {name: around(data) for name, data in traces.logs.items() if BYTES in data} == {}
    # The test would see a leak: the logs are there, and tell of the inputs by id.
    assert b"is given back: invalid_event" in traces.logs["worker"]
    assert all(b"refused" in traces.logs[name] for name in ("score_message", "score_upload"))


def test_storage_holds_it_where_an_upload_is_told_of_only(traces: Traces, cloud: SecureCloud) -> None:
    # A rejection names the version that was asked for, also in its reason; everything else of an outcome is ours.
    named = re.compile(rb'"version":"%s"|has no version %s\.' % (BYTES, BYTES))
    kept = {name: named.sub(b"", data) for name, data in traces.results.items()}
    holding = {name for name, data in kept.items() if BYTES in data}
    told = {name for name in holding if name.startswith("jobs/") and _tells_of_its_upload(name)}
    assert {name: around(kept[name]) for name in holding - told} == {}
    assert any(name.endswith("predictions.csv") for name in told)
    assert not [name for name in traces.results if SECRET in name]
    assert [name for name, data in traces.models.items() if BYTES in data] == []
    # The test would see a leak: every kind of object is there.
    for kind in ("reviews/", "rejections/", "sealed/v1/reviews/", "sealed/v1/rejections/"):
        assert any(name.startswith(kind) for name in traces.results)
    for end in ("/rejections.jsonl", "/manifest.json", ".rejections.jsonl", "/ranges.json"):
        assert any(name.endswith(end) for name in traces.results)
    assert cloud.stored(cloud.settings.uploads).keys() >= TABLES.keys()


def test_completions_never_hold_it(traces: Traces) -> None:
    assert [data for data in traces.completions if BYTES in data] == []
    jobs = {json.loads(data.partition(b"}{")[0] + b"}")["job"] for data in traces.completions}
    assert len(jobs) >= len(TABLES)


def _tells_of_its_upload(name: str) -> bool:
    """Say whether an object of a job may hold the upload's columns: predictions, header, excerpts of the report."""
    _, job, *rest = name.split("/")
    if rest == ["manifest.json"]:
        # The reason of a job that found no text column names the columns that are there.
        return job.startswith(("column-", "duplicate-"))
    return not name.endswith("rejections.jsonl")


def test_errors_never_repeat_the_request(traces: Traces) -> None:
    assert {name: around(data) for name, data in traces.answers.items() if BYTES in data} == {}
    assert len(traces.answers) > 100
    assert all(b'{"error":{"code":"' in data for data in traces.answers.values())


def test_the_publishers_receipt_holds_no_text(cloud: SecureCloud, traces: Traces) -> None:  # noqa: ARG001 - runs it
    # What was given, and the lines that were not sent, to be mended and sent again.
    theirs = ("reviews.jsonl", "reviews.csv", "one.jsonl", ".failures.jsonl", ".rows.csv")
    holding = [path for path in _files(cloud.folder) if not path.name.endswith(theirs) and BYTES in path.read_bytes()]
    assert holding == []
    assert any("receipt" in path.name for path in _files(cloud.folder))


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
