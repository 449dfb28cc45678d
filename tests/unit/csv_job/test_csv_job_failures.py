"""CSV jobs that cannot go on: each ends, says why, and keeps what was done."""

from __future__ import annotations

import gzip

import pytest

from cloud.faults import Faults
from cloud.faulty import FaultyObjects
from cloud.objects import ContentConflict, ObjectInfo, TransientError
from schemas.jobs import Completion, JobManifest
from tests.unit.csv_job.conftest import ROWS, World, predictions, rejections
from worker.core.naming import job_object, part_object


def code(manifest: JobManifest) -> str:
    assert manifest.reason is not None
    assert manifest.reason.endswith(".")
    return manifest.reason.partition(":")[0]


@pytest.mark.parametrize(
    ("data", "metadata", "expected"),
    [
        (b"", {}, "empty_file"),
        (b"words\ngood\n", {}, "missing_column"),
        (b"text,text\na,b\n", {}, "duplicate_column"),
        ("text\ngood\n".encode("utf-16-le"), {}, "wrong_encoding"),
        (b"text\ngood\n", {"model": "bert"}, "unknown_model"),
        (b"text\ngood\n", {"version": "v9"}, "unknown_version"),
        (b"text\ngood\n", {"id_column": "id"}, "missing_column"),
        (b"text\ngood\n", {"delimiter": "||"}, "invalid_dialect"),
        (b"text\ngood\n", {"encoding": "klingon"}, "invalid_dialect"),
        (b"text\ngood\n", {"max_rejections": "many"}, "invalid_metadata"),
        (b"text\ngood\n", {"max_rejections": "1.0"}, "invalid_metadata"),
        (b"text\ngood\n", {"header": "perhaps"}, "invalid_metadata"),
        (b"text\ngood\n", {"text_column": ""}, "invalid_metadata"),
    ],
)
def test_an_upload_that_cannot_be_scored_fails_once_and_for_all(
    data: bytes, metadata: dict[str, str], expected: str
) -> None:
    world = World()
    upload = world.upload(data, **metadata)
    manifest = world.run(upload)
    assert (manifest.state, code(manifest), manifest.counts.rows) == ("failed", expected, 0)
    assert (manifest.model, manifest.version, manifest.objects) == (None, None, [])
    assert manifest.source.size == len(data)
    assert [completion.state for completion in world.completions] == ["failed"]
    assert world.run(upload) == manifest


@pytest.mark.parametrize(
    ("name", "data", "metadata", "texts"),
    [
        ("a.csv", b"text;id\nso, so;1\n", {"delimiter": ";"}, ["so, so"]),
        ("a.tsv", b'id\ttext\n1\t"good\n', {}, ['"good']),
        ("a.TSV", b'id\ttext\n1\t"go\tod"\n', {"quote": '"'}, ["go\tod"]),
        ("a.csv", b'id\ttext\n1\t"good\n', {"delimiter": "tab", "quote": "none"}, ['"good']),
        ("a.csv", b"1,good\n0,bad\n", {"header": "false", "text_column": "2"}, ["good", "bad"]),
        ("a.csv", b"review,text\ngood,x\n", {"text_column": "review"}, ["good"]),
        ("a.csv", b"text\ncaf\xe9\n", {"encoding": "cp1252"}, ["café"]),
        ("a.csv", b"text\n", {}, []),
        ("a.csv", b"text\ngood\n", {"goog-reserved": "left alone"}, ["good"]),
    ],
)
def test_metadata_says_how_the_file_is_read(name: str, data: bytes, metadata: dict[str, str], texts: list[str]) -> None:
    world = World()
    upload = world.upload(data, name, **metadata)
    manifest = world.run(upload)
    assert (manifest.state, manifest.counts.predictions, manifest.counts.rejections) == ("done", len(texts), 0)
    column = {"review": "review", "2": "column_2"}.get(metadata.get("text_column", ""), "text")
    assert [row[column] for row in predictions(world.stored(upload))] == texts


def test_metadata_names_model_and_version() -> None:
    world = World()
    upload = world.upload(b"text\ngood\n", model="LogisticRegression", version="v2")
    manifest = world.run(upload)
    assert (manifest.state, manifest.model, manifest.version) == ("done", "logistic_regression", "v2")


@pytest.mark.parametrize(("limit", "rows"), [("0", 3), ("0.08", 3), ("0.3", 9), ("2", 6), ("3", 9), ("45%", 11)])
def test_too_many_rejections_stop_the_job_and_keep_what_was_done(limit: str, rows: int) -> None:
    world = World()
    upload = world.upload(ROWS, max_rejections=limit)
    manifest = world.run(upload)
    assert (manifest.state, code(manifest), manifest.counts.rows) == ("failed", "too_many_rejections", rows)
    stored = world.stored(upload)
    assert len(predictions(stored)) + len(rejections(stored)) == rows
    assert manifest.codes == {str(row["code"]): 1 for row in rejections(stored)}


@pytest.mark.parametrize("limit", ["0.46", "5", "1000"])
def test_rejections_at_the_limit_do_not_stop_the_job(limit: str) -> None:
    """The rejections are 1 of 3 rows, 3 of 6, 4 of 9 and 5 of 11; parts here hold them all."""
    world = World()
    manifest = world.run(world.upload(ROWS, max_rejections=limit), chunk_rows=100)
    assert (manifest.state, manifest.counts.rows) == ("done", 11)


BAD_FIRST = b"text,n\n" + b",0\n" * 50 + b"good,1\n" * 150
"""A quarter of the rows cannot be scored, and they come first."""


@pytest.mark.parametrize(("limit", "state"), [("0.3", "done"), ("25%", "done"), ("0.24", "failed")])
@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_the_order_of_rows_does_not_decide(limit: str, state: str, name: str) -> None:
    lines = BAD_FIRST.splitlines(keepends=True)
    for data in (BAD_FIRST, b"".join([lines[0], *reversed(lines[1:])])):
        world = World()
        stored = gzip.compress(data) if name.endswith(".gz") else data
        assert world.run(world.upload(stored, name, max_rejections=limit)).state == state


def test_a_share_stops_a_job_that_the_rest_of_the_file_cannot_save() -> None:
    world = World()
    upload = world.upload(b"text,n\n" + b",0\n" * 90 + b"a,1\n" * 10, max_rejections="0.3")
    manifest = world.run(upload)
    assert (manifest.state, code(manifest)) == ("failed", "too_many_rejections")
    assert manifest.counts.rows == 30


def test_an_overwritten_upload_ends_in_a_failed_job_and_the_new_one_has_its_own() -> None:
    world = World()
    old = world.upload(ROWS)
    new = world.upload(b"text\ngood\n")
    manifest = world.run(old)
    assert (manifest.state, code(manifest), manifest.counts.rows) == ("failed", "source_gone", 0)
    assert manifest.source.generation == old.generation
    other = world.run(new)
    assert (other.state, other.counts.predictions) == ("done", 1)
    assert other.job != manifest.job


def test_an_upload_that_is_overwritten_midway_keeps_what_was_done() -> None:
    world = World()
    upload = world.upload(ROWS)
    stops = iter([False, True])
    with pytest.raises(TransientError):
        world.run(upload, stopping=lambda: next(stops))
    world.upload(b"text\ngood\n")
    manifest = world.run(upload)
    assert (manifest.state, code(manifest), manifest.counts.rows) == ("failed", "source_gone", 3)
    assert [row["row"] for row in predictions(world.stored(upload))] == ["1", "3"]
    assert manifest.source.size == len(ROWS)


@pytest.mark.parametrize(("change", "expected"), [("version", "unknown_version"), ("digest", "model_changed")])
def test_a_model_that_is_gone_or_changed_midway_ends_the_job(change: str, expected: str) -> None:
    world = World()
    upload = world.upload(ROWS)
    stops = iter([False, True])
    with pytest.raises(TransientError):
        world.run(upload, stopping=lambda: next(stops))
    if change == "version":
        world.models.versions = ("v2",)
    else:
        world.models.digest = "b" * 64
    manifest = world.run(upload)
    assert (manifest.state, code(manifest), manifest.counts.rows) == ("failed", expected, 3)


def test_what_can_help_later_is_raised_and_leaves_no_manifest() -> None:
    world = World()
    upload = world.upload(ROWS, model="linear_svc")
    with pytest.raises(TransientError):
        world.run(upload)
    assert world.stored(upload) == {}
    assert world.completions == []


def test_a_lost_announcement_is_made_up_for() -> None:
    world = World()
    upload = world.upload(ROWS)

    def refuse(_: Completion) -> None:
        raise TransientError("the topic does not answer")

    with pytest.raises(TransientError):
        world.run(upload, announce=refuse)
    assert "manifest.json" in world.stored(upload)
    world.run(upload)
    assert [completion.state for completion in world.completions] == ["done"]


@pytest.mark.parametrize("name", ["spec.json", "parts/000000.json", "manifest.json"])
def test_an_object_of_another_release_is_an_alarm_and_not_the_uploads_fault(name: str) -> None:
    world, other = World(), World()
    upload = world.upload(ROWS)
    job = other.run(other.upload(ROWS)).job
    world.results.put(job_object(job, name), b'{"new": 1}', content_type="application/json", if_generation=0)
    with pytest.raises(ContentConflict, match="not what this release writes"):
        world.run(upload)


def test_other_bytes_under_a_parts_name_are_an_alarm() -> None:
    world, other = World(), World()
    upload = world.upload(ROWS)
    job = other.run(other.upload(ROWS)).job
    name = part_object(job, 0, "csv")
    world.results.put(name, b"not this job's", content_type="text/csv", if_generation=0)
    with pytest.raises(ContentConflict):
        world.run(upload)
    assert world.results.get(name)[0] == b"not this job's"


def test_another_result_under_the_manifests_name_is_an_alarm() -> None:
    """A worker that was overtaken by one with another result must not announce its own."""
    world, other = World(), World()
    upload = world.upload(ROWS)
    other.run(other.upload(ROWS, max_rejections="1"))
    theirs = next(info.name for info in other.results.listing("jobs/") if info.name.endswith("/manifest.json"))
    stolen = other.results.get(theirs)[0]

    class Overtaken(FaultyObjects):
        """The other worker's manifest is written while this one joins its parts."""

        def compose(self, sources: list[str], target: str, *, content_type: str) -> ObjectInfo:
            if target.endswith("predictions.csv"):
                world.results.put(theirs, stolen, content_type="application/json", if_generation=0)
            return super().compose(sources, target, content_type=content_type)

    with pytest.raises(ContentConflict, match="holds another result"):
        world.run(upload, results=Overtaken(world.results, Faults()))
    assert world.completions == []
