"""A past job scored by another version: what changed is counted and stored, once, and the job stays as it is."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.faults import Fault, Faults
from cloud.faulty import FaultyObjects
from cloud.objects import Objects, TransientError
from schemas.codec import decode
from schemas.errors import InvalidInput
from schemas.replays import LabelChange, ReplaySummary
from tests.unit.csv_job.conftest import MAX, ROWS, LengthScorer, Models, World
from worker.core.bisect_rows import Scored
from worker.core.label_changes import LabelChanges
from worker.core.row_batch import batch_of
from worker.core.rows import Row
from worker.core.scorer import Scores
from worker.csv_job import JobPlaces
from worker.model_load import LoadedModel
from worker.replay import ReplayRules, replay_job


class OnlyEven:
    """Labels every text `even`, and can score what the other version cannot."""

    labels = ("even", 'odd, "very"')

    def score(self, texts: Sequence[str], *, threads: int = 1) -> Scores:
        assert threads > 0
        count = len(texts)
        return Scores(self.labels, np.zeros(count, dtype=np.intp), np.tile([0.6, 0.4], (count, 1)), None)


@dataclass(slots=True)
class TwoVersions(Models):
    """Version v2 is `OnlyEven`."""

    def resolve(self, model: str | None, version: str | None) -> LoadedModel:
        found = Models.resolve(self, model, version)
        scorer = OnlyEven() if found.version == "v2" else LengthScorer()
        return LoadedModel(found.name, found.version, found.manifest_sha256, found.labels, "compiled", scorer)


def finished_job() -> tuple[World, str]:
    world = World(models=TwoVersions())
    return world, world.run(world.upload(ROWS, id_column="id")).job


def replay(world: World, job: str, version: str | None = "v2", results: Objects | None = None) -> ReplaySummary:
    return replay_job(job, version, JobPlaces(world.uploads, results or world.results, world.models), ReplayRules())


def contents(world: World) -> dict[str, bytes]:
    return {info.name: world.results.get(info.name)[0] for info in world.results.listing("")}


def test_changed_labels_are_counted_and_stored() -> None:
    world, job = finished_job()
    before = contents(world)
    told: list[tuple[int, int]] = []
    places = JobPlaces(world.uploads, world.results, world.models)
    summary = replay_job(job, "v2", places, ReplayRules(progress=lambda rows, of: told.append((rows, of))))
    # Rows 1 and 3 have texts of odd length, and the old version cannot score row 7.
    assert (summary.before, summary.after, summary.rows, summary.changed) == ("v1", "v2", 7, 3)
    assert summary.changes == [
        LabelChange(before='odd, "very"', after="even", rows=2),
        LabelChange(before=None, after="even", rows=1),
    ]
    (stored,) = summary.objects
    assert stored.name == f"jobs/{job}/replays/v2/changes.csv"
    rows = list(csv.DictReader(io.StringIO(world.results.get(stored.name)[0].decode())))
    assert [(row["row"], row["before"], row["after"]) for row in rows] == [
        ("1", 'odd, "very"', "even"),
        ("3", 'odd, "very"', "even"),
        ("7", "", "even"),
    ]
    assert told[-1][1] == 11
    after = contents(world)
    assert {name: after[name] for name in before} == before
    assert not any(b"poison" in data for name, data in after.items() if "/replays/" in name)
    summary_name = f"jobs/{job}/replays/v2/summary.json"
    assert decode(after[summary_name], ReplaySummary, max_bytes=MAX) == summary


def test_a_replay_is_done_once() -> None:
    world, job = finished_job()
    summary, stored = replay(world, job), contents(world)
    world.uploads.starts.clear()
    assert replay(world, job) == summary
    assert contents(world) == stored
    assert world.uploads.starts == []


@pytest.mark.parametrize("method", ["put", "compose"])
def test_a_replay_that_was_interrupted_ends_the_same(method: str) -> None:
    world, job = finished_job()
    replay(world, job)
    expected = contents(world)
    for call in range(1, 4 if method == "put" else 2):
        world, job = finished_job()
        faults = Faults(Fault(method, "before", first=call))
        if call < 3:
            with pytest.raises(TransientError):
                replay(world, job, results=FaultyObjects(world.results, faults))
        replay(world, job)
        names = [name for name in expected if "/replays/" in name]
        assert {name: contents(world)[name] for name in names} == {name: expected[name] for name in names}


def test_without_a_version_the_current_one_is_compared() -> None:
    world, job = finished_job()
    world.models.current = "v2"
    assert replay(world, job, None).after == "v2"


def test_what_cannot_be_replayed_says_why() -> None:
    world, job = finished_job()
    for version, code in (("v1", "same_version"), ("v9", "unknown_version")):
        with pytest.raises(InvalidInput) as raised:
            replay(world, job, version)
        assert raised.value.code == code
    with pytest.raises(InvalidInput, match="has no job"):
        replay(world, "other-0123456789abcdef")
    world.models.digest = "b" * 64
    with pytest.raises(InvalidInput, match="not the one that the job used"):
        replay(world, job)
    world.models.digest = "a" * 64
    world.upload(b"text\nother\n")
    with pytest.raises(InvalidInput, match="overwritten or deleted since the job read it"):
        replay(world, job)


def test_a_job_that_stopped_early_is_replayed_as_far_as_it_came() -> None:
    world = World(models=TwoVersions())
    manifest = world.run(world.upload(ROWS, max_rejections="2"))
    assert (manifest.state, manifest.counts.rows) == ("failed", 6)
    assert replay(world, manifest.job).rows == 3


@given(
    labels=st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("ab")), max_size=30),
    cuts=st.sets(st.integers(1, 29)),
)
def test_pieces_do_not_depend_on_batches(labels: list[tuple[str, str]], cuts: set[int]) -> None:
    def pieces(bounds: list[int]) -> list[bytes]:
        changes, found = LabelChanges(piece_bytes=100), list[bytes]()
        for first, last in pairwise(bounds):
            rows = [Row(number + 1, 1, 0, "text", None, ["text"]) for number in range(first, last)]
            before = [Scored(labels[number][0], 0.5) for number in range(first, last)]
            after = [Scored(labels[number][1], None) for number in range(first, last)]
            found += changes.add(batch_of(rows), before, after)
        assert changes.rows == len(labels)
        return [*found, changes.take()]

    whole = pieces([0, len(labels)]) if labels else []
    cut = pieces(sorted({0, len(labels)} | {at for at in cuts if at < len(labels)})) if labels else []
    assert cut == whole
    assert b"".join(whole).count(b"\n") == (1 + sum(a != b for a, b in labels) if labels else 0)
