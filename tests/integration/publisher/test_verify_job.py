"""`reviewmill verify JOB` and `results job` on stored jobs, true and tampered with."""

from __future__ import annotations

import json
from collections.abc import Callable

import msgspec
import pytest

from cloud.crc import crc32c
from cloud.objects import Objects
from publisher.results_command import main as results
from publisher.verify_command import main as verify
from schemas.codec import decode, encode
from schemas.jobs import JobManifest, StoredObject
from tests.integration.publisher.conftest import LocalCloud
from tests.integration.publisher.jobs import SAMPLE, run, upload
from worker.core.naming import job_object


def counts(out: str) -> dict[str, int]:
    """Return the counts that verify printed."""
    pairs = (line.split() for line in out.splitlines()[:6])
    return {name: int(value.replace(",", "")) for name, value in pairs}


@pytest.fixture
def manifest(local_cloud: LocalCloud) -> JobManifest:
    return run(local_cloud, upload(local_cloud, "in.csv", SAMPLE))


def change(bucket: Objects, name: str, edit: Callable[[bytes], bytes]) -> bytes:
    """Replace an object by an edited one, and return its bytes."""
    data, info = bucket.get(name)
    edited = edit(data)
    assert edited != data
    bucket.put(name, edited, content_type=info.content_type, if_generation=info.generation)
    return edited


def tamper(cloud: LocalCloud, manifest: JobManifest, name: str, edit: Callable[[bytes], bytes]) -> None:
    """Edit a result object, and make the manifest's size and checksum true again: only a recount can tell."""
    full = job_object(manifest.job, name)
    edited = change(cloud.results, full, edit)

    def restate(data: bytes) -> bytes:
        said = decode(data, JobManifest, max_bytes=1_000_000)
        objects = [
            StoredObject(full, len(edited), crc32c(edited)) if item.name == full else item for item in said.objects
        ]
        return encode(msgspec.structs.replace(said, objects=objects))

    change(cloud.results, job_object(manifest.job, "manifest.json"), restate)


def test_a_true_job_is_verified(
    local_cloud: LocalCloud, manifest: JobManifest, capsys: pytest.CaptureFixture[str]
) -> None:
    generation = manifest.source.generation
    for subject in (
        manifest.job,
        f"{local_cloud.uploads.uri}/in.csv",
        f"{local_cloud.uploads.uri}/in.csv#{generation}",
        f"{local_cloud.results.uri}/jobs/{manifest.job}",
        f"{local_cloud.results.uri}/jobs/{manifest.job}/manifest.json",
    ):
        assert verify([subject]) == 0
        captured = capsys.readouterr()
        assert counts(captured.out) == {
            "read": 8,
            "predicted": 6,
            "rejected": 2,
            "missing": 0,
            "doubled": 0,
            "unexpected": 0,
        }
        assert captured.err == f"Why some were rejected: reviewmill results job {manifest.job} --rejections\n"


def drop_line(number: int) -> Callable[[bytes], bytes]:
    def edit(data: bytes) -> bytes:
        lines = data.splitlines(keepends=True)
        del lines[number]
        return b"".join(lines)

    return edit


def repeat_line(number: int) -> Callable[[bytes], bytes]:
    def edit(data: bytes) -> bytes:
        lines = data.splitlines(keepends=True)
        return b"".join([*lines, lines[number]])

    return edit


def replace(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda data: data.replace(old, new, 1)


@pytest.mark.parametrize(
    ("tampering", "faults"),
    [
        (("predictions.csv", drop_line(1)), (1, 0, 0)),
        (("predictions.csv", drop_line(-1)), (1, 0, 0)),
        (("rejections.jsonl", drop_line(0)), (1, 0, 0)),
        (("predictions.csv", repeat_line(2)), (0, 1, 0)),
        (("rejections.jsonl", repeat_line(1)), (0, 1, 0)),
        (("predictions.csv", lambda data: data + b"z,alien,99,good,0.75,logistic_regression,v1\n"), (0, 0, 1)),
        (("predictions.csv", replace(b"awful", b"lovely")), (1, 0, 1)),
        (("predictions.csv", replace(b"0.75", b"7.5")), (1, 0, 1)),
        (("predictions.csv", replace(b",v1\n", b",v2\n")), (1, 0, 1)),
        (("predictions.csv", lambda data: data + b"a,good film,1,bad,0.75\n"), (0, 0, 1)),
        (("rejections.jsonl", replace(b'"row":4', b'"row":5')), (1, 0, 1)),
    ],
)
def test_tampering_is_found_by_the_recount(
    local_cloud: LocalCloud,
    manifest: JobManifest,
    capsys: pytest.CaptureFixture[str],
    tampering: tuple[str, Callable[[bytes], bytes]],
    faults: tuple[int, int, int],
) -> None:
    tamper(local_cloud, manifest, *tampering)
    assert verify([manifest.job]) == 1
    out = capsys.readouterr().out
    found = counts(out)
    assert (found["missing"], found["doubled"], found["unexpected"]) == faults
    assert "NOT verified" in out


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (lambda said: said | {"counts": {"rows": 9, "predictions": 6, "rejections": 3}}, "says 9 rows"),
        (lambda said: said | {"labels": {"good": 6}}, "by label"),
        (lambda said: said | {"model": "linear_svc"}, "another model"),
        (lambda said: said | {"source": said["source"] | {"generation": 5}}, "another source"),
        (lambda said: said | {"objects": [{**said["objects"][0], "size": 1}, said["objects"][1]]}, "says 1 with"),
    ],
)
def test_a_false_manifest_is_found(
    local_cloud: LocalCloud,
    manifest: JobManifest,
    capsys: pytest.CaptureFixture[str],
    edit: Callable[[dict[str, object]], dict[str, object]],
    sentence: str,
) -> None:
    full = job_object(manifest.job, "manifest.json")
    change(local_cloud.results, full, lambda data: json.dumps(edit(json.loads(data))).encode())
    assert verify([manifest.job]) == 1
    assert sentence in capsys.readouterr().err


def test_a_job_without_a_manifest_is_not_done(
    local_cloud: LocalCloud, manifest: JobManifest, capsys: pytest.CaptureFixture[str]
) -> None:
    local_cloud.results.delete(job_object(manifest.job, "manifest.json"))
    for command in (verify, lambda arguments: results(["job", *arguments])):
        assert command([manifest.job]) == 1
        said = capsys.readouterr().err
        assert "has no manifest" in said
        assert f"wait with: reviewmill results job {manifest.job} --wait" in said


def test_a_failed_job_says_why(local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str]) -> None:
    failed = run(local_cloud, upload(local_cloud, "in.csv", b"label,words\n1,x\n"))
    assert verify([failed.job]) == 0
    assert "every row that it came to is accounted for; the job failed: missing_column" in capsys.readouterr().out
    assert results(["job", failed.job]) == 1
    assert "missing_column" in capsys.readouterr().err


def test_a_job_that_stopped_at_its_limit_is_missing_rows(
    local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str]
) -> None:
    stopped = run(local_cloud, upload(local_cloud, "in.csv", b"id,text\n" + b"only one cell\n" * 6 + b"a,good\n"))
    assert stopped.state == "failed"
    assert verify([stopped.job]) == 1
    captured = capsys.readouterr()
    assert counts(captured.out)["missing"] > 0
    assert "has failed" in captured.err


def test_a_changed_upload_is_found(
    local_cloud: LocalCloud, manifest: JobManifest, capsys: pytest.CaptureFixture[str]
) -> None:
    change(local_cloud.uploads, "in.csv", lambda data: data + b"i,new\n")
    assert verify([manifest.job]) == 1
    said = capsys.readouterr().err
    assert f"The upload in.csv#{manifest.source.generation} is gone from " in said
    assert f"The job {manifest.job} is done. For a job that can be verified, upload the file again." in said


def test_ids_with_several_texts_are_named(local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str]) -> None:
    job = run(local_cloud, upload(local_cloud, "in.csv", b"id,text\na,x\n,y\na,z\n,w\nb,x\nb,x\n")).job
    assert verify([job]) == 0
    assert "1 id stands for several texts (first: rows 1 and 3)" in capsys.readouterr().err


def test_a_job_that_never_had_rows_shows_none(local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str]) -> None:
    failed = run(local_cloud, upload(local_cloud, "in.csv", b""))
    assert failed.state == "failed"
    assert results(["job", failed.job]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "has failed; no row was scored. empty_file: " in captured.err


def test_a_file_with_only_a_header_is_verified(local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify([run(local_cloud, upload(local_cloud, "in.csv", b"id,text\n")).job]) == 0
    assert counts(capsys.readouterr().out)["read"] == 0


@pytest.mark.parametrize("subject", ["nothing-of-ours", "gs://elsewhere/in.csv", "gone.receipt.jsonl"])
def test_an_unknown_subject_is_named(local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str], subject: str) -> None:
    assert verify([subject]) == 2
    assert subject in capsys.readouterr().err
    assert verify([f"{local_cloud.uploads.uri}/gone.csv"]) == 2
    assert "There is no file of that name, and there is no upload " in capsys.readouterr().err
    assert verify([f"{local_cloud.results.uri}/reviews/v1"]) == 2
    assert verify(["gone-0123456789abcdef"]) == 1
    capsys.readouterr()
    for generation in ("abc", "", "-1", "\u00b2"):
        assert results(["job", f"{local_cloud.uploads.uri}/in.csv#{generation}"]) == 2
        assert "generation" in capsys.readouterr().err


def test_a_replay_has_no_rejections_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        results(["job", "reviews-0123456789abcdef", "--replay", "v2", "--rejections"])
    assert ended.value.code == 2
    assert "give one of them" in capsys.readouterr().err


def test_results_in_each_format(
    local_cloud: LocalCloud, manifest: JobManifest, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    stored, _ = local_cloud.results.get(job_object(manifest.job, "predictions.csv"))
    assert results(["job", manifest.job, "--format", "csv"]) == 0
    assert capsysbinary.readouterr().out == stored
    assert results(["job", manifest.job, "--format", "jsonl"]) == 0
    rows = [json.loads(line) for line in capsysbinary.readouterr().out.splitlines()]
    assert [row["row"] for row in rows] == [1, 2, 3, 5, 7, 8]
    assert {row["probability"] for row in rows} == {0.75}
    assert rows[2]["text"] == "grand, and\nlong"
    assert results(["job", manifest.job, "--limit", "2"]) == 0
    captured = capsysbinary.readouterr()
    assert captured.out.splitlines()[-1].split() == [b"b", b"2", b"bad", b"0.7500", b"logistic_regression", b"v1"]
    assert b"2 of 6 rows" in captured.err
    assert results(["job", manifest.job, "--rejections", "--format", "jsonl"]) == 0
    rejected = [json.loads(line) for line in capsysbinary.readouterr().out.splitlines()]
    assert [row["row"] for row in rejected] == [4, 6]
    assert results(["job", manifest.job, "--rejections"]) == 0
    table = capsysbinary.readouterr().out
    assert b"empty_text" in table
    assert table.split()[:6] == [b"row", b"line", b"key", b"code", b"stage", b"reason"]


@pytest.mark.parametrize(
    ("metadata", "ids"),
    [
        ({"columns": "text,id"}, True),
        ({"columns": "text"}, False),
        ({"output": "jsonl"}, True),
    ],
    ids=str,
)
def test_the_table_has_ids_where_the_predictions_have_them(
    local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str], metadata: dict[str, str], ids: bool
) -> None:
    job = run(local_cloud, upload(local_cloud, "in.csv", SAMPLE, **metadata)).job
    assert results(["job", job]) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0].split() == [*(["id"] if ids else []), "row", "label", "probability", "model", "version"]
    assert table[-1].split()[0] == ("h" if ids else "8")
    assert results(["job", job, "--format", "jsonl", "--limit", "1"]) == 0
    assert '"row":1,"label":"good","probability":0.75,' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("lines", "said", "column"),
    [
        (b'{"text": "good", "id": 1}\n', {}, ["id"]),
        (b'{"text": "good", "nr": 1}\n', {"id-column": "nr"}, ["nr"]),
        (b'{"text": "good", "nr": 1}\n', {}, []),
    ],
)
def test_the_table_of_lines_of_json_has_the_ids_that_the_job_had(
    local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str], lines: bytes, said: dict[str, str], column: list[str]
) -> None:
    info = local_cloud.uploads.put("in.jsonl", lines, content_type="x", if_generation=0, metadata=said)
    assert results(["job", run(local_cloud, info).job]) == 0
    assert capsys.readouterr().out.split()[: len(column) + 1] == [*column, "row"]


@pytest.mark.parametrize(
    "metadata",
    [
        {"columns": "none"},
        {"columns": "text"},
        {"formulas": "keep"},
        {"output": "jsonl"},
        {"output": "jsonl", "columns": "id"},
    ],
    ids=str,
)
def test_a_job_is_verified_by_the_options_it_was_asked_for(
    local_cloud: LocalCloud, metadata: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    data = b"id,text\n-1,=good()\n2,bad\n"
    info = local_cloud.uploads.put("wish.csv", data, content_type="text/csv", if_generation=0, metadata=metadata)
    manifest = run(local_cloud, info)
    assert verify([manifest.job]) == 0
    assert counts(capsys.readouterr().out)["predicted"] == 2
    kind = metadata.get("output", "csv")
    tamper(
        local_cloud,
        manifest,
        f"predictions.{kind}",
        lambda old: old.replace(
            b'"row":2' if kind == "jsonl" else b"2,bad,0.75", b'"row":1' if kind == "jsonl" else b"1,bad,0.75", 1
        ),
    )
    assert verify([manifest.job]) == 1
    assert counts(capsys.readouterr().out)["missing"] == 1


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_changed_cell_of_a_made_safe_row_is_found(
    local_cloud: LocalCloud, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    data = b"id,text\n1,=good()\n2,bad\n"
    info = local_cloud.uploads.put("c.csv", data, content_type="text/csv", if_generation=0, metadata={"output": kind})
    manifest = run(local_cloud, info)
    tamper(local_cloud, manifest, f"predictions.{kind}", lambda old: old.replace(b"=good()", b"=g00d()"))
    assert verify([manifest.job]) == 1
    assert counts(capsys.readouterr().out)["unexpected"] == 1


MIXED = b"id,text,by\na,good,\nb,bad,linear_svc\nc,grand,bert\nd,great,DecisionClassifier\n"


def mixed_job(cloud: LocalCloud) -> JobManifest:
    return run(cloud, upload(cloud, "mixed.csv", MIXED, model_column="by"))


def test_rows_of_several_models_are_verified(local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = mixed_job(local_cloud)
    assert verify([manifest.job]) == 0
    assert counts(capsys.readouterr().out)["predicted"] == 3
    assert results(["job", manifest.job, "--format", "jsonl"]) == 0
    shown = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["model"] for row in shown] == ["logistic_regression", "linear_svc", "decision_tree"]


def test_lines_of_several_models_are_verified(local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str]) -> None:
    lines = b'{"text": "good", "id": "a"}\n{"text": "bad", "model": "linear_svc"}\n{"text": "grand", "model": "bert"}\n'
    manifest = run(local_cloud, upload(local_cloud, "in.jsonl", lines, model_column="model", output="jsonl"))
    assert verify([manifest.job]) == 0
    found = counts(capsys.readouterr().out)
    assert (found["predicted"], found["rejected"]) == (2, 1)


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("predictions.csv", b",linear_svc,v1", b",decision_tree,v1"),
        ("predictions.csv", b",decision_tree,v1", b",decision_tree,v2"),
        ("predictions.csv", b"b,bad,linear_svc,2,", b"b,bad,linear_svc,3,"),
    ],
)
def test_rows_by_another_model_than_they_named_are_found(
    local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str], name: str, before: bytes, after: bytes
) -> None:
    manifest = mixed_job(local_cloud)
    tamper(local_cloud, manifest, name, lambda data: data.replace(before, after))
    assert verify([manifest.job]) == 1
    assert counts(capsys.readouterr().out)["unexpected"] == 1


def test_untrue_counts_by_model_are_found(local_cloud: LocalCloud, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = mixed_job(local_cloud)
    full = job_object(manifest.job, "manifest.json")
    change(
        local_cloud.results,
        full,
        lambda data: data.replace(
            b'"linear_svc","version":"v1","predictions":1', b'"linear_svc","version":"v1","predictions":2'
        ),
    )
    assert verify([manifest.job]) == 1
    assert "counts by model" in capsys.readouterr().err
