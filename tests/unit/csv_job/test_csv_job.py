"""CSV jobs over memory: conservation, resuming, duplicates."""

from __future__ import annotations

import pytest

from cloud.faults import Fault, Faults
from cloud.faulty import FaultyObjects
from cloud.objects import TransientError
from schemas.codec import decode
from schemas.jobs import Completion, JobSpec, PartRecord
from tests.unit.csv_job.conftest import MAX, ROWS, World, predictions, rejections
from worker import csv_job


def test_every_row_ends_in_predictions_or_in_rejections() -> None:
    world = World()
    upload = world.upload(ROWS)
    manifest = world.run(upload)
    stored = world.stored(upload)
    assert (manifest.state, manifest.counts.rows, manifest.counts.predictions) == ("done", 11, 6)
    assert [row["row"] for row in predictions(stored)] == ["1", "3", "6", "8", "9", "11"]
    assert [(row["row"], row["line"], row["code"], row["stage"]) for row in rejections(stored)] == [
        (2, 3, "too_few_fields", "parse"),
        (4, 5, "empty_text", "parse"),
        (5, 6, "invalid_encoding", "parse"),
        (7, 9, "scoring_failed", "score"),
        (10, 13, "unclosed_quote", "parse"),
    ]
    assert manifest.codes == {row["code"]: 1 for row in rejections(stored)}
    assert sum(manifest.labels.values()) == 6


def test_a_prediction_has_the_files_columns_and_ours() -> None:
    world = World()
    upload = world.upload(b'id,text,label\n7,"a ""b"", c\r\ndd",=x\n8,odd,y\n')
    world.run(upload)
    assert world.stored(upload)["predictions.csv"].decode() == (
        "id,text,label,row,reviewmill_label,probability,model,version\n"
        '7,"a ""b"", c\r\ndd",\'=x,1,even,0.75,logistic_regression,v1\n'
        '8,odd,y,2,"odd, ""very""",0.9,logistic_regression,v1\n'
    )


def test_no_rejection_holds_the_text() -> None:
    world = World()
    upload = world.upload(ROWS)
    world.run(upload)
    assert not any(word in world.stored(upload)["rejections.jsonl"] for word in (b"poison", b"eleven", b"ten\\n"))


def test_the_manifest_says_where_everything_is_and_is_announced() -> None:
    world = World()
    upload = world.upload(ROWS)
    manifest = world.run(upload)
    assert [stored.name.rpartition("/")[2] for stored in manifest.objects] == [
        "predictions.csv",
        "rejections.jsonl",
        "report.html",
    ]
    for stored in manifest.objects:
        info = world.results.info(stored.name)
        assert (info.size, info.crc32c) == (stored.size, stored.crc32c)
    assert manifest.source.size == len(ROWS)
    assert world.completions == [
        Completion(manifest.job, f"gs://results/jobs/{manifest.job}/manifest.json", "done", manifest.counts)
    ]


def test_a_duplicate_event_changes_nothing_and_announces_again() -> None:
    world = World()
    upload = world.upload(ROWS)
    first, before = world.run(upload), world.stored(upload)
    world.models.current = "v2"
    assert world.run(upload, chunk_rows=1) == first
    assert world.stored(upload) == before
    assert world.completions[0] == world.completions[1]


def test_the_size_of_parts_does_not_change_the_result() -> None:
    outcomes = []
    for chunk_rows in (1, 2, 4, 100):
        world = World()
        upload = world.upload(ROWS)
        world.run(upload, chunk_rows=chunk_rows)
        stored = world.stored(upload)
        outcomes.append((stored["predictions.csv"], stored["rejections.jsonl"]))
    assert outcomes == [outcomes[0]] * 4


@pytest.mark.parametrize("kind", ["before", "lost_answer", "repeated"])
@pytest.mark.parametrize("method", ["put", "compose"])
def test_a_job_stopped_at_any_write_goes_on_to_the_same_bytes(method: str, kind: str) -> None:
    world = World()
    upload = world.upload(ROWS)
    world.run(upload)
    expected = world.stored(upload)
    call = 0
    while True:
        call += 1
        world = World()
        upload = world.upload(ROWS)
        faults = Faults(Fault(method, kind, first=call))  # type: ignore[arg-type]
        try:
            world.run(upload, results=FaultyObjects(world.results, faults))
        except TransientError:
            world.uploads.starts.clear()
            world.run(upload)
        if faults.unfired():
            break
        assert world.stored(upload) == expected
    assert call > (10 if method == "put" else 2)


def test_a_resumed_job_reads_no_finished_byte_again() -> None:
    world = World()
    upload = world.upload(ROWS)
    # The sixth write is the second part's data: attempt and spec, then data, rejections and record of the first.
    with pytest.raises(TransientError):
        world.run(upload, results=FaultyObjects(world.results, Faults(Fault("put", "before", first=6))))
    world.uploads.starts.clear()
    world.run(upload)
    assert world.uploads.starts == [ROWS.index(b"4,\n")]


def test_workers_follow_the_first_spec_whatever_is_current_now() -> None:
    world = World()
    upload = world.upload(ROWS)
    with pytest.raises(TransientError):
        world.run(upload, results=FaultyObjects(world.results, Faults(Fault("put", "before", first=8))))
    world.models.current = "v2"
    manifest = world.run(upload, chunk_rows=100)
    stored = world.stored(upload)
    assert manifest.version == "v1"
    assert {row["version"] for row in predictions(stored)} == {"v1"}
    assert decode(stored["spec.json"], JobSpec, max_bytes=MAX).chunk_rows == 3
    assert decode(stored["parts/000003.json"], PartRecord, max_bytes=MAX).last


def test_workers_of_another_version_cut_the_parts_of_a_job_as_it_began(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_job, "PART_BYTES", 200)
    alone, world = World(), World()
    again, upload = alone.upload(ROWS), world.upload(ROWS)
    alone.run(again, chunk_rows=100)
    assert "parts/000002.json" in alone.stored(again)
    with pytest.raises(TransientError):
        world.run(upload, chunk_rows=100, results=FaultyObjects(world.results, Faults(Fault("put", "before", first=6))))
    assert "parts/000000.json" in world.stored(upload)
    monkeypatch.setattr(csv_job, "PART_BYTES", 1000)
    world.run(upload, chunk_rows=100)
    assert world.stored(upload) == alone.stored(again)


@pytest.mark.parametrize("moment", [1, 2, 3, 4])
def test_two_workers_on_one_job_write_one_result(moment: int) -> None:
    """The second worker runs from beginning to end in the middle of the first one's run."""
    alone, world = World(), World()
    alone.run(alone.upload(ROWS))
    upload = world.upload(ROWS)
    asked = iter(range(1, 100))

    def stopping() -> bool:
        if next(asked) == moment:
            world.run(upload)
        return False

    manifest = world.run(upload, stopping=stopping)
    assert manifest.counts.rows == 11
    assert world.stored(upload) == alone.stored(upload)


def test_a_worker_that_stops_leaves_whole_parts_for_the_next_one() -> None:
    world, alone = World(), World()
    upload = world.upload(ROWS)
    stops = iter([False, True])
    with pytest.raises(TransientError):
        world.run(upload, stopping=lambda: next(stops))
    stored = world.stored(upload)
    assert "parts/000000.json" in stored
    assert not [name for name in stored if "000001" in name]
    world.run(upload)
    again = alone.upload(ROWS)
    alone.run(again)
    assert world.stored(upload) == alone.stored(again)
