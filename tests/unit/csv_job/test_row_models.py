"""Jobs whose rows name their models: each row by its own, in the version of the job's start, in the file's order."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from cloud.faults import Fault, Faults
from cloud.faulty import FaultyObjects
from cloud.objects import TransientError
from schemas.codec import encode
from schemas.errors import InvalidInput
from schemas.jobs import JobSpec, ModelShare, PinnedModel
from schemas.names import MODEL_NAMES, canonical_model
from tests.unit.csv_job.conftest import World, predictions, rejections
from worker import csv_job
from worker.core.scorer import Scores
from worker.csv_job import JobPlaces, JobRules, run_job
from worker.csv_parts import JobStore
from worker.model_load import LoadedModel, ModelMissing
from worker.replay import ReplayRules, replay_job
from worker.replay_show import show_replay


@dataclass(frozen=True, slots=True)
class SaysItsName:
    """Labels every text with the model's name and version; linear_svc gives no probabilities; poison fails."""

    name: str

    @property
    def labels(self) -> tuple[str, ...]:
        return (self.name, "other")

    def score(self, texts: Sequence[str], *, threads: int = 1) -> Scores:
        if threads < 1 or any("poison" in text for text in texts):
            raise ValueError("cannot score this")
        count, sure = len(texts), 0.9 if self.name.startswith("l") else 0.7
        probabilities = None if self.name.startswith("linear_svc") else np.tile([sure, 1 - sure], (count, 1))
        return Scores(self.labels, np.zeros(count, dtype=np.intp), probabilities, np.ones(count))


@dataclass(slots=True)
class ThreeModels:
    """All models, in versions that can be changed; `missing` ones were never trained."""

    current: str = "v1"
    digest: str = "a" * 64
    missing: tuple[str, ...] = ()
    asked: list[tuple[str | None, str | None]] = field(default_factory=list)

    def resolve(self, model: str | None, version: str | None) -> LoadedModel:
        self.asked.append((model, version))
        name = canonical_model(model)
        if name in self.missing:
            raise ModelMissing(f"there is no current version of {name}")
        if version not in {None, "v1", "v2"}:
            raise InvalidInput("unknown_version", "There is no such version.")
        scorer = SaysItsName(f"{name} {version or self.current}")
        return LoadedModel(name, version or self.current, self.digest, scorer.labels, "compiled", scorer)


ROWS = (
    b"id,text,by\n1,one,\n2,two,linear_svc\n3,three,LinearSVC\n4,four,bert\n5,five,decision_tree\n6,,linear_svc\n"
    b'7,poison,linear_svc\n8,"=ei,ght",DecisionTreeClassifier\n9,nine,logistic_regression\n10,ten, linear_svc\n'
)
SAID = {"model_column": "by", "id_column": "id"}
MODELS = {
    1: "logistic_regression", 2: "linear_svc", 3: "linear_svc", 5: "decision_tree", 8: "decision_tree",
    9: "logistic_regression",
}  # fmt: skip


def mixed_world(**models: object) -> World:
    return World(models=ThreeModels(**models))  # type: ignore[arg-type]  # it takes the place of the store of one model


def spec_of(world: World, job: str) -> JobSpec:
    spec = JobStore(world.results, job).spec()
    assert spec is not None
    return spec


def test_each_row_is_scored_by_the_model_that_it_names() -> None:
    world = mixed_world()
    upload = world.upload(ROWS, **SAID)
    manifest = world.run(upload)
    rows = predictions(world.stored(upload))
    assert {int(row["row"]): row["model"] for row in rows} == MODELS
    assert [int(row["row"]) for row in rows] == sorted(MODELS)
    assert all(row["label"] == f"{row['model']} v1" and row["version"] == "v1" for row in rows)
    assert {row["model"]: row["probability"] for row in rows} == {
        "logistic_regression": "0.9", "linear_svc": "", "decision_tree": "0.7"
    }  # fmt: skip
    assert rows[4]["text"] == "'=ei,ght"
    assert manifest.models == [
        ModelShare("decision_tree", "v1", 2),
        ModelShare("linear_svc", "v1", 2),
        ModelShare("logistic_regression", "v1", 2),
    ]  # fmt: skip
    assert (manifest.counts.rows, manifest.counts.predictions, manifest.counts.rejections) == (10, 6, 4)


def test_parts_end_where_the_spec_says(monkeypatch: pytest.MonkeyPatch) -> None:
    world = mixed_world()
    upload, again = (world.upload(ROWS, f"in/{name}.csv", **SAID) for name in ("a", "b"))
    world.run(upload, chunk_rows=100)
    monkeypatch.setattr(csv_job, "PART_BYTES", 300)
    world.run(again, chunk_rows=100)
    whole, cut = world.stored(upload), world.stored(again)
    assert cut["predictions.csv"] == whole["predictions.csv"]
    assert "parts/000001.json" not in whole
    assert "parts/000002.json" in cut


def test_an_unknown_model_rejects_its_row_alone() -> None:
    world = mixed_world()
    upload = world.upload(ROWS, **SAID)
    assert world.run(upload).state == "done"
    found = {(one["row"], one["code"], one["stage"], one.get("model")) for one in rejections(world.stored(upload))}
    assert found == {
        (4, "unknown_model", "model", None),
        (6, "empty_text", "parse", "logistic_regression"),
        (7, "scoring_failed", "score", "linear_svc"),
        (10, "unknown_model", "model", None),
    }


@pytest.mark.parametrize("output", ["csv", "jsonl"])
@pytest.mark.parametrize("columns", ["all", "id", "none"])
def test_lines_are_those_of_jobs_of_one_model(output: str, columns: str) -> None:
    world = mixed_world()
    asked = {"output": output, "columns": columns, "id_column": "id"}
    name = "predictions.csv" if output == "csv" else "predictions.jsonl"
    mixed = world.upload(ROWS, **asked, model_column="by")
    world.run(mixed)
    alone: set[bytes] = set()
    for model in MODEL_NAMES:
        upload = world.upload(ROWS, f"in/{model}.csv", **asked, model=model)
        world.run(upload)
        alone |= set(world.stored(upload)[name].splitlines())
    lines = world.stored(mixed)[name].splitlines()
    assert len(lines) == len(MODELS) + (output == "csv")
    assert set(lines) <= alone


def test_versions_are_those_of_the_start_whatever_becomes_current() -> None:
    whole = mixed_world()
    expected = whole.upload(ROWS, **SAID)
    whole.run(expected)
    for writes in range(1, 14):
        world = mixed_world()
        upload = world.upload(ROWS, **SAID)
        results = FaultyObjects(world.results, Faults(Fault("put", "before", first=writes + 1)))
        with pytest.raises(TransientError):
            world.run(upload, results=results)
        # Models are promoted, and one is gone from the alias, between two workers on the job.
        world.models = ThreeModels(current="v2")  # type: ignore[assignment]
        if writes >= 2:  # the spec is there
            world.run(upload)
            assert world.stored(upload) == whole.stored(expected)


@pytest.mark.parametrize("output", ["csv", "jsonl"])
def test_ranges_give_the_bytes_of_the_whole(output: str) -> None:
    found = []
    for range_bytes in (0, 40):
        world = mixed_world()
        upload = world.upload(ROWS, **SAID, output=output)
        manifest = run_job(
            upload,
            JobPlaces(world.uploads, world.results, world.models),
            JobRules(chunk_rows=3, max_rejections=1000, range_bytes=range_bytes),
            publish_completion=lambda _: None,
            clock=lambda: 0.0,
        )
        stored = world.stored(upload)
        assert any(name.startswith("ranges/") for name in stored) is (range_bytes > 0)
        found.append(
            (
                manifest.models,
                manifest.counts,
                {
                    name: stored[name]
                    for name in stored
                    if "/" not in name and name.split(".")[0] in {"predictions", "rejections"}
                },
            )
        )
    assert found[0] == found[1]


def test_a_jobs_own_version_is_that_of_its_rows_too() -> None:
    world = mixed_world()
    upload = world.upload(b"text,by\na,\nb,linear_svc\nc,logistic_regression\n", model_column="by", version="v2")
    manifest = world.run(upload)
    assert [row["label"] for row in predictions(world.stored(upload))] == [
        "logistic_regression v2", "linear_svc v1", "logistic_regression v2"
    ]  # fmt: skip
    assert [(one.model, one.version) for one in manifest.models] == [
        ("linear_svc", "v1"), ("logistic_regression", "v2")
    ]  # fmt: skip


def test_a_model_that_was_never_trained_is_unknown_for_the_whole_job() -> None:
    world = mixed_world(missing=("decision_tree",))
    upload = world.upload(ROWS, **SAID)
    manifest = world.run(upload, chunk_rows=100)
    assert manifest.codes["unknown_model"] == 4
    assert spec_of(world, manifest.job).row_models == [
        PinnedModel("logistic_regression", "v1", "a" * 64), PinnedModel("linear_svc", "v1", "a" * 64)
    ]  # fmt: skip


def test_a_version_that_was_replaced_fails_the_job() -> None:
    world = mixed_world()
    upload = world.upload(ROWS, **SAID)
    with pytest.raises(TransientError):
        world.run(upload, results=FaultyObjects(world.results, Faults(Fault("put", "before", first=3))))
    world.models.digest = "b" * 64
    manifest = world.run(upload)
    assert str(manifest.reason).startswith("model_changed")


def test_lines_of_json_may_name_models() -> None:
    lines = [
        {"text": "one"}, {"text": "two", "model": "LinearSVC"}, {"text": "three", "model": "bert"},
        {"text": "four", "model": "decision_tree", "version": "v1"},
    ]  # fmt: skip
    world = mixed_world()
    data = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    upload = world.upload(data, "in/a.jsonl", model_column="model")
    world.run(upload)
    rows = list(csv.DictReader(io.StringIO(world.stored(upload)["predictions.csv"].decode())))
    assert [(row["model"], row["reviewmill_model"]) for row in rows] == [
        ("", "logistic_regression"), ("LinearSVC", "linear_svc")
    ]  # fmt: skip
    assert [(one["row"], one["code"]) for one in rejections(world.stored(upload))] == [
        (3, "unknown_model"), (4, "other_model")
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "column"), [("a.csv", "model"), ("a.jsonl", "by")])
def test_a_column_that_is_not_there_fails_the_job(name: str, column: str) -> None:
    world = mixed_world()
    data = ROWS if name.endswith("csv") else b'{"text": "a"}\n'
    assert str(world.run(world.upload(data, name, model_column=column)).reason).startswith("missing_column")


def test_a_job_of_one_model_says_nothing_of_others() -> None:
    world = mixed_world()
    manifest = world.run(world.upload(ROWS, id_column="id"))
    for document in (spec_of(world, manifest.job), manifest):
        assert b"models" not in encode(document)
        assert b"model_column" not in encode(document)
    assert {model for model, _ in world.models.asked} == {"logistic_regression"}  # type: ignore[attr-defined]


def test_the_report_names_every_model() -> None:
    world = mixed_world()
    upload = world.upload(ROWS, **SAID)
    world.run(upload)
    page = world.stored(upload)["report.html"].decode()
    assert "the model that each row names" in page
    for name in MODEL_NAMES:
        assert f"<td>{name}</td>" in page or f">{name}<" in page


def test_a_replay_compares_the_rows_of_the_jobs_own_model() -> None:
    world = mixed_world()
    manifest = world.run(world.upload(ROWS, **SAID))
    summary = replay_job(manifest.job, "v2", JobPlaces(world.uploads, world.results, world.models), ReplayRules())
    assert (summary.model, summary.rows, summary.changed) == ("logistic_regression", 2, 2)
    changes = world.results.get(summary.objects[0].name)[0].decode()
    assert [line.split(",")[0] for line in changes.splitlines()] == ["row", "1", "9"]


def test_a_replay_can_be_of_another_model_that_rows_name(capsys: pytest.CaptureFixture[str]) -> None:
    world = mixed_world()
    job = world.run(world.upload(ROWS, **SAID)).job
    places = JobPlaces(world.uploads, world.results, world.models)
    summary = replay_job(job, "v2", places, ReplayRules(), model="linear_svc")
    assert (summary.model, summary.rows, summary.changed) == ("linear_svc", 3, 2)
    assert summary.objects[0].name == f"jobs/{job}/replays/linear_svc@v2/changes.csv"
    changes = world.results.get(summary.objects[0].name)[0].decode()
    assert [line.split(",")[0] for line in changes.splitlines()] == ["row", "2", "3"]
    show_replay(summary, world.results)
    shown = capsys.readouterr()
    assert "note: left out 4 rows of other models (decision_tree 2, logistic_regression 2)" in shown.err
    assert f"reviewmill results job {job} --replay linear_svc@v2" in shown.err
    assert "2    2   linear_svc v1 → linear_svc v2" in shown.out
    # The job's own model is replayed beside it.
    own = replay_job(job, "v2", places, ReplayRules(), model="logistic_regression")
    assert own == replay_job(job, "v2", places, ReplayRules())
    assert own.objects[0].name == f"jobs/{job}/replays/v2/changes.csv"


def test_a_model_that_no_row_could_name_is_not_replayed() -> None:
    world = World()
    job = world.run(world.upload(b"text\none\n")).job
    places = JobPlaces(world.uploads, world.results, world.models)
    with pytest.raises(InvalidInput, match="No row of the job was for linear_svc: it had logistic_regression"):
        replay_job(job, "v2", places, ReplayRules(), model="linear_svc")
