from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from google.api_core import exceptions
from google.cloud.storage import Bucket, Client

from emulator.storage.server import EmbeddedStorage

NAMES = (
    "a&?#%/+ b",
    "späte Bewertung ✓.csv",
    "%2F/%252F",
    "trailing/",
    "/leading",
    "../../escape",
    "a//b/./c/..",
    "compose",
    "x/compose",
    "rewriteTo/b/c/o/d",
    "?",
    "#",
    "null\x00byte",
    "n" * 1024,
    "ü" * 512,
    "\U0010ffff",
)


def test_of_16_racing_create_only_writers_exactly_one_wins(
    server: EmbeddedStorage, connect: Callable[[str], Client]
) -> None:
    client = connect(server.url)
    bucket = client.create_bucket("race-bucket")

    def write(number: int) -> bool:
        try:
            bucket.blob("result").upload_from_string(f"writer {number}", if_generation_match=0)
        except exceptions.PreconditionFailed:
            return False
        return True

    for _ in range(5):
        with ThreadPoolExecutor(16) as pool:
            won = list(pool.map(write, range(16)))
        assert won.count(True) == 1
        assert bucket.blob("result").download_as_bytes() == f"writer {won.index(True)}".encode()
        bucket.delete_blob("result")


def test_no_two_objects_get_the_same_generation(bucket: Bucket) -> None:
    def write(number: int) -> int:
        blob = bucket.blob(f"object-{number % 7}")
        blob.upload_from_string(b"data")
        return int(blob.generation)

    with ThreadPoolExecutor(8) as pool:
        generations = list(pool.map(write, range(200)))
    assert len(set(generations)) == 200


def test_a_generation_that_is_not_stored_is_not_found(bucket: Bucket) -> None:
    first = bucket.blob("object")
    first.upload_from_string(b"first")
    bucket.blob("object").upload_from_string(b"second")
    old = bucket.blob("object", generation=first.generation)
    for use in (old.download_as_bytes, old.reload, old.delete, old.patch):
        with pytest.raises(exceptions.NotFound):
            use()
    current = bucket.get_blob("object")
    assert bucket.blob("object", generation=current.generation).download_as_bytes() == b"second"


@pytest.mark.parametrize("name", NAMES)
def test_every_legal_name_works(client: Client, bucket: Bucket, name: str) -> None:
    blob = bucket.blob(name)
    blob.upload_from_string(name.encode(), if_generation_match=0)
    assert bucket.blob(name).download_as_bytes() == name.encode()
    assert bucket.get_blob(name).name == name
    assert [found.name for found in client.list_blobs(bucket)] == [name]
    copy = bucket.copy_blob(blob, bucket, f"c{name[:500]}")
    assert copy.download_as_bytes() == name.encode()
    composed = bucket.blob("joined")
    composed.compose([blob, copy])
    assert composed.size == 2 * len(name.encode())
    blob.delete()
    assert not bucket.blob(name).exists()


@pytest.mark.parametrize("name", ["n" * 1025, "line\nbreak", "carriage\rreturn", ".", ".."])
def test_every_other_name_is_refused(bucket: Bucket, name: str) -> None:
    with pytest.raises(exceptions.BadRequest):
        bucket.blob(name).upload_from_string(b"data")


def test_metadata_is_patched_replaced_and_counted(bucket: Bucket) -> None:
    blob = bucket.blob("object")
    blob.metadata = {"model": "linear_svc", "round": "1"}
    blob.upload_from_string(b"data", content_type="text/csv")
    assert (blob.metageneration, blob.content_type, blob.metadata["model"]) == (1, "text/csv", "linear_svc")
    generation, etag = blob.generation, blob.etag

    blob.metadata = {"round": None, "note": "ä"}
    blob.cache_control = "no-store"
    blob.patch()
    blob.reload()
    assert blob.metadata == {"model": "linear_svc", "note": "ä"}
    assert (blob.generation, blob.metageneration, blob.content_type) == (generation, 2, "text/csv")
    assert blob.etag != etag

    blob.metadata = {"only": "this"}
    blob.update()
    read = bucket.get_blob("object")
    assert (read.metadata, read.metageneration) == ({"only": "this"}, 3)
    assert read.download_as_bytes() == b"data"


def test_copy_and_rewrite_keep_content_and_metadata(client: Client, bucket: Bucket) -> None:
    other = client.create_bucket("other-bucket")
    source = bucket.blob("source")
    source.metadata = {"model": "decision_tree"}
    source.upload_from_string(b"x" * 300_000, content_type="text/csv")
    copied = bucket.copy_blob(source, other, "copied")
    rewritten = other.blob("rewritten")
    assert rewritten.rewrite(source) == (None, 300_000, 300_000)
    for blob in (copied, rewritten):
        assert (blob.crc32c, blob.md5_hash) == (source.crc32c, source.md5_hash)
        assert (blob.content_type, blob.metadata) == ("text/csv", {"model": "decision_tree"})
    source.delete()
    copied.delete()
    assert rewritten.download_as_bytes() == b"x" * 300_000


def test_a_rewrite_with_metadata_of_its_own_replaces_the_metadata(bucket: Bucket) -> None:
    source = bucket.blob("source")
    source.upload_from_string(b"data", content_type="text/csv")
    target = bucket.blob("target")
    target.content_type = "text/plain"
    target.rewrite(source)
    assert bucket.get_blob("target").content_type == "text/plain"


def test_an_object_can_be_rewritten_onto_itself(bucket: Bucket) -> None:
    blob = bucket.blob("object")
    blob.upload_from_string(b"data")
    before = blob.generation
    blob.rewrite(bucket.blob("object"))
    assert blob.generation > before
    assert bucket.blob("object").download_as_bytes() == b"data"


def test_move_renames_in_one_step(client: Client, bucket: Bucket) -> None:
    source = bucket.blob("a/source")
    source.upload_from_string(b"data")
    moved = bucket.move_blob(source, "b/target?")
    assert moved.download_as_bytes() == b"data"
    assert [found.name for found in client.list_blobs(bucket)] == ["b/target?"]


def test_a_batch_answers_each_call_for_itself(client: Client, bucket: Bucket) -> None:
    for name in ("a", "b ü", "c"):
        bucket.blob(name).upload_from_string(b"data")
    patched = bucket.blob("c")
    patched.metadata = {"seen": "jä"}
    with client.batch(raise_exception=False) as batch:
        bucket.blob("a").delete()
        bucket.blob("missing").delete()
        bucket.blob("b ü").delete()
        patched.patch()
    assert [response.status_code for response in batch._responses] == [204, 404, 204, 200]
    assert [found.name for found in client.list_blobs(bucket)] == ["c"]
    assert bucket.get_blob("c").metadata == {"seen": "jä"}


def test_a_response_holds_the_fields_that_are_asked_for(
    server: EmbeddedStorage, bucket: Bucket, http: requests.Session
) -> None:
    path = f"/storage/v1/b/{bucket.name}/o"
    sent = http.post(f"{server.url}/upload{path}?uploadType=media&name=a&fields=name,md5Hash", data=b"data")
    assert sent.json() == {"name": "a", "md5Hash": "jXd/OF09/siBXSD3SWAm3A=="}
    assert http.get(f"{server.url}{path}/a?fields=size").json() == {"size": "4"}
    listed = http.get(f"{server.url}{path}?fields=items(name,crc32c),nextPageToken").json()
    assert listed == {"items": [{"name": "a", "crc32c": "rth90Q=="}]}
    assert http.get(f"{server.url}/storage/v1/b?fields=items/name").json() == {"items": [{"name": bucket.name}]}


def test_an_upload_whose_fields_cannot_be_read_writes_nothing(
    server: EmbeddedStorage, bucket: Bucket, http: requests.Session
) -> None:
    path = f"/upload/storage/v1/b/{bucket.name}/o"
    refused = http.post(f"{server.url}{path}?uploadType=media&name=a&fields=name(", data=b"data")
    assert (refused.status_code, list(bucket.list_blobs())) == (400, [])


def test_a_resumable_upload_is_answered_with_the_fields_that_its_start_named(
    server: EmbeddedStorage, bucket: Bucket, http: requests.Session
) -> None:
    path = f"/upload/storage/v1/b/{bucket.name}/o"
    begun = http.post(f"{server.url}{path}?uploadType=resumable&name=a&fields=name,size")
    assert http.put(begun.headers["Location"], data=b"data").json() == {"name": "a", "size": "4"}


def test_a_call_of_a_batch_that_cannot_be_read_stops_no_other(
    server: EmbeddedStorage, bucket: Bucket, http: requests.Session
) -> None:
    bucket.blob("a").upload_from_string(b"data")
    path = f"/storage/v1/b/{bucket.name}/o/a"
    calls = (f"GET {path}?fields=name( HTTP/1.1", f"DELETE {path} HTTP/1.1")
    body = "".join(f"--x\r\nContent-Type: application/http\r\n\r\n{call}\r\n\r\n\r\n" for call in calls) + "--x--"
    answer = http.post(f"{server.url}/batch", data=body, headers={"Content-Type": "multipart/mixed; boundary=x"})
    assert [line for line in answer.text.splitlines() if line.startswith("HTTP/")] == [
        "HTTP/1.1 400 Bad Request",
        "HTTP/1.1 204 No Content",
    ]
