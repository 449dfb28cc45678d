from __future__ import annotations

import os

import pytest
from google.api_core import exceptions
from google.cloud.storage import Blob, Bucket


def _parts(bucket: Bucket, count: int) -> list[Blob]:
    parts = [bucket.blob(f"part-{number:02}") for number in range(count)]
    for number, part in enumerate(parts):
        part.upload_from_string(f"part {number}\n".encode())
    return parts


def test_parts_are_joined_in_order_with_crc32c_and_without_md5(bucket: Bucket) -> None:
    parts = _parts(bucket, 3)
    joined = bucket.blob("joined")
    joined.content_type = "text/csv"
    joined.compose([parts[2], parts[0], parts[1]])
    assert joined.download_as_bytes() == b"part 2\npart 0\npart 1\n"
    assert (joined.component_count, joined.md5_hash, joined.content_type) == (3, None, "text/csv")
    plain = bucket.blob("plain")
    plain.upload_from_string(b"part 2\npart 0\npart 1\n")
    assert joined.crc32c == plain.crc32c


def test_component_counts_add_up_and_survive_a_copy(bucket: Bucket) -> None:
    parts = _parts(bucket, 4)
    first = bucket.blob("first")
    first.compose(parts)
    second = bucket.blob("second")
    second.compose([first, parts[0], first])
    assert second.component_count == 9
    copied = bucket.copy_blob(second, bucket, "copied")
    assert (copied.component_count, copied.md5_hash, copied.crc32c) == (9, None, second.crc32c)


def test_an_object_can_be_appended_to(bucket: Bucket) -> None:
    log, part = _parts(bucket, 2)
    log.compose([log, part], if_generation_match=log.generation)
    assert log.download_as_bytes() == b"part 0\npart 1\n"


def test_32_sources_are_the_most(bucket: Bucket) -> None:
    parts = _parts(bucket, 32)
    joined = bucket.blob("joined")
    joined.compose(parts)
    assert joined.component_count == 32
    for wrong in ([*parts, parts[0]], []):
        with pytest.raises(exceptions.BadRequest):
            bucket.blob("more").compose(wrong)


def test_each_source_has_its_own_precondition(bucket: Bucket) -> None:
    parts = _parts(bucket, 2)
    named = [bucket.blob(part.name) for part in parts]
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.blob("joined").compose(named, if_source_generation_match=[parts[0].generation, 12345])
    assert not bucket.blob("joined").exists()
    bucket.blob("joined").compose(named, if_source_generation_match=[part.generation for part in parts])


def test_the_target_has_its_preconditions(bucket: Bucket) -> None:
    parts = _parts(bucket, 2)
    joined = bucket.blob("joined")
    joined.compose(parts, if_generation_match=0)
    for condition in ({"if_generation_match": 0}, {"if_metageneration_match": 7}):
        with pytest.raises(exceptions.PreconditionFailed):
            bucket.blob("joined").compose(parts, **condition)
    bucket.blob("joined").compose(parts, if_generation_match=joined.generation, if_metageneration_match=1)


def test_a_source_or_a_generation_that_is_missing_is_a_404(bucket: Bucket) -> None:
    (part,) = _parts(bucket, 1)
    with pytest.raises(exceptions.NotFound):
        bucket.blob("joined").compose([part, bucket.blob("missing")])
    old = bucket.blob(part.name, generation=part.generation)
    bucket.blob(part.name).upload_from_string(b"newer")
    with pytest.raises(exceptions.NotFound):
        bucket.blob("joined").compose([old])


def test_large_parts_are_joined(bucket: Bucket) -> None:
    data = [os.urandom(3_000_001) for _ in range(3)]
    parts = [bucket.blob(f"part-{number}") for number in range(3)]
    for part, content in zip(parts, data, strict=True):
        part.upload_from_string(content)
    joined = bucket.blob("joined")
    joined.compose(parts)
    assert joined.download_as_bytes() == b"".join(data)
