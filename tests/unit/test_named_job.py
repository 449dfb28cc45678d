"""Which job an argument of a command means."""

from __future__ import annotations

import pytest

from schemas.errors import InvalidInput
from worker.core.named_job import NamedUpload, named_job

JOB = "reviews-0123456789abcdef"


def named(argument: str) -> str | NamedUpload:
    return named_job(argument, results="gs://results/", uploads="gs://uploads")


@pytest.mark.parametrize("argument", [JOB, f"gs://results/jobs/{JOB}", f"gs://results/jobs/{JOB}/parts/000000.json"])
def test_a_job_is_named_by_its_id_or_by_anything_in_its_folder(argument: str) -> None:
    assert named(argument) == JOB


@pytest.mark.parametrize(
    ("argument", "name", "generation"),
    [
        ("gs://uploads/in/a.csv", "in/a.csv", None),
        ("gs://uploads/in/a.csv#12", "in/a.csv", 12),
        ("gs://uploads/no#1 of 2.csv", "no#1 of 2.csv", None),
        ("gs://uploads/no#1 of 2.csv#12", "no#1 of 2.csv", 12),
        ("gs://uploads/a.csv#x", "a.csv#x", None),
        ("gs://uploads/#7", "#7", None),
    ],
)
def test_an_upload_may_have_a_hash_sign_in_its_name(argument: str, name: str, generation: int | None) -> None:
    assert named(argument) == NamedUpload(name, generation)


@pytest.mark.parametrize("argument", ["gs://uploads/fold/", "gs://uploads/fold/#7"])
def test_the_mark_of_a_folder_is_no_job(argument: str) -> None:
    with pytest.raises(InvalidInput, match="gs://uploads/fold/ marks a folder, and a folder is no job"):
        named(argument)


@pytest.mark.parametrize("argument", ["nonsense", "gs://other/a.csv", "gs://results/reviews/v1/x.jsonl", ""])
def test_anything_else_is_refused(argument: str) -> None:
    with pytest.raises(InvalidInput, match="invalid_job"):
        named(argument)
