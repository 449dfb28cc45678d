"""`reviewmill publish reviews`: every line is accepted, failed or a repeat, and can be fed again."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from publisher.command import main
from publisher.receipts import read_receipt
from schemas.outcomes import Receipt, text_digest
from schemas.requests import decode_review
from tests.integration.publisher.conftest import LocalCloud, StandInWorker, pull_all
from worker.core.naming import parse_time

ROOT = Path(__file__).parents[3]


def write_lines(name: str, *lines: object) -> None:
    """Write JSON lines; bytes as they are."""
    encoded = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    Path(name).write_bytes(b"".join(line + b"\n" for line in encoded))


def only(pattern: str) -> Path:
    (path,) = Path().glob(pattern)
    return path


def receipt_of(pattern: str = "*.receipt.jsonl") -> list[Receipt]:
    return list(read_receipt(only(pattern)))


def test_each_accepted_line_has_one_receipt_line(local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str]) -> None:
    write_lines("in.jsonl", {"text": "one"}, {"text": "two", "id": "mine", "model": "linear_svc"}, {"text": "three"})
    assert main(["reviews", "in.jsonl", "--model", "DecisionTreeClassifier"]) == 0
    out = capsys.readouterr().out
    lines = receipt_of("in.p*.receipt.jsonl")
    assert "read 3 = accepted 3 + failed 0 + repeats 0" in out
    assert str(only("in.p*.receipt.jsonl")) in out
    run = lines[0].receipt
    assert [line.id for line in lines] == [f"{run}-000001", "mine", f"{run}-000003"]
    assert [line.text_sha256 for line in lines] == [text_digest(text) for text in ("one", "two", "three")]
    messages = {message.message_id: message for message in pull_all(local_cloud.reviews, 3)}
    for line in lines:
        message = messages[line.message_id]
        request = decode_review(message.data)
        assert request.id == line.id
        assert request.model == ("linear_svc" if line.id == "mine" else "decision_tree")
        assert message.attributes["enqueued_at"] == line.enqueued_at
        assert parse_time(line.enqueued_at) is not None
        assert len(line.enqueued_at) == len("2026-03-01T10:00:00.000000Z")


def test_bad_lines_fail_and_the_others_are_published(
    local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    bad: list[object] = [
        {"id": "no-text"},
        {"text": ""},
        {"text": "x" * 100_001},
        {"text": 5},
        {"text": "t", "colour": "red"},
        {"text": "t", "id": "not an id"},
        b'{"text": "\xff"}',
        b'{"text": NaN}',
        b'{"text": "a", "text": "b"}',
        b"not json",
        {"text": "x" * 10_000_000},
    ]
    write_lines("in.jsonl", {"text": "good"}, *bad, b"", b"   ", {"text": "good too"})
    assert main(["reviews", "in.jsonl"]) == 1
    captured = capsys.readouterr()
    assert "read 13 = accepted 2 + failed 11 + repeats 0" in captured.out
    assert "line 2: missing_text" in captured.err
    faults = [json.loads(line) for line in only("*.faults.jsonl").read_text().splitlines()]
    assert [fault["code"] for fault in faults] == [
        "missing_text",
        "empty_text",
        "text_too_long",
        "wrong_type",
        "unknown_field",
        "invalid_id",
        "invalid_utf8",
        "invalid_json",
        "duplicate_key",
        "invalid_json",
        "too_large",
    ]
    assert [fault["line"] for fault in faults] == list(range(2, 13))
    failures = only("*.failures.jsonl").read_bytes().splitlines()
    assert failures == [line if isinstance(line, bytes) else json.dumps(line).encode() for line in bad]
    assert len(receipt_of()) == len(pull_all(local_cloud.reviews, 2))


@pytest.mark.usefixtures("local_cloud")
def test_mended_failures_are_fed_again_into_the_same_receipt(capsys: pytest.CaptureFixture[str]) -> None:
    write_lines("in.jsonl", {"text": "good"}, {"text": "", "id": "empty"})
    assert main(["reviews", "in.jsonl", "--receipt", "r.jsonl", "--failures", "f.jsonl"]) == 1
    Path("f.jsonl").write_text(Path("f.jsonl").read_text().replace('""', '"mended"'))
    assert main(["reviews", "f.jsonl", "--receipt", "r.jsonl"]) == 0
    assert "accepted 1" in capsys.readouterr().out
    assert [line.text_sha256 for line in read_receipt(Path("r.jsonl"))] == [text_digest("good"), text_digest("mended")]


def test_repeats_are_published_once_and_conflicts_are_reported(
    local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    write_lines(
        "in.jsonl",
        {"text": "one", "id": "a"},
        {"id": "a", "text": "one"},
        {"text": "another", "id": "a"},
        {"text": "one", "id": "a", "model": "linear_svc"},
        {"text": "one"},
        {"text": "one"},
    )
    assert main(["reviews", "in.jsonl"]) == 1
    captured = capsys.readouterr()
    assert "read 6 = accepted 3 + failed 2 + repeats 1" in captured.out
    assert captured.err.count("duplicate_id") == 2
    texts = sorted(decode_review(message.data).text for message in pull_all(local_cloud.reviews, 3))
    assert texts == ["one", "one", "one"]
    assert json.loads(only("*.failures.jsonl").read_text().splitlines()[0])["text"] == "another"


def test_a_csv_is_published_by_row(local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str]) -> None:
    Path("in.csv").write_bytes(
        b"\xef\xbb\xbfid,model,review\r\n"
        b'a,linear_svc,"one, with a comma"\r\n'
        b",,two\r\n"
        b"c,three columns,too,many\r\n"
        b'd,,"over\r\ntwo lines"\r\n'
    )
    assert main(["reviews", "in.csv", "--text-column", "review"]) == 1
    captured = capsys.readouterr()
    assert "read 4 = accepted 3 + failed 1 + repeats 0" in captured.out
    assert "row 3: " in captured.err
    assert "line 4 of the file" in captured.err
    requests = [decode_review(message.data) for message in pull_all(local_cloud.reviews, 3)]
    by_text = {request.text: request for request in requests}
    assert set(by_text) == {"one, with a comma", "two", "over\r\ntwo lines"}
    assert (by_text["one, with a comma"].id, by_text["one, with a comma"].model) == ("a", "linear_svc")
    run = receipt_of()[0].receipt
    assert (by_text["two"].id, by_text["two"].model) == (f"{run}-000002", None)


def test_rows_that_cannot_be_read_are_given_back_as_they_stand(
    local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("in.csv").write_bytes(b'id;review\na;good\nb;"no end\nc;\nd;\xff\nnot an id;fine')
    reading = ["--text-column", "review", "--delimiter", ";", "--receipt", "r.jsonl", "--version", "v1"]
    assert main(["reviews", "in.csv", *reading, "--failures", "f f.jsonl"]) == 1
    rows = Path("f f.jsonl.rows.csv")
    assert rows.read_bytes() == b'id;review\nb;"no end\nc;\nd;\xff\n'
    assert json.loads(Path("f f.jsonl").read_text()) == {"text": "fine", "id": "not an id"}
    said = capsys.readouterr().err.splitlines()
    commands = [shlex.split(line)[2:] for line in said if line.startswith("  reviewmill publish reviews ")]
    rows.write_bytes(rows.read_bytes().replace(b'"', b"").replace(b"c;", b"c;mended").replace(b"\xff", b"e"))
    Path("f f.jsonl").write_text(Path("f f.jsonl").read_text().replace("not an id", "e"))
    assert [main(command) for command in commands] == [0, 0]
    requests = [decode_review(message.data) for message in pull_all(local_cloud.reviews, 5)]
    assert {request.id: request.text for request in requests} == {
        "a": "good", "b": "no end", "c": "mended", "d": "e", "e": "fine"
    }  # fmt: skip
    assert {request.version for request in requests} == {"v1"}
    assert len(receipt_of("r.jsonl")) == 5


def test_mended_rows_out_of_utf_16_are_fed_again(local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str]) -> None:
    Path("in.csv").write_bytes("text,id\ngut,a\n,b\n".encode("utf-16"))
    assert main(["reviews", "in.csv", "--encoding", "utf-16", "--failures", "f", "--receipt", "r"]) == 1
    (command,) = (shlex.split(line)[2:] for line in capsys.readouterr().err.splitlines() if line.startswith("  review"))
    Path("f.rows.csv").write_bytes(Path("f.rows.csv").read_bytes().replace(b",b", b"besser,b"))
    assert main(command) == 0
    assert {decode_review(message.data).text for message in pull_all(local_cloud.reviews, 2)} == {"gut", "besser"}


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"label,words\n1,x\n", "missing_column"),
        (b"", "empty_file"),
        ("text\ngut\n".encode("utf-16"), "wrong_encoding"),
        (b"text,text\na,b\n", "duplicate_column"),
    ],
)
def test_an_unreadable_csv_is_refused_before_anything_is_sent(
    local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str], content: bytes, code: str
) -> None:
    Path("in.csv").write_bytes(content)
    assert main(["reviews", "in.csv"]) == 2
    assert code in capsys.readouterr().err
    assert not list(Path().glob("*.receipt.jsonl"))
    assert local_cloud.reviews.pull(1, timeout_s=0.3) == []


def test_a_file_of_thousands_arrives_whole(local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str]) -> None:
    write_lines("in.jsonl", *({"text": f"review number {number}"} for number in range(12_000)))
    assert main(["reviews", "in.jsonl"]) == 0
    assert "read 12,000 = accepted 12,000" in capsys.readouterr().out
    lines = receipt_of()
    assert len({line.message_id for line in lines}) == 12_000
    assert {message.message_id for message in pull_all(local_cloud.reviews, 12_000)} == {
        line.message_id for line in lines
    }


def test_waiting_gives_the_account(local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str]) -> None:
    write_lines(
        "in.jsonl",
        *({"text": f"n {number}", "id": f"n{number}"} for number in range(20)),
        {"text": "bad", "version": "none"},
    )
    with StandInWorker(local_cloud):
        assert main(["reviews", "in.jsonl", "--wait", "60"]) == 0
    out = capsys.readouterr().out
    assert [line.split() for line in out.splitlines()[-6:]] == [
        ["read", "21"],
        ["predicted", "20"],
        ["rejected", "1"],
        ["missing", "0"],
        ["doubled", "0"],
        ["unexpected", "0"],
    ]


@pytest.mark.usefixtures("local_cloud")
def test_waiting_ends_when_no_worker_runs(capsys: pytest.CaptureFixture[str]) -> None:
    write_lines("in.jsonl", {"text": "one"})
    assert main(["reviews", "in.jsonl", "--wait", "0.3"]) == 1
    captured = capsys.readouterr()
    assert "missing               1" in captured.out
    assert "reviewmill verify" in captured.err


def test_standard_input_is_read_as_a_stream(local_cloud: LocalCloud) -> None:
    command = [sys.executable, str(ROOT / "reviewmill.py"), "publish", "reviews", "-"]
    done = subprocess.run(
        command, input=b'{"text": "piped"}\n', capture_output=True, env=os.environ, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    assert b"read 1 = accepted 1" in done.stdout
    assert only("stdin.p*.receipt.jsonl").exists()
    assert decode_review(pull_all(local_cloud.reviews, 1)[0].data).text == "piped"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["reviews", "nowhere.jsonl"], "nowhere.jsonl"),
        (["reviews", "in.jsonl", "--model", "oracle"], "oracle"),
        (["reviews", "in.jsonl", "--receipt", "in.jsonl"], "in.jsonl is not a receipt"),
        (["reviews", "in.jsonl", "--failures", "in.jsonl"], "in.jsonl exists already"),
        (["page"], "page"),
        ([], "reviews"),
    ],
)
def test_wrong_use_is_named(
    local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str], arguments: list[str], named: str
) -> None:
    write_lines("in.jsonl", {"text": "one"})
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert named in captured.err + captured.out
    assert local_cloud.reviews.pull(1, timeout_s=0.1) == []
