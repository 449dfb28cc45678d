"""`reviewmill compact`: which hours it seals, what it tells, and that the other commands read the same afterwards."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cloud.once import put_once
from publisher.command import main as publish
from publisher.compact import main as compact
from publisher.compact_run import Compactor
from publisher.results_command import main as results
from publisher.sealed import Partition
from publisher.verify_command import main as verify
from schemas.outcomes import Prediction, text_digest
from tests.integration.publisher.conftest import LocalCloud, predict, pull_all, reject, store
from worker.core.naming import partition
from worker.core.pack import Kind, Line, pack

RECEIPT = "r.jsonl"


def hour(ago: timedelta) -> str:
    """Return the partition of so long ago."""
    return partition((datetime.now(UTC) - ago).isoformat(), "")


def commit(cloud: LocalCloud, where: str, *keys: str, kind: Kind = "reviews", label: str = "good") -> None:
    """Store rows as a worker does, one object each."""
    for key in keys:
        row = Prediction(key, label, 0.75, "linear_svc", "v1", text_digest(key + label))
        for item in pack([Line(kind, where, row, (0,))]):
            put_once(cloud.results, item.name, item.data, content_type="application/x-ndjson")


def names(cloud: LocalCloud) -> list[str]:
    return [info.name for info in cloud.results.listing("")]


def test_hours_that_are_over_for_an_hour_are_sealed(
    local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    old, now = hour(timedelta(hours=3)), hour(timedelta())
    commit(local_cloud, old, "a", "b", "a")
    commit(local_cloud, now, "c")
    assert compact([]) == 0
    out = capsys.readouterr().out
    assert out == (
        f"reviews {old}: sequence 1 sealed, 2 objects into 1; rows read 2 = kept 2 + repeats 0\n"
        f"reviews {old}: deleted 2 sealed objects, 0 leftovers\n"
    )
    assert [name for name in names(local_cloud) if name.startswith("reviews/")] == [
        name for name in names(local_cloud) if now in name
    ]
    assert compact([]) == 0
    assert "nothing to seal" in capsys.readouterr().err


def test_the_current_hour_is_never_sealed(local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str]) -> None:
    now, last = hour(-timedelta(minutes=5)), hour(timedelta(hours=1))  # an hour that does not end while this runs
    commit(local_cloud, now, "a")
    commit(local_cloud, last, "b")
    assert compact(["--until", "2999-01-01"]) == 0
    assert [name for name in names(local_cloud) if now in name and "sealed" not in name]
    assert not [name for name in names(local_cloud) if name.startswith(f"reviews/v1/{last}")]
    assert compact(["--partition", now]) == 2
    assert "the hour had not ended by" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--partition", "2026-03-01"], "is written dt=YYYY-MM-DD/hr=HH"),
        (["--partition", "dt=2026-13-01/hr=10"], "is written dt=YYYY-MM-DD/hr=HH"),
        (["--partition", "dt=9999-12-31/hr=23"], "is written dt=YYYY-MM-DD/hr=HH"),
        (["--until", "soon"], "is not a time"),
    ],
)
@pytest.mark.usefixtures("local_cloud")
def test_what_cannot_be_meant_is_refused(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert compact(arguments) == 2
    assert words in capsys.readouterr().err


def test_a_dry_run_changes_nothing(local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str]) -> None:
    old = hour(timedelta(hours=3))
    commit(local_cloud, old, "a", "b")
    commit(local_cloud, old, "r", kind="reviews", label="bad")
    before = names(local_cloud)
    assert compact(["--dry-run"]) == 0
    assert "would seal 3 objects of" in capsys.readouterr().out
    assert names(local_cloud) == before


def test_kept_objects_are_deleted_by_a_run_that_does_not_keep(
    local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    old = hour(timedelta(hours=3))
    commit(local_cloud, old, "a", "b")
    assert compact(["--keep"]) == 0
    assert len(names(local_cloud)) == 4
    assert compact(["--dry-run"]) == 0
    assert "would seal 0 objects of 0 bytes after 1 sealed sequences, and delete 2" in capsys.readouterr().out
    assert compact(["--partition", old]) == 0
    assert len(names(local_cloud)) == 2


def test_rows_without_a_time_are_sealed_when_they_are_named(local_cloud: LocalCloud) -> None:
    commit(local_cloud, "dt=unknown/hr=unknown", "a")
    before = names(local_cloud)
    assert compact([]) == 0
    assert names(local_cloud) == before
    assert compact(["--partition", "dt=unknown/hr=unknown"]) == 0
    assert all(name.startswith("sealed/v1/reviews/dt=unknown/hr=unknown/000001/") for name in names(local_cloud))


def test_one_damaged_hour_does_not_keep_the_others_from_being_sealed(
    local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged, good = hour(timedelta(hours=5)), hour(timedelta(hours=3))
    commit(local_cloud, damaged, "a")
    commit(local_cloud, good, "b")
    name = f"reviews/v1/{damaged}/{'0' * 64}.jsonl"
    put_once(local_cloud.results, name, b"{", content_type="text/plain")
    assert compact([]) == 1
    assert f"{name} does not hold the bytes that it is named by" in capsys.readouterr().err
    assert [left for left in names(local_cloud) if not left.startswith("sealed/")] == [name]


def test_the_other_commands_read_the_same_before_and_after(
    local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = (json.dumps({"text": f"text {number}", "id": f"n{number}"}) for number in range(10))
    Path("in.jsonl").write_text("\n".join(lines) + "\n")
    assert publish(["reviews", "in.jsonl", "--receipt", RECEIPT]) == 0
    messages = pull_all(local_cloud.reviews, 10)
    for message in messages:
        row = predict(message)
        store(local_cloud.results, message, reject(message) if row.key == "n9" else row)
    store(local_cloud.results, messages[0], predict(messages[0], label="bad"))  # a second outcome: doubled
    where = partition(messages[0].attributes["enqueued_at"], "")

    def told() -> list[tuple[int, str]]:
        commands = (
            (verify, [RECEIPT]),
            (results, ["reviews", "--receipt", RECEIPT, "--format", "jsonl"]),
            (results, ["reviews", "--since", "1h", "--format", "csv"]),
            (results, ["reviews", "--rejections", "--format", "jsonl"]),
        )
        capsys.readouterr()
        answers = []
        for main, arguments in commands:
            status = main(arguments)
            captured = capsys.readouterr()
            answers.append((status, captured.out + captured.err))
        return answers

    before = told()
    for keep in (True, False):
        for kind in ("reviews", "rejections"):
            Compactor(local_cloud.results, keep=keep).compact(Partition(kind, where))
        assert told() == before
    assert not [name for name in names(local_cloud) if not name.startswith("sealed/")]
