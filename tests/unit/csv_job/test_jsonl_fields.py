"""JSON lines whose fields are columns: what is repeated, what names the text and the id, what is rejected."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloud.faults import Fault, Faults
from cloud.faulty import FaultyObjects
from cloud.objects import TransientError
from schemas.errors import InvalidInput
from schemas.jobs import Dialect
from tests.unit.csv_job.conftest import World, predictions, rejections
from tests.unit.csv_job.ranged import RangedWorld
from worker.core.job_options import job_options
from worker.core.plain_bytes import HEAD_BYTES
from worker.core.rows import BadRow, Row, open_rows

EXPORT: list[dict[str, Any]] = [
    {"nr": 1, "review": "good", "stars": 5, "price": 1.5, "model": "Pixel 5", "version": "1.2"},
    {"nr": 2, "review": 'a = b, "c"', "sold": True, "tags": ["x", {"y": None}], "none": None},
    {"nr": 3, "stars": 1},
    {"nr": 4, "review": 5},
    {"review": "=1+1", "nr": "not an id"},
]
MANY_FIELDS = ", ".join(f'"f{number}": 1' for number in range(100)).encode()
COLUMNS = ["nr", "review", "stars", "price", "model", "version", "sold", "tags", "none"]


def lines(values: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


def test_an_export_is_scored_and_its_fields_are_repeated() -> None:
    world = World()
    upload = world.upload(lines(EXPORT), "export.jsonl", id_column="nr")
    assert world.run(upload).state == "done"
    stored = world.stored(upload)
    rows = predictions(stored)
    ours = ["row", "label", "probability", "reviewmill_model", "reviewmill_version"]
    assert list(rows[0]) == [*COLUMNS, *ours]
    assert [[row[name] for name in COLUMNS] for row in rows] == [
        ["1", "good", "5", "1.5", "Pixel 5", "1.2", "", "", ""],
        ["2", 'a = b, "c"', "", "", "", "", "true", '["x",{"y":null}]', "null"],
        ["not an id", "'=1+1", "", "", "", "", "", "", ""],
    ]
    bad = rejections(stored)
    assert [(one["key"], one["code"]) for one in bad] == [("3", "missing_text"), ("4", "wrong_type")]
    assert all("'review'" in str(one["reason"]) for one in bad)


def test_only_the_columns_that_are_asked_for_are_repeated() -> None:
    world = World()
    upload = world.upload(lines(EXPORT), "export.jsonl", columns="stars,nr", output="jsonl")
    assert world.run(upload).state == "done"
    first = json.loads(world.stored(upload)["predictions.jsonl"].splitlines()[0])
    # The cells are text, as those of a CSV are.
    assert first == {
        "nr": "1", "stars": "5", "row": 1, "label": "even", "probability": 0.75,
        "model": "logistic_regression", "version": "v1",
    }  # fmt: skip
    other = world.upload(lines(EXPORT), "other.jsonl", columns="star")
    assert "'columns' names star" in str(world.run(other).reason)


@pytest.mark.parametrize(
    ("line", "cell"),
    [
        (b'{"text": "a", "x": 12345678901234567890123}', "12345678901234567890123"),
        (b'{"text": "a", "x": 1E5}', "100000.0"),
        (b'{"text": "a", "x": { "b" : [ 1 , "\\u00e9" ] }}', '{"b":[1,"é"]}'),
        (b'{"text": "a", "x": "\\ud83d\\ude00"}', "😀"),
        (b'{"text": "a", "x": ""}', ""),
        (b'{"text": "a"}', ""),
    ],
)
def test_a_value_is_repeated_as_text(line: bytes, cell: str) -> None:
    (_, item) = open_rows([b'{"x": 1, "text": "a"}\n', line], Dialect(format="jsonl"))
    assert isinstance(item, Row)
    assert item.fields == [cell, "a"]


@pytest.mark.parametrize(
    ("line", "code", "key"),
    [
        (b'{"text": "a", "id": "i", "x": "\\udc00"}', "invalid_unicode", None),
        (b'{"text": "a", "id": "i", "x": 1, "x": 2}', "duplicate_key", None),
        (b'{"text": "a", "id": "i", "x": 1, "\\u0078": 2}', "duplicate_key", None),
        (b'{"text": "a", "id": "i", "x/y": 1, "x\\/y": 2}', "duplicate_key", None),
        (b'{"text": "a", "id": "i", ' + MANY_FIELDS + b', "f7": 2}', "duplicate_key", None),
        (b'{"text": "a", "id": "i", "x": ' + b"[" * 100 + b"]" * 100 + b"}", "nested_too_deep", None),
        (b'{"text": "a", "id": "i", "x": NaN}', "invalid_json", None),
        (b'{"text": "a", "id": "i", "x": 1e999}', "invalid_field", None),
        (b'{"text": "a", "id": "i", "x": "' + b"x" * (1 << 20) + b'"}', "record_too_long", "i"),
        (b'{"text": null, "id": 17}', "wrong_type", "17"),
        (b'{"text": "", "id": true}', "empty_text", None),
        (b'{"id": "a b"}', "missing_text", None),
    ],
)
def test_a_bad_line_is_rejected_alone_and_named_where_it_can_be(line: bytes, code: str, key: str | None) -> None:
    _, item, _ = open_rows([b'{"text": "a", "x": 1}\n', line, b'\n{"text": "b"}'], Dialect(format="jsonl"))
    assert isinstance(item, BadRow)
    assert (item.code, item.id) == (code, key)


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_what_python_writes_for_no_number_is_named(word: str) -> None:
    line = f'{{"text": "é NaN", "x": {word}, "y": NaN}}'.encode()
    _, item = open_rows([b'{"text": "a", "x": 1}\n', line], Dialect(format="jsonl"))
    assert isinstance(item, BadRow)
    assert item.reason == f"{word.lstrip('-')} is no JSON. Write null, or leave the field out."


@pytest.mark.parametrize(
    "line",
    [
        b'{"text": "a", "x": {"id": 1, "text": 2}, "id": "i"}',
        b'{"text": "say \\"text\\"", "id": "i"}',
        b'{"text": "a", "id": "i", ' + MANY_FIELDS + b"}",
        b'{"text": "a", "id": "i", "x": ' + b"[" * 99 + b"]" * 99 + b"}",
    ],
)
def test_what_only_looks_bad_is_a_row(line: bytes) -> None:
    (item,) = open_rows([line], Dialect(format="jsonl"))
    assert isinstance(item, Row)
    assert item.id == "i"


@pytest.mark.parametrize("text", ["Review", "comment", "body"])
def test_the_text_is_told_by_its_usual_names(text: str) -> None:
    data = lines([{"id": 1, text: "good"}])
    assert job_options("a.jsonl", {}, max_rejections=1, head=data).dialect.text_column == text


@pytest.mark.parametrize("said", [{"text-column": "comment"}, {"text-column": "review", "id-column": "nr"}, {}])
def test_a_column_that_no_line_has_fails_the_file(said: dict[str, str]) -> None:
    data = lines([{"id": 1, "note": "good"}, {"id": 2, "review": "x"}] if said else [{"id": 1, "note": "good"}])
    asked = job_options("a.jsonl", said, max_rejections=1, head=data)
    with pytest.raises(InvalidInput, match="the columns are 'id', 'note'") as caught:
        open_rows([data], asked.dialect)
    assert caught.value.code == "missing_column"


def test_a_field_that_first_comes_after_the_head_is_not_repeated() -> None:
    early = lines([{"text": "x" * 1_000, "a": 1}] * (HEAD_BYTES // 1_000 + 2))
    (*_, last) = reader = open_rows([early, lines([{"text": "last", "b": 1, "a": 2}])], Dialect(format="jsonl"))
    assert isinstance(last, Row)
    assert last.fields == ["last", "2"]
    assert list(reader) == []


def test_a_first_line_longer_than_the_head_names_the_columns() -> None:
    data = lines([{"text": "x" * 90_000, "behind": 1}])
    for size in (1_000, len(data)):
        reader = open_rows([data[at : at + size] for at in range(0, len(data), size)], Dialect(format="jsonl"))
        assert reader.header.columns == ["text", "behind"]
        assert len(list(reader)) == 1


MANY = lines([{"id": n, "review": f"text {n}", **({"n": n / 2} if n % 3 else {}), "deep": {"n": n}} for n in range(60)])


def test_ranges_give_the_same_bytes_as_the_whole_file() -> None:
    whole, shared = RangedWorld(), RangedWorld()
    upload = whole.upload(MANY, "a.jsonl")
    assert whole.run(upload).state == "done"
    shared.upload(MANY, "a.jsonl")
    tasks = shared.share(upload)
    assert len(tasks) > 3
    for task in reversed(tasks):
        shared.work(task)
    for name in ("predictions.csv", "rejections.jsonl"):
        assert shared.stored(upload)[name] == whole.stored(upload)[name]


def test_a_job_that_goes_on_gives_the_same_bytes() -> None:
    whole, world = World(), World()
    expected = whole.upload(MANY, "a.jsonl")
    whole.run(expected)
    upload = world.upload(MANY, "a.jsonl")
    with pytest.raises(TransientError):
        world.run(upload, results=FaultyObjects(world.results, Faults(Fault("put", "before", first=8))))
    world.run(upload)
    assert world.stored(upload) == whole.stored(expected)
