"""`reviewmill verify RECEIPT` and `results reviews` on what a worker stored."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import msgspec
import pytest

from publisher.command import main as publish
from publisher.results_command import main as results
from publisher.verify_command import main as verify
from schemas.codec import encode
from schemas.outcomes import Prediction, text_digest
from tests.integration.publisher.conftest import LocalCloud, predict, pull_all, reject, store

RECEIPT = "r.jsonl"


@pytest.fixture
def rows(local_cloud: LocalCloud) -> list[Prediction]:
    """Ten published reviews: n0 to n8 are predicted, n9 is rejected. Returns the predictions, by key."""
    lines = (json.dumps({"text": f"text {number}", "id": f"n{number}"}) for number in range(10))
    Path("in.jsonl").write_text("\n".join(lines) + "\n")
    assert publish(["reviews", "in.jsonl", "--receipt", RECEIPT]) == 0
    stored = []
    for message in pull_all(local_cloud.reviews, 10):
        row = predict(message)
        store(local_cloud.results, message, reject(message) if row.key == "n9" else row)
        stored.append(row)
    return sorted(stored, key=lambda row: row.key)[:9]


def plant(cloud: LocalCloud, row: Prediction) -> None:
    """Store one more row beside the others."""
    where = next(cloud.results.listing("reviews/v1/")).name.rpartition("/")[0]
    cloud.results.put(
        f"{where}/{text_digest(encode(row).decode())}.jsonl",
        encode(row) + b"\n",
        content_type="application/x-ndjson",
        if_generation=0,
    )


def faults(out: str) -> list[int]:
    """Return how many are missing, doubled and unexpected."""
    return [int(line.split()[1]) for line in out.splitlines()[-4:-1]]


@pytest.mark.usefixtures("rows")
def test_what_is_stored_once_is_verified(capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert verify([RECEIPT]) == 0
    captured = capsys.readouterr()
    assert [line.split()[1] for line in captured.out.splitlines()[:6]] == ["10", "9", "1", "0", "0", "0"]
    assert captured.err == "Why some were rejected: reviewmill results reviews --receipt r.jsonl --rejections\n"


def test_the_same_row_under_another_batch_is_no_double(
    local_cloud: LocalCloud, rows: list[Prediction], capsys: pytest.CaptureFixture[str]
) -> None:
    plant(local_cloud, msgspec.structs.replace(rows[3], message_id="987654"))
    assert verify([RECEIPT]) == 0
    assert faults(capsys.readouterr().out) == [0, 0, 0]
    assert results(["reviews", "--receipt", RECEIPT, "--format", "jsonl"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 9


def test_a_lost_row_is_found(
    local_cloud: LocalCloud, rows: list[Prediction], capsys: pytest.CaptureFixture[str]
) -> None:
    lost = encode(rows[0])
    for info in list(local_cloud.results.listing("reviews/v1/")):
        if lost in local_cloud.results.get(info.name)[0]:
            local_cloud.results.delete(info.name)
    assert verify([RECEIPT]) == 1
    captured = capsys.readouterr()
    assert faults(captured.out) == [1, 0, 0]
    assert "missing: n0" in captured.err


def test_a_second_outcome_is_found(
    local_cloud: LocalCloud, rows: list[Prediction], capsys: pytest.CaptureFixture[str]
) -> None:
    plant(local_cloud, msgspec.structs.replace(rows[4], label="bad"))
    assert verify([RECEIPT]) == 1
    assert faults(capsys.readouterr().out) == [0, 1, 0]


def test_an_alien_row_is_found(
    local_cloud: LocalCloud, rows: list[Prediction], capsys: pytest.CaptureFixture[str]
) -> None:
    run = json.loads(Path(RECEIPT).read_text().splitlines()[0])["receipt"]
    plant(local_cloud, msgspec.structs.replace(rows[4], key=f"{run}-000099"))
    assert verify([RECEIPT]) == 1
    captured = capsys.readouterr()
    assert faults(captured.out) == [0, 0, 1]
    assert f"unexpected: {run}-000099" in captured.err


def test_two_texts_under_one_id_are_a_conflict(
    local_cloud: LocalCloud, rows: list[Prediction], capsys: pytest.CaptureFixture[str]
) -> None:
    plant(local_cloud, msgspec.structs.replace(rows[4], text_sha256=text_digest("another"), message_id="987654"))
    assert verify([RECEIPT]) == 1
    captured = capsys.readouterr()
    assert faults(captured.out) == [0, 1, 0]
    assert "conflict" in captured.err
    assert results(["reviews"]) == 0
    captured = capsys.readouterr()
    assert "2 different texts have the id n4" in captured.err


@pytest.mark.parametrize("content", [b"", b"no receipt\n", b'{"id":"a"}\n', b'{"id":"a"'])
def test_a_damaged_receipt_is_refused(
    local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    Path("bad.jsonl").write_bytes(content)
    assert verify(["bad.jsonl"]) == 2
    assert "bad.jsonl" in capsys.readouterr().err
    assert list(local_cloud.results.listing("")) == []


def test_a_damaged_result_is_named(
    local_cloud: LocalCloud, rows: list[Prediction], capsys: pytest.CaptureFixture[str]
) -> None:
    plant(local_cloud, rows[0])
    where = next(local_cloud.results.listing("reviews/v1/")).name.rpartition("/")[0]
    local_cloud.results.put(f"{where}/x.jsonl", b'{"key":', content_type="application/x-ndjson", if_generation=0)
    assert verify([RECEIPT]) == 1
    said = capsys.readouterr().err
    assert f"{where}/x.jsonl" in said
    assert "rows of other receipts" in said


@pytest.mark.usefixtures("rows")
def test_results_are_narrowed(capsys: pytest.CaptureFixture[str]) -> None:
    def keys(*arguments: str) -> list[str]:
        capsys.readouterr()
        assert results(["reviews", "--format", "jsonl", *arguments]) == 0
        return [json.loads(line)["key"] for line in capsys.readouterr().out.splitlines()]

    everything = [f"n{number}" for number in range(9)]
    assert keys() == everything
    assert keys("--since", "5m") == everything
    assert keys("--since", "2020-01-01") == everything
    assert keys("--until", "2020-01-01", "--since", "2019-01-01T00:00:00Z") == []
    assert keys("--until", "1h") == []
    assert keys("--id", "n3", "n5", "--id", "n8") == ["n3", "n5", "n8"]
    assert keys("--receipt", RECEIPT) == everything
    assert keys("--limit", "2") == ["n0", "n1"]
    assert keys("--rejections") == ["n9"]


@pytest.mark.usefixtures("rows")
def test_results_as_csv_and_table(capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert results(["reviews", "--format", "csv"]) == 0
    table = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["key"] for row in table] == [f"n{number}" for number in range(9)]
    assert table[0]["text_sha256"] == text_digest("text 0")
    assert results(["reviews", "--limit", "3"]) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines()[-1].split() == ["n2", "good", "0.7500", "logistic_regression", "v1"]
    assert "3 of 9 rows" in captured.err
    assert results(["reviews", "--rejections"]) == 0
    assert "unknown_version" in capsys.readouterr().out


@pytest.mark.usefixtures("local_cloud")
@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["reviews", "--since", "yesterday"], "'yesterday'"),
        (["reviews", "--since", "1h", "--until", "2h"], "--since 1h is not before --until 2h"),
        (["reviews", "--receipt", "gone.jsonl"], "gone.jsonl"),
        (["pages"], "pages"),
        ([], "reviews"),
    ],
)
def test_wrong_use_is_named(capsys: pytest.CaptureFixture[str], arguments: list[str], named: str) -> None:
    assert results(arguments) == 2
    captured = capsys.readouterr()
    assert named in captured.err + captured.out


@pytest.mark.usefixtures("local_cloud")
@pytest.mark.parametrize("subject", ["x" * 50_000, "no-such-thing", ".", "../../etc"])
def test_a_subject_that_is_nothing_is_one_sentence(capsys: pytest.CaptureFixture[str], subject: str) -> None:
    assert verify([subject]) == 2
    error = capsys.readouterr().err
    assert error.startswith("reviewmill verify: There is no file of that name")
    assert len(error) < 1_000


def test_conflicts_of_other_reviews_are_not_told(
    capsys: pytest.CaptureFixture[str], local_cloud: LocalCloud, rows: list[Prediction]
) -> None:
    plant(local_cloud, msgspec.structs.replace(rows[3], text_sha256=text_digest("another"), message_id="999999"))
    capsys.readouterr()
    assert results(["reviews", "--id", "n1", "--since", "2h"]) == 0
    assert "conflict" not in capsys.readouterr().err
    assert results(["reviews", "--id", "n3", "--since", "2h"]) == 0
    assert "have the id n3" in capsys.readouterr().err


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("style", ["table", "csv", "jsonl"])
def test_no_rows_are_said(capsys: pytest.CaptureFixture[str], style: str) -> None:
    capsys.readouterr()
    assert results(["reviews", "--id", "n9", "--format", style]) == 0
    assert "--rejections" in capsys.readouterr().err
