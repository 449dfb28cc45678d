"""CSV jobs in ranges: the same bytes whoever works on which range when, and one end."""

from __future__ import annotations

import random
import threading

import pytest

from cloud.faults import Fault, Faults
from cloud.faulty import FaultyObjects
from cloud.objects import CloudSetupError, ContentConflict, TransientError
from schemas.codec import decode, encode
from schemas.errors import InvalidInput
from schemas.jobs import JobSpec
from schemas.ranges import RangePlace, RangePlan, RangeRecord, RangeTask
from tests.unit.csv_job.conftest import MAX, World, predictions, rejections
from tests.unit.csv_job.ranged import FILE, LINES, RangedWorld, result
from tests.unit.csv_job.test_row_models import ThreeModels

RANGES = 17


@pytest.fixture(scope="module")
def expected() -> dict[str, bytes]:
    """What one worker alone stores."""
    world = RangedWorld()
    upload = world.upload(FILE)
    world.alone(upload)
    return world.stored(upload)


def test_ranges_do_not_change_what_a_job_says_of_its_rows(expected: dict[str, bytes]) -> None:
    world = World()
    upload = world.upload(FILE)
    world.run(upload)
    whole = world.stored(upload)
    assert expected["predictions.csv"] == whole["predictions.csv"]
    assert expected["rejections.jsonl"] == whole["rejections.jsonl"]
    assert len(predictions(whole)) > 20
    assert len(rejections(whole)) > 5


def test_a_job_alone_has_a_record_for_each_range(expected: dict[str, bytes]) -> None:
    names = [name for name in expected if name.startswith("finished/")]
    records = [decode(expected[name], RangeRecord, max_bytes=MAX) for name in names]
    assert [record.range for record in records] == list(range(RANGES))
    assert [record.next for record in records[:-1]] == [record.start for record in records[1:]]
    assert [record.last for record in records] == [False] * (RANGES - 1) + [True]
    assert (records[0].start.byte, records[-1].next.byte) == (len(b"id,text\n"), len(FILE))


@pytest.mark.parametrize("seed", range(5))
def test_tasks_in_any_order_and_delivered_twice_give_the_bytes_of_one_worker(
    expected: dict[str, bytes], seed: int
) -> None:
    world = RangedWorld()
    upload = world.upload(FILE)
    tasks = world.share(upload)
    assert [task.range for task in tasks] == list(range(RANGES))
    assert set(world.stored(upload)) == {"spec.json", "ranges.json"}
    order = tasks + random.Random(seed).sample(tasks, 10)
    random.Random(seed).shuffle(order)
    ends = [world.work(task) for task in order]
    assert result(world.stored(upload)) == expected
    manifests = [end for end in ends if end is not None]
    assert manifests == [manifests[0]] * len(manifests)
    # The last range of all ends the job; what is delivered again after that only announces it again.
    last = max(order.index(task) for task in tasks)
    assert [end is not None for end in ends] == [number >= last for number in range(len(order))]
    assert {completion.state for completion in world.completions} == {"done"}


def test_a_finished_range_is_not_read_again() -> None:
    world = RangedWorld()
    tasks = world.share(world.upload(FILE))
    world.work(tasks[3])
    world.uploads.starts.clear()
    assert world.work(tasks[3]) is None
    assert world.uploads.starts == []


def test_a_worker_reads_from_where_its_range_starts() -> None:
    world = RangedWorld()
    upload = world.upload(FILE)
    tasks = world.share(upload)
    plan = decode(world.stored(upload)["ranges.json"], RangePlan, max_bytes=MAX)
    world.uploads.starts.clear()
    for number in (7, 2):
        world.work(tasks[number])
    assert world.uploads.starts == [plan.starts[7].byte, plan.starts[2].byte]


def test_workers_at_once_make_one_result(expected: dict[str, bytes]) -> None:
    world = RangedWorld()
    upload = world.upload(FILE)
    tasks = world.share(upload)
    waiting = iter(tasks + tasks[:6])
    lock = threading.Lock()
    faults: list[BaseException] = []

    def work() -> None:
        while True:
            with lock:
                task = next(waiting, None)
            if task is None:
                return
            try:
                world.work(task)
            except BaseException as error:  # noqa: BLE001 - shown by the test's own thread
                faults.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert faults == []
    assert result(world.stored(upload)) == expected


def test_the_notification_delivered_again_asks_only_for_what_is_missing() -> None:
    world = RangedWorld()
    upload = world.upload(FILE)
    tasks = world.share(upload)
    for task in tasks[5:]:
        world.work(task)
    again = world.share(upload)
    assert [task.range for task in again] == [0, 1, 2, 3, 4]
    for task in again:
        world.work(task)
    assert [completion.state for completion in world.completions] == ["done"]
    world.share(upload)
    assert len(world.tasks) == len(tasks) + 5
    assert len(world.completions) == 2


def test_a_notification_that_comes_often_does_not_look_like_a_job_without_progress(expected: dict[str, bytes]) -> None:
    world = RangedWorld()
    upload = world.upload(FILE)
    for _ in range(6):
        tasks = world.share(upload)
    for task in tasks:
        world.work(task)
    assert result(world.stored(upload)) == expected


def test_a_job_begun_alone_can_be_shared_and_one_begun_shared_ended_alone(expected: dict[str, bytes]) -> None:
    world = RangedWorld()
    upload = world.upload(FILE)
    stops = iter([False] * 4 + [True])
    with pytest.raises(TransientError, match="is stopping"):
        world.alone(upload, stopping=lambda: next(stops))
    tasks = world.share(upload)
    assert 0 < len(tasks) < RANGES
    for task in tasks[::2]:
        world.work(task)
    assert world.alone(upload).state == "done"
    assert result(world.stored(upload)) == expected


@pytest.mark.parametrize("error", [TransientError("no answer"), CloudSetupError("may not publish")])
def test_a_worker_that_cannot_publish_goes_on_alone(expected: dict[str, bytes], error: Exception) -> None:
    world = RangedWorld()
    upload = world.upload(FILE)

    def refuse(_tasks: object) -> None:
        raise error

    assert world.alone(upload, publish=refuse).state == "done"
    assert result(world.stored(upload)) == expected


def test_a_job_whose_ranges_are_all_there_is_ended_by_the_notification(expected: dict[str, bytes]) -> None:
    world = RangedWorld()
    upload = world.upload(FILE)
    tasks = world.share(upload)
    for task in tasks[:-1]:
        world.work(task)
    with pytest.raises(TransientError):
        world.work(tasks[-1], results=FaultyObjects(world.results, Faults(Fault("compose", "before", first=1))))
    assert world.share(upload) == []
    assert result(world.stored(upload)) == expected


@pytest.mark.parametrize(
    ("name", "metadata", "data"),
    [
        ("a.csv", {}, b"text\n" + b"short\n" * 5),
        ("a.csv", {}, ("text\n" + "word\n" * 40).encode("utf-16")),
    ],
    ids=["small", "utf-16"],
)
def test_what_is_small_or_cannot_be_entered_in_the_middle_stays_whole(
    name: str, metadata: dict[str, str], data: bytes
) -> None:
    world = RangedWorld()
    upload = world.upload(data, name, **metadata)
    assert world.share(upload) == []
    stored = world.stored(upload)
    assert b"range_bytes" not in stored["spec.json"]
    assert not [file for file in stored if file.startswith(("ranges", "finished"))]
    assert [completion.state for completion in world.completions] == ["done"]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.jsonl", b"\n".join(b'{"text": "word %d"}' % n if n % 5 else b"  " for n in range(60)) + b"\n \n"),
        ("a.tsv", b"id\ttext\n" + b"".join(b'%d\tsome "text\n' % n for n in range(60))),
        ("a.csv", b"text\r" + b"one\r" * 60),
        ("a.csv", b"text\n" + b"\n" * 300),
        ("a.csv", b"text\n" + b"\n" * 200 + b"x\n" + b"\n" * 200 + b"y"),
        ("a.csv", b'text\n"' + b"a\n" * 400 + b'"\nb\n'),
        ("a.csv", b"\xef\xbb\xbftext\r\n" + b'"x\r\ny"\r\n' * 40),
    ],
    ids=["jsonl", "tsv", "cr", "no rows", "blanks", "one long row", "mark"],
)
def test_files_of_every_kind_are_cut_alike_by_whoever_reads_them(name: str, data: bytes) -> None:
    alone, shared, whole = RangedWorld(), RangedWorld(), World()
    manifest = alone.alone(alone.upload(data, name))
    upload = shared.upload(data, name)
    for task in reversed(shared.share(upload)):
        shared.work(task)
    assert manifest.state == "done"
    assert result(shared.stored(upload)) == alone.stored(upload)
    again = whole.upload(data, name)
    whole.run(again)
    for output in ("predictions.csv", "rejections.jsonl"):
        assert alone.stored(upload)[output] == whole.stored(again)[output]


def test_too_many_rejections_end_a_job_early_and_alike_in_any_order() -> None:
    data = b"text\n" + b"good\n" * 30 + b",\n" * 100 + b"good\n" * 400
    alone = RangedWorld()
    upload = alone.upload(data)
    manifest = alone.alone(upload, max_rejections=20)
    assert manifest.state == "failed"
    assert str(manifest.reason).startswith("too_many_rejections: 45 of the 75 rows ")
    expected = alone.stored(upload)
    assert 0 < manifest.counts.rows < 200
    for seed in range(4):
        world = RangedWorld()
        world.upload(data)
        tasks = world.share(upload, max_rejections=20)
        random.Random(seed).shuffle(tasks)
        world.uploads.starts.clear()
        for task in tasks:
            world.work(task)
        stored = world.stored(upload)
        for name in ("predictions.csv", "rejections.jsonl", "report.html", "manifest.json"):
            assert stored[name] == expected[name]
        # Once the ranges before it are there, the range that goes too far ends the job: the others are not read.
        assert seed or len(world.uploads.starts) < len(tasks)


def test_a_share_of_rejections_is_looked_at_where_each_range_ends() -> None:
    data = b"text\n" + (b"good\n" * 3 + b",\n") * 40 + b",\n" * 200
    world, other = RangedWorld(), RangedWorld()
    upload = world.upload(data)
    manifest = world.alone(upload, max_rejections=0.5)
    assert manifest.state == "failed"
    assert manifest.counts.rejections > 0.5 * manifest.counts.rows
    other.upload(data)
    for task in reversed(other.share(upload, max_rejections=0.5)):
        other.work(task)
    assert other.stored(upload)["manifest.json"] == world.stored(upload)["manifest.json"]


def test_a_range_in_vain_three_times_ends_the_job_and_keeps_the_ranges_before_it() -> None:
    world = RangedWorld()
    upload = world.upload(FILE)
    tasks = world.share(upload)
    for _ in range(3):
        with pytest.raises(TransientError):
            world.work(tasks[5], results=FaultyObjects(world.results, Faults(Fault("put", "before", first=2))))
    for task in tasks[:4]:
        assert world.work(task) is None
    assert world.work(tasks[5]) is None
    manifest = world.work(tasks[4])
    assert manifest is not None
    assert (manifest.state, str(manifest.reason)[:22]) == ("failed", "no_progress: Range 5: ")
    plan = decode(world.stored(upload)["ranges.json"], RangePlan, max_bytes=MAX)
    assert manifest.counts.rows == plan.starts[5].row - 1
    assert int(predictions(world.stored(upload))[-1]["row"]) < plan.starts[5].row
    world.uploads.starts.clear()
    assert world.work(tasks[12]) == manifest
    assert world.uploads.starts == []
    # A task that came too late says nothing; the one that ended the job does, each time it is delivered.
    assert len(world.completions) == 1
    world.work(tasks[4])
    assert world.completions == [world.completions[0]] * 2


def test_ranges_of_rows_that_name_models_give_the_same_bytes() -> None:
    names = (b"", b"LinearSVC", b"bert")
    data = b"text,by\n" + b"".join(b"word %d,%s\n" % (row, names[row % 3]) for row in range(60))
    alone, shared = (RangedWorld(models=ThreeModels()) for _ in range(2))  # type: ignore[arg-type]
    upload = alone.upload(data, model_column="by")
    manifest = alone.alone(upload)
    shared.upload(data, model_column="by")
    tasks = shared.share(upload)
    assert len(tasks) > 5
    for task in reversed(tasks):
        shared.work(task)
    assert (manifest.state, manifest.counts.predictions, len(manifest.models)) == ("done", 40, 2)
    assert result(shared.stored(upload)) == alone.stored(upload)


def test_attempts_at_different_ranges_do_not_add_up(expected: dict[str, bytes]) -> None:
    world = RangedWorld()
    upload = world.upload(FILE)
    tasks = world.share(upload)
    for task in tasks:
        with pytest.raises(TransientError):
            world.work(task, results=FaultyObjects(world.results, Faults(Fault("put", "before", first=2))))
    for task in tasks:
        world.work(task)
    assert result(world.stored(upload)) == expected


def test_a_worker_alone_that_is_interrupted_often_but_goes_on_is_not_given_up(expected: dict[str, bytes]) -> None:
    world = RangedWorld()
    upload = world.upload(FILE)
    for _ in range(100):
        # Each attempt stores some part or record, and fails then.
        try:
            world.alone(upload, results=FaultyObjects(world.results, Faults(Fault("put", "before", first=7))))
        except TransientError:
            continue
        break
    assert result(world.stored(upload)) == expected


def test_an_upload_overwritten_meanwhile_fails_the_job_and_keeps_what_was_read() -> None:
    world = RangedWorld()
    upload = world.upload(FILE)
    tasks = world.share(upload)
    for task in tasks[:3]:
        world.work(task)
    world.upload(b"text\nnewer\n")
    manifest = world.work(tasks[7])
    assert manifest is None
    manifest = world.work(tasks[3])
    assert manifest is not None
    assert str(manifest.reason).startswith("source_gone: ")
    plan = decode(world.stored(upload)["ranges.json"], RangePlan, max_bytes=MAX)
    assert manifest.counts.rows == plan.starts[3].row - 1


def test_the_spec_fixes_model_and_ranges(expected: dict[str, bytes]) -> None:
    world = RangedWorld()
    upload = world.upload(FILE)
    tasks = world.share(upload)
    world.models.current = "v2"
    for task in tasks[:3]:
        world.work(task)
    world.alone(upload, range_bytes=0)
    assert result(world.stored(upload)) == expected
    assert decode(expected["spec.json"], JobSpec, max_bytes=MAX).range_bytes == 60


def test_a_task_of_no_planned_job_is_refused() -> None:
    world = RangedWorld()
    upload = world.upload(FILE)
    task = RangeTask(upload.bucket, upload.name, upload.generation, 0)
    with pytest.raises(InvalidInput, match="unknown_range"):
        world.work(task)
    world.share(upload)
    with pytest.raises(InvalidInput, match="unknown_range"):
        world.work(RangeTask(upload.bucket, upload.name, upload.generation, RANGES))


def test_a_plan_that_does_not_fit_the_file_is_an_alarm_and_no_result() -> None:
    """Rows would get wrong numbers."""
    world = RangedWorld()
    upload = world.upload(FILE)
    tasks = world.share(upload)
    name = next(info.name for info in world.results.listing("") if info.name.endswith("ranges.json"))
    plan = decode(world.results.get(name)[0], RangePlan, max_bytes=MAX)
    moved = RangePlace(plan.starts[1].byte, plan.starts[1].line, plan.starts[1].row + 1)
    starts = [plan.starts[0], moved, *plan.starts[2:]]
    world.results.delete(name)
    world.results.put(name, encode(RangePlan(plan.job, starts)), content_type="application/json", if_generation=0)
    world.work(tasks[0])
    with pytest.raises(ContentConflict, match="do not fit together"):
        world.work(tasks[1])
    assert not [name for name in world.stored(upload) if name.startswith(("manifest", "predictions"))]


@pytest.mark.parametrize("kind", ["before", "lost_answer", "repeated"])
@pytest.mark.parametrize("method", ["put", "compose"])
def test_stopped_at_any_write_a_shared_job_comes_to_the_same_bytes(method: str, kind: str) -> None:
    """One bucket for all workers, in which one write fails; whoever met it has its message delivered again."""
    short = b"id,text\n" + b"".join(LINES[:9])
    alone = RangedWorld()
    upload = alone.upload(short)
    alone.alone(upload)
    call = 0
    while True:
        call += 1
        world = RangedWorld()
        upload = world.upload(short)
        faults = Faults(Fault(method, kind, first=call))  # type: ignore[arg-type]
        view = FaultyObjects(world.results, faults)
        try:
            tasks = world.share(upload, results=view)
        except TransientError:
            tasks = world.share(upload)
        for task in reversed(tasks):
            try:
                world.work(task, results=view)
            except TransientError:
                world.work(task)
        if faults.unfired():
            break
        assert result(world.stored(upload)) == alone.stored(upload)
    # Of each range an attempt, data and a record of each part, and the record; then spec, plan, report and manifest.
    assert call > (4 * len(tasks) + 4 if method == "put" else 2)
