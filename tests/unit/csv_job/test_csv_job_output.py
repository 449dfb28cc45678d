"""What an uploader may ask of the predictions: columns, format, formula cells."""

from __future__ import annotations

import json

import pytest

from schemas.codec import decode
from schemas.jobs import JobSpec, Output
from tests.unit.csv_job.conftest import MAX, ROWS, World, predictions, rejections

HOSTILE = b"id,text,=note\n-7,=HYPERLINK(1),+1\n@x,odd,-1e3\n"


def run(data: bytes, **metadata: str) -> tuple[World, dict[str, bytes], str | None]:
    world = World()
    upload = world.upload(data, **metadata)
    manifest = world.run(upload)
    return world, world.stored(upload), manifest.reason


def test_formula_cells_are_safe_unless_they_are_to_be_kept() -> None:
    _, stored, _ = run(HOSTILE)
    assert stored["predictions.csv"].decode().splitlines() == [
        "id,text,'=note,row,label,probability,model,version",
        '-7,\'=HYPERLINK(1),+1,1,"odd, ""very""",0.9,logistic_regression,v1',
        '\'@x,odd,-1e3,2,"odd, ""very""",0.9,logistic_regression,v1',
    ]
    _, stored, _ = run(HOSTILE, formulas="keep")
    assert stored["predictions.csv"].decode().splitlines()[1].startswith("-7,=HYPERLINK(1),+1,1,")


def test_some_or_no_columns_are_repeated() -> None:
    _, stored, _ = run(b"a,text,b\n1,one,2\n", columns="b, a")
    assert stored["predictions.csv"].startswith(b"a,b,row,label,probability,model,version\n1,2,1,")
    spec = decode(stored["spec.json"], JobSpec, max_bytes=MAX)
    assert spec.output == Output(columns=["a", "b"])
    _, stored, _ = run(b"row,text\n1,one\n", columns="none")
    assert stored["predictions.csv"].startswith(b"row,label,probability,model,version\n1,")


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        ({"columns": "text,stars"}, "missing_column"),
        ({"columns": ""}, "invalid_metadata"),
        ({"formulas": "maybe"}, "invalid_metadata"),
        ({"output": "xml"}, "invalid_metadata"),
    ],
)
def test_an_impossible_wish_fails_the_job(metadata: dict[str, str], code: str) -> None:
    _, _, reason = run(ROWS, **metadata)
    assert str(reason).startswith(f"{code}: ")


def test_json_lines_hold_the_same_rows_as_csv() -> None:
    _, as_csv, _ = run(ROWS, formulas="keep")
    _, stored, reason = run(ROWS, output="jsonl")
    lines = [json.loads(line) for line in stored["predictions.jsonl"].decode().splitlines()]
    assert reason is None
    assert "predictions.csv" not in stored
    assert [{name: str(cell) for name, cell in line.items()} for line in lines] == predictions(as_csv)
    assert rejections(stored) == rejections(as_csv)
    assert lines[0]["row"] == 1
    assert lines[0]["probability"] == 0.9


def test_json_lines_name_every_column_once() -> None:
    _, stored, _ = run(b",,text,_2,row\n1,2,=x,3,4\n", output="jsonl")
    assert json.loads(stored["predictions.jsonl"]) == {
        "": "1",
        "_3": "2",
        "text": "=x",
        "_2": "3",
        "row": "4",
        "reviewmill_row": 1,
        "label": "even",
        "probability": 0.75,
        "model": "logistic_regression",
        "version": "v1",
    }


@pytest.mark.parametrize("output", ["csv", "jsonl"])
def test_the_size_of_parts_does_not_change_what_is_written(output: str) -> None:
    outcomes = []
    for chunk_rows in (1, 2, 100):
        world = World()
        upload = world.upload(ROWS, output=output, columns="id")
        world.run(upload, chunk_rows=chunk_rows)
        outcomes.append(world.stored(upload)[f"predictions.{output}"])
    assert outcomes == [outcomes[0]] * 3
