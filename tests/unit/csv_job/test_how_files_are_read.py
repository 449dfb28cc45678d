"""What is said of a file in metadata, and what a job says where that cannot be followed."""

from __future__ import annotations

import gzip

import pytest

from schemas.errors import InvalidInput
from schemas.events import Upload
from schemas.jobs import Dialect, Header
from tests.unit.csv_job.conftest import World, predictions
from worker.core.csv_header import column_index
from worker.core.job_metadata import asked_options
from worker.core.job_options import job_options
from worker.core.output_options import output_options
from worker.core.rows import open_rows


def reason(data: bytes, name: str = "a.csv", **said: str) -> str:
    """Return why a file cannot be read as asked; follows the detection of a job."""
    metadata = {key.replace("_", "-"): value for key, value in said.items()}
    with pytest.raises(InvalidInput) as caught:
        open_rows([data], job_options(name, metadata, max_rejections=1, head=data).dialect)
    return caught.value.reason


@pytest.mark.parametrize("key", ["text_column", "text-column", "Text-Column"])
def test_a_key_may_be_spelt_with_underscores(key: str) -> None:
    asked = job_options("a.csv", {key: "Kommentar"}, max_rejections=1, head=b"Kommentar;Note\ngood;1\n")
    assert (asked.dialect.text_column, asked.dialect.delimiter) == ("Kommentar", ";")


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("textcolumn", "text-column"),
        ("text-colum", "text-column"),
        ("id_columns", "id-column"),
        ("delimeter", "delimiter"),
        ("max-rejection", "max-rejections"),
        ("models", "model"),
        ("column", "columns"),
    ],
)
def test_a_key_that_is_clearly_meant_as_ours_is_not_ignored(key: str, meant: str) -> None:
    with pytest.raises(InvalidInput, match=f"'{key}' is not known; '{meant}' is") as caught:
        asked_options({key: "x"})
    assert caught.value.code == "invalid_metadata"


@pytest.mark.parametrize(
    "key", ["owner", "mode", "mtime", "goog-reserved-file-mtime", "content-type", "leader", "reviewed", "customer-id"]
)
def test_foreign_keys_say_nothing(key: str) -> None:
    said = {key: "x", "id-column": "n"}
    assert asked_options(said) == {"id-column": "n"}
    assert job_options("a.csv", said, max_rejections=1, head=b"n;Review\n1;good\n").dialect.delimiter == ";"


def test_one_option_has_one_value() -> None:
    assert asked_options({"text-column": "a", "text_column": "a"}) == {"text-column": "a"}
    with pytest.raises(InvalidInput, match="'text-column' in two spellings"):
        asked_options({"text-column": "a", "text_column": "b"})


def test_an_upload_with_underscores_is_scored_so() -> None:
    world = World()
    metadata = {"text_column": "Kommentar", "max_rejections": "0", "columns": "note"}
    info = world.uploads.put(
        "a.csv", b"Kommentar;Note\ngood;1\n", content_type="text/csv", if_generation=0, metadata=metadata
    )
    upload = Upload(bucket="uploads", name="a.csv", generation=info.generation)
    assert world.run(upload).state == "done"
    assert [row["Note"] for row in predictions(world.stored(upload))] == ["1"]


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.json", b'{"text": "good"}\n', "jsonl"),
        ("a.json.gz", gzip.compress(b'{"text": "good"}\n', mtime=0), "jsonl"),
        ("a.txt", b'\xef\xbb\xbf \n{"text": "good"}\n', "jsonl"),
        ("a", gzip.compress(b'{"text": "good"}\n', mtime=0), "jsonl"),
        ("a.csv", b'{"text": "good"}\n', "csv"),
        ("a.txt", b"text\n{\n", "csv"),
    ],
)
def test_json_lines_are_told_by_their_ending_or_first_byte(name: str, data: bytes, expected: str) -> None:
    assert job_options(name, {}, max_rejections=1, head=data).dialect.format == expected


def test_what_is_said_of_a_table_is_no_json() -> None:
    said = {"header": "false", "text-column": "1"}
    assert job_options("a.txt", said, max_rejections=1, head=b"{a}\n").dialect.format == "csv"


@pytest.mark.parametrize(
    ("name", "said", "shown"),
    [
        ("a.jsonl", {"delimiter": ";"}, "JSON lines"),
        ("a.csv", {"format": "jsonl", "header": "false"}, "JSON lines"),
        ("a.parquet", {"quote": "none"}, "Parquet"),
        ("a.parquet", {"encoding": "cp1252"}, "Parquet"),
    ],
)
def test_what_means_nothing_for_a_format_is_refused(name: str, said: dict[str, str], shown: str) -> None:
    with pytest.raises(InvalidInput, match=f"means nothing for {shown}") as caught:
        job_options(name, said, max_rejections=1, head=b'{"text": "good"}\n')
    assert caught.value.code == "invalid_metadata"
    assert any(f"(metadata key {key})" in caught.value.reason for key in said)


def test_json_in_other_files_is_told() -> None:
    assert "set --format jsonl (metadata key format)" in reason(b'{"text": "good"}\n')
    assert "jq -c" in reason(b'[{"text": "good"}]\n', "a.json")


def test_an_unknown_text_column_is_asked_for_with_its_delimiter_at_once() -> None:
    data = b"Kommentar;Note\ngood, really;1\n"
    said = reason(data)
    assert "seems to be ';': set --delimiter (metadata key delimiter) so or leave it out" in said
    assert "set --text-column (metadata key text-column) to one of the columns" in said
    assert "'Kommentar', 'Note'" in said
    asked = job_options("a.csv", {"text-column": "Kommentar"}, max_rejections=1, head=data)
    assert len(list(open_rows([data], asked.dialect))) == 1


def test_advice_names_the_option_and_the_missing_header() -> None:
    said = reason(b"good,1\nbad,2\n")
    assert "Set --text-column (metadata key text-column)" in said
    assert "--no-header (header=false)" in said
    assert reason(b"a,b\nc,d\n", header="false").endswith("to one of the numbers 1 to 2.")
    assert "--no-header" not in reason(b'{"note": "x"}\n', "a.jsonl")


def test_a_wrong_delimiter_is_told_where_the_name_is_right() -> None:
    assert reason(b"text;id\ngood;1\n", delimiter=",").endswith(
        "set --delimiter (metadata key delimiter) so, or leave it out."
    )


def test_an_unknown_encoding_is_repeated_where_it_is_a_name() -> None:
    assert "The encoding 'utf-9' is not one" in reason(b"text\n", encoding="utf-9")
    assert "The encoding is not one" in reason(b"text\n", encoding="a very private review")


def test_excels_own_line_tells_the_delimiter() -> None:
    world = World()
    upload = world.upload(b"sep=|\r\nid|Review|n\r\n1|a;b,c|2\r\n")
    assert world.run(upload).state == "done"
    assert [row["Review"] for row in predictions(world.stored(upload))] == ["a;b,c"]
    assert "'Kommentar', 'Note'" in reason(b"sep=;\nKommentar;Note\ngood;1\n")


@pytest.mark.parametrize(("name", "place"), [("id", 1), ("ID", 0), ("review", 2), ("Id", None), ("x", None)])
def test_an_exact_name_comes_before_one_of_another_case(name: str, place: int | None) -> None:
    columns = ["ID", "id", "Review"]
    if place is not None:
        assert column_index(name, "id", columns, Dialect()) == place
    else:
        with pytest.raises(InvalidInput):
            column_index(name, "id", columns, Dialect())


def test_columns_are_named_in_any_case_and_at_least_one() -> None:
    header = Header(columns=["ID", "Text"], first_byte=0, first_line=1)
    assert output_options({"columns": "text, id,"}, header).columns == ["ID", "Text"]
    for empty in ("", " , "):
        with pytest.raises(InvalidInput, match=r"'columns' is empty\. Write all, none, or names"):
            output_options({"columns": empty}, header)
