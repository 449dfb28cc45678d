from __future__ import annotations

import pytest
import requests
from google.api_core import exceptions
from google.cloud.storage import Bucket, Client

from emulator.storage.server import EmbeddedStorage


def test_a_bucket_is_created_once_read_changed_and_deleted(client: Client) -> None:
    created = client.create_bucket("one-bucket")
    with pytest.raises(exceptions.Conflict):
        client.create_bucket("one-bucket")
    created.labels = {"team": "reviews"}
    created.patch()
    read = client.get_bucket("one-bucket")
    assert (read.labels, read.metageneration) == ({"team": "reviews"}, 2)
    read.delete()
    with pytest.raises(exceptions.NotFound):
        client.get_bucket("one-bucket")


def test_buckets_are_listed_in_order_by_prefix_and_in_pages(client: Client) -> None:
    for number in (3, 1, 2):
        client.create_bucket(f"bucket-{number}")
    client.create_bucket("other")
    listed = [found.name for found in client.list_buckets(prefix="bucket-", page_size=2)]
    assert listed == ["bucket-1", "bucket-2", "bucket-3"]


def test_a_bucket_with_objects_is_not_deleted_unless_forced(client: Client, bucket: Bucket) -> None:
    bucket.blob("object").upload_from_string(b"data")
    with pytest.raises(exceptions.Conflict):
        bucket.delete()
    bucket.delete(force=True)
    assert list(client.list_buckets()) == []


def test_metageneration_preconditions_hold_for_buckets(client: Client, bucket: Bucket) -> None:
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.patch(if_metageneration_match=7)
    with pytest.raises(exceptions.PreconditionFailed):
        client.get_bucket(bucket.name, if_metageneration_match=7)
    bucket.patch(if_metageneration_match=1)
    assert client.get_bucket(bucket.name, if_metageneration_match=2).exists()


@pytest.mark.parametrize("name", ["ab", "Upper-case", "a..b", "-dash", "slash/es", "../escape", "x" * 300, "", None])
def test_a_bad_bucket_name_is_refused(server: EmbeddedStorage, http: requests.Session, name: str | None) -> None:
    response = http.post(f"{server.url}/storage/v1/b", json={"name": name})
    assert response.status_code == 400
    assert response.json()["error"]["code"] == 400


def test_what_is_not_enforced_is_refused(client: Client, bucket: Bucket) -> None:
    bucket.versioning_enabled = True
    with pytest.raises(exceptions.MethodNotImplemented):
        bucket.patch()
    held = bucket.blob("held")
    held.upload_from_string(b"data")
    held.temporary_hold = True
    with pytest.raises(exceptions.MethodNotImplemented):
        held.patch()
    assert [found.metageneration for found in client.list_blobs(bucket)] == [1]


def test_the_health_check_answers_and_unknown_paths_are_not_implemented(
    server: EmbeddedStorage, http: requests.Session
) -> None:
    assert http.get(server.url).status_code == 200
    for path in ("/storage/v1/b/x/iam", "/storage/v2/unknown", "/upload/unknown"):
        response = http.get(server.url + path)
        assert response.status_code == 501
        assert response.json()["error"]["errors"][0]["reason"] == "notImplemented"


@pytest.mark.parametrize("body", [b"{", b"[]", b'"text"', b"[" * 100_000, b'{"name": NaN}', b"\xff"])
def test_a_body_that_is_no_json_object_is_a_400(server: EmbeddedStorage, http: requests.Session, body: bytes) -> None:
    response = http.post(f"{server.url}/storage/v1/b", data=body)
    assert response.status_code == 400
    assert response.json()["error"]["errors"][0]["reason"] == "parseError"


def test_the_telemetry_call_of_the_client_is_answered(client: Client, bucket: Bucket) -> None:
    # 3.17 makes this call in the background before the first upload to a bucket.
    assert client.get_bucket(bucket.name, timeout=5).location == "US"
