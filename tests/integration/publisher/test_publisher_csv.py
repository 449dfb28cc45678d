"""`reviewmill publish csv FILE`: uploaded once, with the options a worker reads, and followed."""

from __future__ import annotations

import gzip
import os
import threading
from contextlib import closing
from pathlib import Path

import pytest

from cloud.connect import open_objects
from publisher.command import main
from publisher.results_command import main as results
from publisher.upload_options import job_metadata, upload_parser
from tests.integration.publisher.conftest import LocalCloud
from tests.integration.publisher.jobs import SAMPLE, run
from worker.core.job_metadata import KEYS
from worker.core.job_options import job_options


def uploaded(cloud: LocalCloud) -> list[str]:
    return [info.name for info in cloud.uploads.listing("")]


def test_a_file_is_uploaded_with_its_options(local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str]) -> None:
    Path("my reviews.csv").write_bytes(b"\xe9tat;texte\nbon;g\xe9nial\n")
    options = ["--text-column", "texte", "--delimiter", ";", "--encoding", "cp1252", "--model", "LinearSVC"]
    assert main(["csv", "my reviews.csv", *options, "--max-rejections", "5"]) == 0
    (name,) = uploaded(local_cloud)
    data, info = local_cloud.uploads.get(name)
    assert data == Path("my reviews.csv").read_bytes()
    assert name.startswith("my-reviews-")
    assert name.endswith(".csv")
    asked = job_options(name, info.metadata, max_rejections=0.5)
    assert (asked.model, asked.version, asked.max_rejections) == ("linear_svc", None, 5.0)
    assert (asked.dialect.text_column, asked.dialect.delimiter, asked.dialect.encoding) == ("texte", ";", "cp1252")
    out = capsys.readouterr().out
    assert f"{local_cloud.uploads.uri}/{name}#{info.generation}" in out
    assert "my-reviews-" in out.splitlines()[1]


def test_a_tsv_is_read_alike_here_and_there(local_cloud: LocalCloud) -> None:
    Path("in.tsv").write_text('good\tsay "no\nbad\tyes\n')
    assert main(["csv", "in.tsv", "--no-header", "--text-column", "2"]) == 0
    (name,) = uploaded(local_cloud)
    manifest = run(local_cloud, local_cloud.uploads.info(name))
    assert (manifest.state, manifest.counts.predictions) == ("done", 2)


def test_the_same_file_is_uploaded_once(local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str]) -> None:
    Path("in.csv").write_bytes(SAMPLE)
    assert main(["csv", "in.csv"]) == 0
    job = capsys.readouterr().out.splitlines()[-1]
    assert main(["csv", "in.csv"]) == 0
    again = capsys.readouterr().out
    assert "there already" in again
    assert "not done: if no worker is at it, begin anew with another --name" in again
    assert again.splitlines()[-1] == job
    run(local_cloud, local_cloud.uploads.info(uploaded(local_cloud)[0]))
    assert main(["csv", "in.csv"]) == 0
    again = capsys.readouterr().out
    assert "there already" in again
    assert "--name" not in again
    assert main(["csv", "in.csv", "--model", "linear_svc"]) == 0
    assert len(uploaded(local_cloud)) == 2


def test_a_taken_name_is_not_overwritten(local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str]) -> None:
    Path("in.csv").write_bytes(SAMPLE)
    assert main(["csv", "in.csv", "--name", "folder/mine.csv"]) == 0
    assert main(["csv", "in.csv", "--name", "folder/mine.csv", "--model", "linear_svc"]) == 1
    assert "other options" in capsys.readouterr().err
    Path("in.csv").write_bytes(SAMPLE + b"z,more\n")
    assert main(["csv", "in.csv", "--name", "folder/mine.csv"]) == 1
    assert "another file" in capsys.readouterr().err
    assert local_cloud.uploads.get("folder/mine.csv")[0] == SAMPLE
    assert main(["csv", "in.csv", "--name", "two\nlines"]) == 2


def work(cloud: LocalCloud, stop: threading.Event) -> None:
    """Run the job of every upload until stopped, as a worker does."""
    done: set[str] = set()
    while not stop.wait(0.05):
        for info in list(cloud.uploads.listing("")):
            if info.name not in done:
                done.add(info.name)
                run(cloud, info)


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (SAMPLE, 0, "rows 8 = predictions 6 + rejections 2"),
        (b"label,words\n1,x\n", 1, "missing_column"),
    ],
)
def test_waiting_follows_the_job(
    local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str], content: bytes, status: int, words: str
) -> None:
    Path("in.csv").write_bytes(content)
    stop = threading.Event()
    worker = threading.Thread(target=work, args=(local_cloud, stop))
    worker.start()
    try:
        assert main(["csv", "in.csv", "--no-check", "--id-column", "id", "--wait", "60"]) == status
    finally:
        stop.set()
        worker.join()
    captured = capsys.readouterr()
    assert words in captured.out + captured.err
    assert f"{local_cloud.results.uri}/jobs/in-" in captured.out
    assert "manifest.json" in captured.out


def test_waiting_ends_when_no_worker_runs(local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str]) -> None:
    Path("in.csv").write_bytes(SAMPLE)
    assert main(["csv", "in.csv", "--wait", "0.2"]) == 1
    assert "Is a worker running?" in capsys.readouterr().err
    assert len(uploaded(local_cloud)) == 1


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"label,words\n1,x\n", "missing_column"), (b"", "empty_file"), (b"\x1f\x8b\x08\x00", "broken_gzip")],
)
def test_a_file_that_no_worker_could_read_is_not_uploaded(
    local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str], content: bytes, code: str
) -> None:
    Path("in.csv").write_bytes(content)
    assert main(["csv", "in.csv"]) == 2
    assert code in capsys.readouterr().err
    assert uploaded(local_cloud) == []


EVERY_OPTION = [
    "in.csv",
    "--model",
    "linear_svc",
    "--version",
    "v1",
    "--model-column",
    "c",
    "--format",
    "csv",
    "--text-column",
    "a",
    "--id-column",
    "b",
    "--delimiter",
    ";",
    "--quote",
    "none",
    "--no-header",
    "--encoding",
    "cp1252",
    "--output",
    "jsonl",
    "--columns",
    "a,b",
    "--formulas",
    "keep",
    "--max-rejections",
    "5",
]


def test_every_option_that_workers_read_can_be_given() -> None:
    assert set(job_metadata(upload_parser().parse_args(EVERY_OPTION))) == set(KEYS)


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (["--columns", "id,words"], "missing_column"),
        (["--text-column", "words"], "missing_column"),
        (["--delimiter", ";;"], "invalid_dialect"),
        (["--encoding", "utf-9"], "invalid_dialect"),
        (["--quote", ","], "invalid_dialect"),
        (["--quote", "ab"], "no line end, such as '\"' or \"'\""),
        (["--no-header"], "column"),
        (["--model", "bert"], "bert"),
        (["--model-column", "by"], "missing_column"),
    ],
)
def test_options_that_do_not_fit_the_file_are_told_before_the_upload(
    local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str], option: list[str], words: str
) -> None:
    Path("in.csv").write_bytes(SAMPLE)
    assert main(["csv", "in.csv", *option]) == 2
    assert words in capsys.readouterr().err
    assert uploaded(local_cloud) == []


@pytest.mark.parametrize(
    "option", [["--output", "xml"], ["--format", "xlsx"], ["--formulas", "run"], ["--version", "../v1"]]
)
def test_options_that_no_job_has_are_told_at_once(
    local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str], option: list[str]
) -> None:
    Path("in.csv").write_bytes(SAMPLE)
    with pytest.raises(SystemExit) as ended:
        main(["csv", "in.csv", *option])
    assert ended.value.code == 2
    assert option[0] in capsys.readouterr().err
    assert uploaded(local_cloud) == []


CP1252 = "text\ngood\nétat\n".encode("cp1252")
LATE = b"text\n" + b"plain\n" * 500_000 + b"\xe9t\xe9\n"


@pytest.mark.parametrize(
    ("arguments", "data", "words"),
    [
        (["in.csv"], CP1252, "Line 3 is not utf-8: it holds the byte 0xE9"),
        (["in.csv"], LATE, "--encoding cp1252"),
        (["in.csv.gz"], gzip.compress(CP1252, mtime=0), "Line 3 is not utf-8"),
        (["in.csv", "--encoding", "cp1252"], b"text\n\x81\n", "leave --encoding away"),
        (["in.jsonl"], '{"text": "état"}\n'.encode("cp1252"), "save it as UTF-8"),
    ],
    ids=["csv", "late", "gzip", "cp1252", "jsonl"],
)
def test_another_encoding_is_seen_before_the_upload(
    local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str], arguments: list[str], data: bytes, words: str
) -> None:
    Path(arguments[0]).write_bytes(data)
    assert main(["csv", *arguments]) == 2
    said = capsys.readouterr().err
    assert "invalid_encoding" in said
    assert words in said
    assert uploaded(local_cloud) == []
    assert main(["csv", *arguments, "--no-check"]) == 0
    assert len(uploaded(local_cloud)) == 1


def test_a_few_rows_in_another_encoding_are_rows_to_mend(local_cloud: LocalCloud) -> None:
    Path("in.csv").write_bytes("text\nété\nmöglich\n".encode() + b"\xe9t\xe9\n")
    assert main(["csv", "in.csv"]) == 0
    assert len(uploaded(local_cloud)) == 1


def test_a_character_over_two_chunks_is_no_other_encoding(local_cloud: LocalCloud) -> None:
    Path("in.csv").write_bytes(b"text\n" + "é".encode() * 2_000_000 + b"\n")
    assert main(["csv", "in.csv"]) == 0
    assert len(uploaded(local_cloud)) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--version", "v999"], "holds no version v999 of logistic_regression"),
        (["--model", "LinearSVC", "--version", "v1"], "holds no version v1 of linear_svc"),
        (["--name", "decision_tree/in.csv"], "holds no current version of decision_tree"),
    ],
)
def test_a_model_that_is_not_there_is_told_before_the_upload(
    local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    Path("in.csv").write_bytes(SAMPLE)
    with closing(open_objects(os.environ["REVIEWMILL_MODELS"])) as models:
        models.delete("models/decision_tree_model/current.json")
    assert main(["csv", "in.csv", *options]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert "--no-check" in said
    assert uploaded(local_cloud) == []


def test_a_stored_version_is_taken(local_cloud: LocalCloud) -> None:
    Path("in.csv").write_bytes(SAMPLE)
    with closing(open_objects(os.environ["REVIEWMILL_MODELS"])) as models:
        name = "models/logistic_regression_model/versions/v2/manifest.json"
        models.put(name, b"{}", content_type="application/json", if_generation=0)
    assert main(["csv", "in.csv", "--version", "v2"]) == 0
    assert len(uploaded(local_cloud)) == 1


def test_where_the_models_cannot_be_read_one_line_says_so(
    local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("in.csv").write_bytes(SAMPLE)
    monkeypatch.setenv("REVIEWMILL_MODELS", "gs://nobody-has-this")
    assert main(["csv", "in.csv", "--version", "v999"]) == 0
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("note: whether there is a version v999 of logistic_regression is left to the worker: ")
    assert len(uploaded(local_cloud)) == 1


def test_a_file_behind_wait_is_told_where_it_belongs(
    local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("in.csv").write_bytes(SAMPLE)
    with pytest.raises(SystemExit) as ended:
        main(["csv", "--wait", "in.csv"])
    assert ended.value.code == 2
    assert "put 'in.csv' before --wait" in capsys.readouterr().err
    assert uploaded(local_cloud) == []


@pytest.mark.parametrize(
    ("name", "data", "options"),
    [
        ("in.csv.gz", gzip.compress(SAMPLE, mtime=0), ["--id-column", "id"]),
        ("in.JSONL.gz", gzip.compress(b'{"text": "good"}\n{"text": "bad"}\n', mtime=0), []),
        ("in.txt", b"n\tReview\n1\tgood\n2\tbad\n", ["--output", "jsonl", "--columns", "n"]),
        ("in.csv", "n,text\n1,good\n2,bad\n".encode("utf-16"), []),
    ],
)
def test_what_a_worker_reads_is_not_refused(
    local_cloud: LocalCloud, name: str, data: bytes, options: list[str]
) -> None:
    Path(name).write_bytes(data)
    assert main(["csv", name, *options]) == 0
    (stored,) = uploaded(local_cloud)
    assert run(local_cloud, local_cloud.uploads.info(stored)).state == "done"


def test_ids_of_several_texts_are_named(local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str]) -> None:
    Path("in.csv").write_bytes(b"id,text\na,good\nb,bad\na,worse\n")
    stop = threading.Event()
    worker = threading.Thread(target=work, args=(local_cloud, stop))
    worker.start()
    try:
        assert main(["csv", "in.csv", "--id-column", "id", "--wait", "60"]) == 0
    finally:
        stop.set()
        worker.join()
    assert "1 id stands for several texts (first: rows 1 and 3)" in capsys.readouterr().err


def test_an_upload_is_found_by_the_uri_that_was_printed(
    local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("in.csv").write_bytes(SAMPLE)
    assert main(["csv", "in.csv", "--name", "part #2.csv", "--id-column", "id"]) == 0
    uri = capsys.readouterr().out.splitlines()[0].removeprefix("upload").strip()
    run(local_cloud, local_cloud.uploads.info("part #2.csv"))
    for argument in (uri, uri.rpartition("#")[0]):
        assert results(["job", argument, "--limit", "1"]) == 0
        assert "good" in capsys.readouterr().out


def test_a_missing_file_is_named(local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["csv", "nowhere.csv"]) == 2
    assert "nowhere.csv" in capsys.readouterr().err
    assert uploaded(local_cloud) == []
