"""`reviewmill score`: what it prints, writes and answers."""

from __future__ import annotations

import csv
import gzip
import io
import json
import socket
from pathlib import Path

import pytest

from worker.score_file import main

CSV = b'id,text\n1,"good, really"\n2\n3,\n4,awful\n'
JSONL = (
    b'\xef\xbb\xbf{"text": "good", "id": "a"}\n\n{"text": "bad", "model": "linear_svc"}\r\n{"text": ""}\n{"text": 1}\n'
    b'{"text": "good", "id": "z", "model": "bert"}\n{"text": "good", "model": "linear_svc", "version": "none"}\n'
    b'not json\n{"text": "last"}'
)


@pytest.fixture
def here(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty current folder; the models are named by the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REVIEWMILL_MODELS", str(models))
    return tmp_path


def test_a_csv_is_scored_row_by_row(here: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    (here / "in.csv").write_bytes(CSV)
    assert main(["in.csv"]) == 0
    out, err = capfdbinary.readouterr()
    rows = list(csv.DictReader(io.StringIO(out.decode())))
    assert [(row["id"], row["text"], row["row"]) for row in rows] == [("1", "good, really", "1"), ("4", "awful", "4")]
    assert {row["label"] for row in rows} <= {"0", "1"}
    assert all(0 <= float(row["probability"]) <= 1 for row in rows)
    said = err.decode()
    assert "rejected: row 2, line 3: too_few_fields: " in said
    assert "4 rows = 2 predictions + 2 rejections (too_few_fields 1, empty_text 1)" in said


def test_json_lines_keep_their_order_and_name_their_models(here: Path) -> None:
    (here / "in.jsonl").write_bytes(JSONL)
    assert main(["in.jsonl", "--output", "out.jsonl", "--rejections", "bad.jsonl"]) == 0
    scored = [json.loads(line) for line in (here / "out.jsonl").read_text().splitlines()]
    bad = [json.loads(line) for line in (here / "bad.jsonl").read_text().splitlines()]
    assert [(one["key"], one["row"], one["model"]) for one in scored] == [
        ("a", 1, "logistic_regression"),
        ("r:2", 2, "linear_svc"),
        ("z", 5, "logistic_regression"),
        ("r:8", 8, "logistic_regression"),
    ]
    assert [(one["key"], one["row"], one["line"], one["code"], one["stage"]) for one in bad] == [
        ("r:3", 3, 4, "empty_text", "decode"),
        ("r:4", 4, 5, "wrong_type", "decode"),
        ("r:6", 6, 7, "unknown_version", "model"),
        ("r:7", 7, 8, "invalid_json", "decode"),
    ]


def test_json_lines_can_become_csv(here: Path) -> None:
    (here / "in.jsonl").write_bytes(b'{"nr": 7, "review": "good", "stars": 5}\n')
    assert main(["in.jsonl", "--output", "out.csv", "--id-column", "nr"]) == 0
    header, row = (here / "out.csv").read_text().splitlines()
    assert header == "nr,review,stars,row,label,probability,model,version"
    assert row.startswith("7,good,5,1,")


@pytest.mark.parametrize("name", ["in.csv.gz", "in.csv", "in.jsonl.gz", "in.csv.utf16"])
def test_files_are_read_as_a_job_reads_them(here: Path, name: str) -> None:
    table = b"id;Review\na;good\nb;bad, really\n"
    lines = b'{"text": "good", "id": "a"}\n{"text": "bad, really", "id": "b"}\n'
    data = lines if "jsonl" in name else table
    data = data.decode().encode("utf-16") if name.endswith("utf16") else data
    (here / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    assert main([name, "--output", "out.csv", "--strict"]) == 0
    with (here / "out.csv").open(newline="") as stream:
        found = [(row.get("text") or row["Review"], row["id"]) for row in csv.DictReader(stream)]
    assert found == [("good", "a"), ("bad, really", "b")]


def test_a_table_is_for_people(here: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    (here / "in.csv").write_bytes(b"text\n" + b"good \x1b[31m\n" * 25)
    assert main(["in.csv", "--format", "table"]) == 0
    out = capfdbinary.readouterr().out.decode()
    assert "… and 5 more" in out
    assert "\x1b" not in out


def test_strict_makes_a_rejection_an_error(here: Path) -> None:
    (here / "in.csv").write_bytes(CSV)
    (here / "good.csv").write_bytes(b"text\ngood\n")
    assert main(["in.csv", "--strict", "--output", "out.csv"]) == 1
    assert main(["good.csv", "--strict", "--output", "out.csv"]) == 0


@pytest.mark.parametrize("name", ["in.csv", "in.jsonl"])
def test_an_id_with_several_texts_is_told(here: Path, capfdbinary: pytest.CaptureFixture[bytes], name: str) -> None:
    rows = [("a", "good"), ("b", "fine"), ("", "x"), ("a", "bad"), ("b", "fine"), ("", "y")]
    lines = [json.dumps({"text": text} | ({"id": id_} if id_ else {})) for id_, text in rows]
    data = "\n".join(lines) if name == "in.jsonl" else "id,text\n" + "\n".join(f"{id_},{text}" for id_, text in rows)
    (here / name).write_text(data)
    arguments = [name, "--output", "out.csv"] + ["--id-column", "id"] * (name == "in.csv")
    assert main(arguments) == 0
    assert "conflict: 1 id stands for several texts (first: rows 1 and 4)" in capfdbinary.readouterr().err.decode()
    assert main([*arguments, "--strict"]) == 1


def test_a_tsv_without_header_keeps_its_quotes(here: Path) -> None:
    (here / "in.tsv").write_bytes(b'1\t"good\n0\tbad "thing\n')
    assert main(["in.tsv", "--no-header", "--text-column", "2", "--output", "out.csv", "--strict"]) == 0
    with (here / "out.csv").open(newline="") as stream:
        assert [row["column_2"] for row in csv.DictReader(stream)] == ['"good', 'bad "thing']


def test_more_rejections_than_are_shown_are_counted(here: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    (here / "in.csv").write_bytes(b"text,id\n" + b"x\n" * 15)
    assert main(["in.csv"]) == 0
    said = capfdbinary.readouterr().err.decode()
    assert said.count("too_few_fields: ") == 10
    assert "rejected: 5 more; --rejections FILE keeps all" in said


def test_a_line_of_ten_megabytes_is_one_rejection(here: Path) -> None:
    long = b'{"text": "' + b"a" * 10_000_000 + b'"}'
    (here / "in.jsonl").write_bytes(long + b'\n{"text": "good"}\n' + long)
    assert main(["in.jsonl", "--output", "out.jsonl", "--rejections", "bad.jsonl"]) == 0
    bad = [json.loads(line) for line in (here / "bad.jsonl").read_text().splitlines()]
    assert [(one["row"], one["line"], one["code"]) for one in bad] == [(1, 1, "too_large"), (3, 3, "too_large")]
    assert {one["reason"] for one in bad} == {"The line has more than 9,000,000 bytes. Shorten it."}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none.csv"], "none.csv"),
        (["in.csv", "--model", "bert"], "The model is not one that is served"),
        (["in.csv", "--version", "v0"], "version"),
        (["in.csv", "--text-column", "review"], "the columns are 'id', 'text'"),
        (["in.csv", "--encoding", "klingon"], "encoding"),
        (["in.csv", "--output", "in.csv"], "must be different files"),
        (["in.csv", "--models", "nowhere"], "reviewmill train DATA --models nowhere"),
        (["in.csv", "--models", "."], "reviewmill train"),
        (["in.csv", "--models", "gs://?"], "gs://?"),
        (["empty.csv"], "The file is empty"),
        (["."], "."),
    ],
)
def test_what_cannot_be_scored_is_said_in_one_sentence(
    here: Path, capfdbinary: pytest.CaptureFixture[bytes], arguments: list[str], said: str
) -> None:
    (here / "in.csv").write_bytes(CSV)
    (here / "empty.csv").write_bytes(b"")
    assert main([*arguments]) == 2
    out, err = capfdbinary.readouterr()
    assert out == b""
    assert err.decode().startswith("reviewmill score: ")
    assert said in err.decode()
    assert err.count(b"\n") == 1
    assert (here / "in.csv").read_bytes() == CSV


def test_without_models_it_says_how_to_make_some(
    here: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.delenv("REVIEWMILL_MODELS")
    (here / "in.csv").write_bytes(CSV)
    assert main(["in.csv"]) == 2
    assert b"reviewmill train DATA --models ./models" in capfdbinary.readouterr().err


def test_the_local_folder_of_models_is_found(here: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REVIEWMILL_MODELS")
    (here / "models").symlink_to(models)
    (here / "in.csv").write_bytes(CSV)
    assert main(["in.csv", "--output", "out.csv"]) == 0


def test_a_failed_run_leaves_no_half_file(here: Path) -> None:
    (here / "in.csv").write_bytes(b"text\n")
    (here / "folder").mkdir()
    assert main(["in.csv", "--output", "out.csv", "--rejections", "folder"]) == 2
    assert sorted(path.name for path in here.iterdir()) == ["folder", "in.csv"]


@pytest.mark.parametrize(
    ("address", "said"),
    [("http://127.0.0.1:{port}", "connection refused"), ("127.0.0.1:{port}", "must begin with http://")],
)
def test_an_emulator_that_cannot_be_used_is_said_at_once(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], address: str, said: str
) -> None:
    (here / "in.csv").write_bytes(CSV)
    with socket.socket() as taken:
        # Bound and not listening: a connection is refused, and no one else gets the port meanwhile.
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", address.format(port=taken.getsockname()[1]))
        assert main(["in.csv", "--models", "gs://reviewmill-models"]) == 2
    error = capsys.readouterr().err
    assert "STORAGE_EMULATOR_HOST" in error
    assert said in error
