"""Every operation that takes a precondition, with one that holds and one that does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.storage import Blob, Bucket

Operation = Callable[[Bucket, dict[str, Any]], object]


def _patch(bucket: Bucket, conditions: dict[str, Any]) -> object:
    blob = bucket.blob("object")
    blob.metadata = {"key": "value"}
    return blob.patch(**conditions)


def _upload_resumable(bucket: Bucket, conditions: dict[str, Any]) -> object:
    blob = bucket.blob("object", chunk_size=262_144)
    return blob.upload_from_string(b"x" * 600_000, **conditions)


def _misspelt(name: str, condition: str) -> bool:
    """The client sends this condition of an upload as ifMetaGenerationNotMatch, which is no parameter of the API."""
    return condition == "if_metageneration_not_match" and name.endswith("upload")


READS: dict[str, Operation] = {
    "get": lambda bucket, conditions: bucket.blob("object").reload(**conditions),
    "download": lambda bucket, conditions: bucket.blob("object").download_as_bytes(**conditions),
    "download in chunks": lambda bucket, conditions: bucket.blob("object", chunk_size=262_144).download_as_bytes(
        **conditions
    ),
}
WRITES: dict[str, Operation] = {
    "patch": _patch,
    "update": lambda bucket, conditions: bucket.blob("object").update(**conditions),
    "delete": lambda bucket, conditions: bucket.blob("object").delete(**conditions),
    "multipart upload": lambda bucket, conditions: bucket.blob("object").upload_from_string(b"new", **conditions),
    "resumable upload": _upload_resumable,
    "rewrite": lambda bucket, conditions: bucket.blob("object").rewrite(bucket.blob("source"), **conditions),
    "copy": lambda bucket, conditions: bucket.copy_blob(bucket.blob("source"), bucket, "object", **conditions),
    "move": lambda bucket, conditions: bucket.move_blob(bucket.blob("source"), "object", **conditions),
}
SOURCES: dict[str, Operation] = {
    "rewrite": lambda bucket, conditions: bucket.blob("target").rewrite(bucket.blob("source"), **conditions),
    "copy": lambda bucket, conditions: bucket.copy_blob(bucket.blob("source"), bucket, "target", **conditions),
    "move": lambda bucket, conditions: bucket.move_blob(bucket.blob("source"), "target", **conditions),
}
ALL = {**READS, **WRITES}


@pytest.fixture
def blob(bucket: Bucket) -> Blob:
    """An object of metageneration 2, beside another one named source."""
    bucket.blob("source").upload_from_string(b"source")
    made = bucket.blob("object")
    made.upload_from_string(b"data")
    made.patch()
    return made


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("condition", ["if_generation_match", "if_metageneration_match"])
def test_a_match_that_does_not_hold_is_412_and_changes_nothing(
    bucket: Bucket, blob: Blob, name: str, condition: str
) -> None:
    with pytest.raises(exceptions.PreconditionFailed):
        ALL[name](bucket, {condition: 12345})
    after = bucket.get_blob("object")
    assert (after.generation, after.metageneration, after.crc32c) == (blob.generation, 2, blob.crc32c)
    assert bucket.blob("source").exists()


@pytest.mark.parametrize("name", ALL)
def test_matches_that_hold_let_it_through(bucket: Bucket, blob: Blob, name: str) -> None:
    ALL[name](bucket, {"if_generation_match": blob.generation, "if_metageneration_match": 2})


@pytest.mark.parametrize(
    ("name", "condition"),
    [
        (name, condition)
        for name in ALL
        for condition in ("if_generation_not_match", "if_metageneration_not_match")
        if not _misspelt(name, condition)
    ],
)
def test_a_not_match_lets_other_versions_through(bucket: Bucket, blob: Blob, name: str, condition: str) -> None:
    assert blob.generation
    ALL[name](bucket, {condition: 12345})


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("condition", ["if_generation_not_match", "if_metageneration_not_match"])
def test_a_not_match_of_a_write_is_refused(bucket: Bucket, blob: Blob, name: str, condition: str) -> None:
    present = {"if_generation_not_match": blob.generation, "if_metageneration_not_match": 2}
    expected = exceptions.BadRequest if _misspelt(name, condition) else exceptions.PreconditionFailed
    with pytest.raises(expected):
        WRITES[name](bucket, {condition: present[condition]})
    assert bucket.get_blob("object").crc32c == blob.crc32c


@pytest.mark.parametrize("name", READS)
@pytest.mark.parametrize("condition", ["if_generation_not_match", "if_metageneration_not_match"])
def test_a_not_match_of_a_read_is_304(bucket: Bucket, blob: Blob, name: str, condition: str) -> None:
    present = {"if_generation_not_match": blob.generation, "if_metageneration_not_match": 2}
    with pytest.raises(exceptions.NotModified):
        READS[name](bucket, {condition: present[condition]})


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize(
    ("condition", "holds", "fails"),
    [
        ("if_source_generation_match", "generation", 12345),
        ("if_source_metageneration_match", 1, 12345),
        ("if_source_generation_not_match", 12345, "generation"),
        ("if_source_metageneration_not_match", 12345, 1),
    ],
)
def test_conditions_on_the_source_are_checked(
    bucket: Bucket, name: str, condition: str, holds: int | str, fails: int | str
) -> None:
    source = bucket.blob("source")
    source.upload_from_string(b"source")

    def number(value: int | str) -> int:
        return int(source.generation) if value == "generation" else int(value)

    with pytest.raises(exceptions.PreconditionFailed):
        SOURCES[name](bucket, {condition: number(fails)})
    assert not bucket.blob("target").exists()
    SOURCES[name](bucket, {condition: number(holds)})
    assert bucket.blob("target").download_as_bytes() == b"source"


@pytest.mark.parametrize("name", ["multipart upload", "resumable upload"])
def test_uploads_can_demand_presence_or_absence(bucket: Bucket, name: str) -> None:
    upload = WRITES[name]
    for presence in ({"if_generation_match": 1}, {"if_generation_not_match": 0}, {"if_metageneration_match": 1}):
        with pytest.raises(exceptions.PreconditionFailed):
            upload(bucket, presence)
    upload(bucket, {"if_generation_match": 0})
    with pytest.raises(exceptions.PreconditionFailed):
        upload(bucket, {"if_generation_match": 0})
    upload(bucket, {"if_generation_not_match": 0})


def test_a_resumable_upload_checks_again_when_it_finishes(bucket: Bucket) -> None:
    blob = bucket.blob("object")
    url = blob.create_resumable_upload_session(if_generation_match=0, size=4)
    bucket.blob("object").upload_from_string(b"other")
    response = bucket.client._http.put(url, data=b"late")
    assert response.status_code == 412
    repeated = bucket.client._http.put(url, data=b"late")
    assert repeated.status_code == 412
    assert bucket.blob("object").download_as_bytes() == b"other"


def test_a_condition_that_is_no_number_is_a_400(bucket: Bucket) -> None:
    bucket.blob("object").upload_from_string(b"data")
    for value in ("x", "-1", "1.5", ""):
        with pytest.raises(exceptions.BadRequest):
            bucket.blob("object").reload(if_generation_match=value)


def test_etags_are_compared_on_reads(bucket: Bucket, blob: Blob) -> None:
    current = bucket.get_blob("object")
    assert bucket.get_blob("object", if_etag_match=current.etag).generation == blob.generation
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.get_blob("object", if_etag_match="other")
    with pytest.raises(exceptions.NotModified):
        bucket.get_blob("object", if_etag_not_match=current.etag)
