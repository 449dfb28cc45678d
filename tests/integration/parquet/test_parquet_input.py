"""Jobs whose upload is Parquet, over the storage client: rows, types, nulls, resuming, and what the reader asks for."""

from __future__ import annotations

import csv
import datetime as dt
import io
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from cloud.faults import Faults
from cloud.faulty import FaultyObjects
from cloud.objects import TransientError
from schemas.codec import decode
from schemas.jobs import JobSpec
from tests.integration.parquet.conftest import Cloud, parquet

MANY = {"id": [f"r{row}" for row in range(1, 41)], "text": [f"row {row}" for row in range(1, 41)]}


def rows(found: dict[str, bytes]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(found["predictions.csv"].decode(), newline="")))


def test_every_type_becomes_text_as_in_a_csv(cloud: Cloud) -> None:
    zone = dt.timezone(dt.timedelta(hours=2))
    table = pa.table({
        "text": pa.array(['good, "quoted"\nü', "bad"]).dictionary_encode(),
        "long": pa.array(["a", None], pa.large_string()),
        "bytes": pa.array([b"as text", b""]),
        "whole": pa.array([-1, None], pa.int16()),
        "real": [0.1, 2.0],
        "flag": [True, False],
        "price": [Decimal("1.20"), None],
        "day": [dt.date(2026, 11, 22), None],
        "at": [dt.datetime(2026, 11, 22, 18, 5, 9), None],  # noqa: DTZ001 - a time without a zone is the point
        "there": [dt.datetime(2026, 11, 22, 20, 5, 9, tzinfo=zone), None],
        "tags": [["x", "y"], None],
        "who": [{"name": "n", "age": 3}, None],
        "nothing": pa.nulls(2),
    })  # fmt: skip
    first, second = rows(cloud.stored(cloud.run(cloud.upload(parquet(table)))))
    expected = {
        "text": 'good, "quoted"\nü', "long": "a", "bytes": "as text", "whole": "-1", "real": "0.1", "flag": "true",
        "price": "1.20", "day": "2026-11-22", "at": "2026-11-22 18:05:09.000000",
        "there": "2026-11-22 18:05:09.000000Z", "tags": '["x","y"]', "who": '{"name":"n","age":3}', "nothing": "",
    }  # fmt: skip
    assert {name: first[name] for name in expected} == expected
    assert (second["row"], second["label"], second["real"], second["whole"], second["tags"]) == (
        "2",
        "odd",
        "2",
        "",
        "",
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [("a.pq", {}), ("a.csv", {}), ("a.bin", {"format": "parquet"})],
)
def test_parquet_is_told_by_name_or_by_its_first_bytes(cloud: Cloud, name: str, said: dict[str, str]) -> None:
    manifest = cloud.run(cloud.upload(parquet({"Review": ["good"], "n": [1]}), name, **said))
    assert (manifest.state, manifest.counts.predictions) == ("done", 1)
    data, _ = cloud.results.get(f"jobs/{manifest.job}/spec.json")
    dialect = decode(data, JobSpec, max_bytes=10_000).dialect
    assert (dialect.format, dialect.text_column) == ("parquet", "Review")


BAD = [
    (b"good", None, ""),
    (None, "null_text", "'text' is null"),
    (b"", "empty_text", "'text' is empty"),
    (b"x" * 100_001, "text_too_long", "'text' is longer"),
    (b"\xff", "invalid_encoding", "'text' is not valid UTF-8"),
    (b"a\0b", "nul_byte", "NUL"),
    (b"x" * 2_000_000, "record_too_long", "1,048,576 bytes"),
    (b"good", None, ""),
]


def test_a_bad_cell_rejects_its_row_alone(cloud: Cloud) -> None:
    manifest = cloud.run(cloud.upload(parquet({"text": pa.array([cell for cell, _, _ in BAD], pa.binary())})))
    assert (manifest.counts.predictions, manifest.counts.rejections) == (2, 6)
    for rejection in cloud.rejections(manifest):
        _, code, words = BAD[rejection["row"] - 1]
        assert (rejection["code"], rejection["key"]) == (code, f"r:{rejection['row']}")
        assert words in rejection["reason"]


@pytest.mark.parametrize(
    ("columns", "said", "words"),
    [
        ({"text": [1, 2]}, {}, "'text' holds int64, not strings"),
        ({"text": [["a"], ["b"]]}, {}, "'text' holds list<"),
        ({"text": ["a", "b"], "id": [["x"], ["y"]]}, {"id_column": "id"}, "'id' holds list<"),
        ({"text": ["a", "b"], "by": [1, 2]}, {"model_column": "by"}, "'by' holds int64"),
    ],
)
def test_a_column_of_the_wrong_type_rejects_every_row(
    cloud: Cloud, columns: dict[str, Any], said: dict[str, str], words: str
) -> None:
    manifest = cloud.run(cloud.upload(parquet(columns), **said))
    assert (manifest.counts.predictions, manifest.codes) == (0, {"wrong_type": 2})
    assert all(words in rejection["reason"] for rejection in cloud.rejections(manifest))


def test_a_rejection_is_named_by_the_rows_id_where_it_has_one(cloud: Cloud) -> None:
    whole = cloud.run(cloud.upload(parquet({"text": ["a", "", "", None], "n": [7, 8, None, 9]}), id_column="n"))
    assert [rejection["key"] for rejection in cloud.rejections(whole)] == ["8", "r:3", "9"]
    named = cloud.upload(parquet({"text": ["a", "b", ""], "n": ["ok", "not ok", "not ok"]}), "b.parquet", id_column="n")
    manifest = cloud.run(named)
    assert manifest.counts.predictions == 2
    assert [rejection["key"] for rejection in cloud.rejections(manifest)] == ["r:3"]


def test_rows_may_name_models(cloud: Cloud) -> None:
    table = {"text": ["a", "b", "c"], "by": [None, "LinearSVC", "bert"]}
    manifest = cloud.run(cloud.upload(parquet(table), model_column="by"))
    assert [(one.model, one.predictions) for one in manifest.models] == [("linear_svc", 1), ("logistic_regression", 1)]
    assert manifest.codes == {"unknown_model": 1}


def test_a_job_that_is_stopped_goes_on_to_the_same_bytes(cloud: Cloud) -> None:
    upload = cloud.upload(parquet(MANY, row_group_size=7), id_column="id")
    whole = cloud.stored(cloud.run(upload))
    for info in list(cloud.results.listing("")):
        cloud.results.delete(info.name)
    for parts in (2, 3):  # inside a row group, and at the start of one
        asked = iter([False] * parts + [True])
        with pytest.raises(TransientError):
            cloud.run(upload, stopping=lambda asked=asked: next(asked))  # type: ignore[misc]  # of this round
    assert cloud.stored(cloud.run(upload)) == whole
    assert [row["text"] for row in rows(whole)] == MANY["text"]


class Watched(FaultyObjects):
    """Remembers which ranges were read."""

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud.uploads, Faults())
        self.ranges: list[tuple[int, int]] = []

    def read(self, name: str, *, generation: int, start: int, length: int) -> bytes:
        self.ranges.append((start, start + length))
        return super().read(name, generation=generation, start=start, length=length)


def test_groups_that_are_done_are_not_read_again(cloud: Cloud) -> None:
    groups = 8
    texts = [f"{row} " + "".join(chr(33 + (row * 7 + at * at) % 90) for at in range(400)) for row in range(groups * 10)]
    data = parquet({"text": texts}, row_group_size=10, compression="none", use_dictionary=False)
    upload = cloud.upload(data)
    asked = iter([False] * 6 + [True])
    with pytest.raises(TransientError):
        cloud.run(upload, chunk_rows=10, stopping=lambda: next(asked))
    watched = Watched(cloud)
    assert cloud.run(upload, chunk_rows=10, uploads=watched).state == "done"
    body = [pair for pair in watched.ranges if pair[1] < len(data) - 2_000]
    assert body
    assert min(start for start, _ in body) > len(data) // 2


def test_only_columns_that_are_wanted_are_read(cloud: Cloud) -> None:
    ballast = ["".join(chr(33 + (row * at) % 90) for at in range(2_000)) for row in range(200)]
    data = parquet({"ballast": ballast, "text": ["good"] * 200}, compression="none", use_dictionary=False)
    watched = Watched(cloud)
    manifest = cloud.run(cloud.upload(data, columns="none"), chunk_rows=300, uploads=watched)
    assert manifest.counts.predictions == 200
    assert sum(stop - start for start, stop in watched.ranges) < len(data) // 2


def test_an_overwritten_upload_is_not_read(cloud: Cloud) -> None:
    upload = cloud.upload(parquet(MANY))
    cloud.uploads.put(upload.name, parquet({"text": ["other"]}), content_type="x/y", if_generation=upload.generation)
    assert str(cloud.run(upload).reason).startswith("source_gone")


def test_a_file_without_rows_is_valid(cloud: Cloud) -> None:
    manifest = cloud.run(cloud.upload(parquet({"text": pa.array([], pa.string())})))
    assert (manifest.state, manifest.counts.rows) == ("done", 0)


@pytest.mark.parametrize(
    ("table", "said", "code"),
    [
        ({"words": ["a"]}, {}, "missing_column"),
        ({"text": ["a"]}, {"id_column": "n"}, "missing_column"),
        ({"text": ["a"]}, {"columns": "n"}, "missing_column"),
        (pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"]), {}, "duplicate_column"),
    ],
)
def test_a_file_that_lacks_columns_fails_at_once(
    cloud: Cloud, table: pa.Table | dict[str, Any], said: dict[str, str], code: str
) -> None:
    manifest = cloud.run(cloud.upload(parquet(table), **said))
    assert (manifest.state, str(manifest.reason).partition(":")[0]) == ("failed", code)
