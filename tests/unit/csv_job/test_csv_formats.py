"""Jobs of other formats than plain CSV, and what a job finds out about its file by itself."""

from __future__ import annotations

import gzip

import pytest

from cloud.faults import Fault, Faults
from cloud.faulty import FaultyObjects
from cloud.objects import TransientError
from schemas.errors import InvalidInput
from schemas.jobs import JobSpec
from tests.unit.csv_job.conftest import World, predictions
from worker.core.job_options import job_options
from worker.csv_parts import JobStore

ROWS = b"id,text\n" + b"".join(b'%d,"row, %d"\n' % (number, number) for number in range(20))
LINES = b"".join(b'{"id": "%d", "text": "row, %d"}\n' % (number, number) for number in range(20))
FILES = {
    "reviews.csv.gz": gzip.compress(ROWS, mtime=0),
    "reviews.csv": ROWS.decode().encode("utf-16"),
    "utf16.csv.gz": gzip.compress(ROWS.decode().encode("utf-16"), mtime=0),
    "reviews.jsonl": LINES,
    "reviews.jsonl.gz": gzip.compress(LINES, mtime=0),
}


def spec_of(world: World, job: str) -> JobSpec:
    spec = JobStore(world.results, job).spec()
    assert spec is not None
    return spec


@pytest.mark.parametrize("name", list(FILES))
def test_every_format_gives_the_same_predictions(name: str) -> None:
    world = World()
    upload = world.upload(FILES[name], name)
    assert world.run(upload).state == "done"
    rows = predictions(world.stored(upload))
    assert [(row["id"], row["text"], row["row"]) for row in rows] == [
        (str(number), f"row, {number}", str(number + 1)) for number in range(20)
    ]


@pytest.mark.parametrize("name", list(FILES))
def test_a_killed_job_of_any_format_goes_on_to_the_same_bytes(name: str) -> None:
    whole = World()
    expected = whole.upload(FILES[name], name)
    whole.run(expected)
    world = World()
    upload = world.upload(FILES[name], name)
    with pytest.raises(TransientError):
        world.run(upload, results=FaultyObjects(world.results, Faults(Fault("put", "before", first=8))))
    world.run(upload)
    assert world.stored(upload) == whole.stored(expected)


def test_a_job_keeps_how_it_read_its_file() -> None:
    world = World()
    manifest = world.run(world.upload(gzip.compress(b'n\tReview\n1\tgood\n2\t"x\n', mtime=0), "reviews.txt"))
    dialect = spec_of(world, manifest.job).dialect
    assert (dialect.compression, dialect.delimiter, dialect.text_column) == ("gzip", "\t", "Review")
    assert (dialect.quote, dialect.encoding, dialect.format) == (None, "utf-8", "csv")


def test_what_is_said_is_not_guessed() -> None:
    head = b'text;review\ta\n"x;y\tz\n'
    said = {"delimiter": "tab", "text-column": "a", "quote": '"'}
    dialect = job_options("a.csv", said, max_rejections=1, head=head).dialect
    assert (dialect.delimiter, dialect.text_column, dialect.quote) == ("\t", "a", '"')


def test_files_without_a_header_are_read_by_the_delimiter_that_fits() -> None:
    said = {"header": "false", "text-column": "2"}
    dialect = job_options("a.csv", said, max_rejections=1, head=b"1;good\n2;bad, really\n").dialect
    assert (dialect.delimiter, dialect.text_column) == (";", "2")


def test_damage_found_late_keeps_what_was_done() -> None:
    data = gzip.compress(b"text\n" + b"".join(b"%d %s\n" % (row, b"word " * 400) for row in range(5000)), 1, mtime=0)
    world = World()
    manifest = world.run(world.upload(data[:-4] + b"\0\0\0\0", "big.csv.gz"), chunk_rows=500)
    assert (manifest.state, str(manifest.reason).partition(":")[0]) == ("failed", "broken_gzip")
    assert manifest.counts.rows > 0


def test_what_comes_before_damage_is_kept() -> None:
    rows = b"".join(b"%d %s\n" % (row, str(row).encode() * 20) for row in range(30_000))
    data = gzip.compress(b"text\n" + rows, 1, mtime=0)
    world = World()
    manifest = world.run(world.upload(data[: len(data) * 3 // 4], "cut.csv.gz"), chunk_rows=500)
    assert str(manifest.reason).startswith("broken_gzip")
    assert manifest.counts.rows >= 500


def test_another_format_is_refused() -> None:
    with pytest.raises(InvalidInput) as caught:
        job_options("a.csv", {"format": "xml"}, max_rejections=1)
    assert caught.value.code == "invalid_metadata"


@pytest.mark.parametrize(
    ("name", "metadata", "model"),
    [
        ("reviews.csv", {}, "logistic_regression"),
        ("linear_svc/reviews.csv", {}, "linear_svc"),
        ("uploads/LinearSVC/reviews.csv", {}, "linear_svc"),
        ("linear_svc/2026/reviews.csv", {}, "linear_svc"),
        ("linear_svc/decision_tree/reviews.csv", {}, "decision_tree"),
        ("linear_svc/reviews.csv", {"model": "decision_tree"}, "decision_tree"),
        ("linear_svc.csv", {}, "logistic_regression"),
        ("bert/reviews.csv", {}, "logistic_regression"),
    ],
)
def test_the_nearest_folder_of_a_models_name_chooses_it(name: str, metadata: dict[str, str], model: str) -> None:
    assert job_options(name, metadata, max_rejections=1).model == model
