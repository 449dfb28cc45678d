"""predictions.parquet: made of the parts by the worker that finishes, with bytes that follow from the lines alone."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import sys
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cloud.crc import crc32c
from cloud.faults import Fault, Faults, Kind
from cloud.faulty import FaultyObjects
from cloud.objects import MAX_PUT_BYTES, TransientError
from publisher.results_command import main as results
from publisher.verify_command import main as verify
from schemas.codec import encode
from schemas.jobs import JobManifest, StoredObject
from tests.integration.parquet.conftest import Cloud, parquet
from worker.parquet.writing import PIECE_BYTES, parquet_pieces

CSV = b'id,text,row\na,good,x\nb,"=bad, very",y\nc,,z\nd,"two\nlines",\ne,fine,"say ""no"""\n' + b"".join(
    b"n%d,number %d,\n" % (row, row) for row in range(20)
)


def table_of(data: bytes) -> pa.Table:
    return pq.read_table(io.BytesIO(data))


def clear(cloud: Cloud) -> None:
    for info in list(cloud.results.listing("")):
        cloud.results.delete(info.name)


def test_the_table_holds_what_a_csv_would(cloud: Cloud) -> None:
    stored = cloud.stored(cloud.run(cloud.upload(CSV, "a.csv", output="parquet", id_column="id")))
    assert not {"predictions.csv", "predictions.jsonl"} & set(stored)
    table = table_of(stored["predictions.parquet"])
    assert [f"{field.name} {field.type}" for field in table.schema] == [
        "id string", "text string", "row string", "reviewmill_row int64", "label string", "probability double",
        "model string", "version string",
    ]  # fmt: skip
    other = cloud.stored(cloud.run(cloud.upload(CSV, "b.csv", id_column="id", formulas="keep")))
    expected = list(csv.DictReader(io.StringIO(other["predictions.csv"].decode(), newline="")))
    found = [{name: str(cell) for name, cell in row.items()} for row in table.to_pylist()]
    assert found == expected
    assert stored["rejections.jsonl"] == other["rejections.jsonl"]


def test_the_fields_of_json_lines_are_columns_of_text(cloud: Cloud) -> None:
    data = b'{"id": 1, "review": "good", "stars": 5}\n{"review": "bad", "tags": ["x"]}\n'
    table = table_of(cloud.stored(cloud.run(cloud.upload(data, "a.jsonl", output="parquet")))["predictions.parquet"])
    assert table.schema.names[:4] == ["id", "review", "stars", "tags"]
    assert [table.column(name).to_pylist() for name in table.schema.names[:4]] == [
        ["1", ""], ["good", "bad"], ["5", ""], ["", '["x"]']
    ]  # fmt: skip


def test_bytes_do_not_depend_on_how_the_file_was_cut(cloud: Cloud) -> None:
    found = set()
    upload = cloud.upload(CSV, "a.csv", output="parquet")
    for chunk_rows, range_bytes in ((100, 0), (1, 0), (7, 0), (3, 90)):
        clear(cloud)
        found.add(
            cloud.stored(cloud.run(upload, chunk_rows=chunk_rows, range_bytes=range_bytes))["predictions.parquet"]
        )
    assert len(found) == 1


def test_a_job_that_is_killed_while_it_finishes_ends_in_the_same_bytes(cloud: Cloud) -> None:
    upload = cloud.upload(CSV, "a.csv", output="parquet")
    whole = cloud.stored(cloud.run(upload, chunk_rows=100))
    # Of the writes: the attempt, the spec, the part with its rejections and its record; a piece, report and manifest.
    steps = [("put", call) for call in (6, 7, 8)] + [("compose", call) for call in (1, 2)]
    kinds: tuple[Kind, ...] = ("before", "lost_answer")
    for method, call in steps:
        for kind in kinds:
            clear(cloud)
            faults = Faults(Fault(method, kind, first=call))
            with pytest.raises(TransientError):
                cloud.run(upload, chunk_rows=100, results=FaultyObjects(cloud.results, faults))
            assert cloud.stored(cloud.run(upload, chunk_rows=100)) == whole


def test_a_worker_that_stops_leaves_the_file_to_another(cloud: Cloud) -> None:
    upload = cloud.upload(CSV, "a.csv", output="parquet")
    asked = iter([False] * 5 + [True])  # five parts, and then the first of them again for the file
    with pytest.raises(TransientError, match="stopping"):
        cloud.run(upload, stopping=lambda: next(asked, True))
    assert cloud.run(upload).state == "done"


def test_rows_that_name_models_keep_them(cloud: Cloud) -> None:
    data = parquet({"text": ["a", "b"], "by": ["linear_svc", ""]})
    stored = cloud.stored(cloud.run(cloud.upload(data, output="parquet", model_column="by", columns="text")))
    assert table_of(stored["predictions.parquet"])["model"].to_pylist() == ["linear_svc", "logistic_regression"]


def test_a_job_without_predictions_has_a_table_without_rows(cloud: Cloud) -> None:
    stored = cloud.stored(cloud.run(cloud.upload(b'text\n""\n', "a.csv", output="parquet")))
    assert table_of(stored["predictions.parquet"]).num_rows == 0


def test_without_the_extra_the_job_fails_and_names_the_fix(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # as where it is not installed
    manifest = cloud.run(cloud.upload(CSV, "a.csv", output="parquet"))
    assert str(manifest.reason).startswith("parquet_not_installed")
    assert "pip install 'reviewmill[parquet]'" in str(manifest.reason)


def lines(count: int) -> list[bytes]:
    """Return lines that do not compress well."""
    rows = (
        {
            "text": hashlib.sha512(b"%d" % row).hexdigest(), "row": row, "label": "yes",
            "probability": None if row % 3 else row / count, "model": "m", "version": "v",
        }
        for row in range(1, count + 1)
    )  # fmt: skip
    return [msgspec.json.encode(row) + b"\n" for row in rows]


def test_pieces_join_to_one_file_whatever_blocks_the_lines_come_in() -> None:
    columns = ["text", "row", "label", "probability", "model", "version"]
    every = lines(80_000)
    pieces = list(parquet_pieces([b"".join(every)], columns, group_bytes=MIB))
    assert len(pieces) > 1
    assert all(len(piece) == PIECE_BYTES for piece in pieces[:-1])
    some = [b"".join(every[at : at + 777]) for at in range(0, len(every), 777)]
    assert list(parquet_pieces(some, columns, group_bytes=MIB)) == pieces
    file = pq.ParquetFile(io.BytesIO(b"".join(pieces)))
    assert file.metadata.num_row_groups > 1
    assert file.read().to_pylist() == [json.loads(line) for line in every]


def test_no_piece_is_larger_than_one_put_takes() -> None:
    columns = ["text", "row", "label", "probability", "model", "version"]
    row = {"row": 1, "label": "yes", "probability": 0.5, "model": "m", "version": "v"}
    every = [msgspec.json.encode({"text": os.urandom(520_000).hex(), **row}) + b"\n" for _ in range(20)]
    pieces = list(parquet_pieces([b"".join(every)], columns))
    assert len(pieces) > 2
    assert max(map(len, pieces)) <= MAX_PUT_BYTES
    assert pq.ParquetFile(io.BytesIO(b"".join(pieces))).read().num_rows == 20


MIB = 1 << 20


@pytest.fixture
def _settings(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cloud
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "reviewmill-local")
    monkeypatch.setenv("REVIEWMILL_UPLOADS", "gs://reviewmill-uploads")
    monkeypatch.setenv("REVIEWMILL_RESULTS", "gs://reviewmill-results")


@pytest.mark.usefixtures("_settings")
def test_commands_read_the_table(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = cloud.run(cloud.upload(CSV, "a.csv", output="parquet", id_column="id"))
    assert verify([manifest.job]) == 0
    assert "verified" in capsys.readouterr().out
    assert results(["job", manifest.job, "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["id"] for row in rows][:4] == ["a", "b", "d", "e"]


@pytest.mark.usefixtures("_settings")
@pytest.mark.parametrize("rows", ["changed", "missing", "damaged"])
def test_a_table_that_is_not_the_jobs_is_found(cloud: Cloud, capsys: pytest.CaptureFixture[str], rows: str) -> None:
    manifest = cloud.run(cloud.upload(CSV, "a.csv", output="parquet", id_column="id"))
    name = f"jobs/{manifest.job}/predictions.parquet"
    data, info = cloud.results.get(name)
    table = table_of(data)
    edited = {
        "changed": lambda: parquet(table.set_column(0, "id", pa.array(["x", *table["id"].to_pylist()[1:]]))),
        "missing": lambda: parquet(table.slice(1)),
        "damaged": lambda: data[:60] + bytes(40) + data[100:],
    }[rows]()
    cloud.results.put(name, edited, content_type=info.content_type, if_generation=info.generation)
    # The manifest's size and checksum are made true again: only a recount can tell.
    objects = [StoredObject(name, len(edited), crc32c(edited)) if one.name == name else one for one in manifest.objects]
    said: JobManifest = msgspec.structs.replace(manifest, objects=objects)
    there = cloud.results.info(f"jobs/{manifest.job}/manifest.json")
    cloud.results.put(there.name, encode(said), content_type="application/json", if_generation=there.generation)
    assert verify([manifest.job]) == 1
    shown = capsys.readouterr()
    assert "NOT verified" in shown.out or "predictions.parquet cannot be read" in shown.err
