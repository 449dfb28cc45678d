from __future__ import annotations

import pytest
import requests
from google.api_core import exceptions
from google.cloud.storage import Bucket

from emulator.storage.faults import Delay, Reset, Status
from emulator.storage.server import EmbeddedStorage


def test_a_status_before_the_commit_leaves_no_trace_and_the_client_retries(
    server: EmbeddedStorage, bucket: Bucket
) -> None:
    fault = server.faults.inject(Status(503), method="POST", path="/upload/", count=2)
    blob = bucket.blob("object")
    blob.upload_from_string(b"data", if_generation_match=0)
    assert (fault.fired, fault.left) == (2, 0)
    assert bucket.blob("object").download_as_bytes() == b"data"


@pytest.mark.parametrize("action", [Status(503), Reset()])
def test_a_lost_response_makes_the_retry_of_a_create_only_write_a_412(
    server: EmbeddedStorage, bucket: Bucket, action: Status | Reset
) -> None:
    fault = server.faults.inject(action, method="POST", path="/upload/", phase="after")
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.blob("object").upload_from_string(b"data", if_generation_match=0)
    assert fault.fired == 1
    assert bucket.blob("object").download_as_bytes() == b"data"


def test_a_reset_before_the_commit_stores_nothing(
    server: EmbeddedStorage, bucket: Bucket, http: requests.Session
) -> None:
    server.faults.inject(Reset(), path="name=object")
    url = f"{server.url}/upload/storage/v1/b/{bucket.name}/o?uploadType=media&name=object"
    with pytest.raises(requests.ConnectionError) as caught:
        http.post(url, data=b"data")
    assert "reset" in str(caught.value).lower()
    assert not bucket.blob("object").exists()


def test_a_lost_response_of_a_resumable_upload_is_repeated(server: EmbeddedStorage, bucket: Bucket) -> None:
    server.faults.inject(Status(503), method="PUT", path="upload_id", phase="after", count=3)
    blob = bucket.blob("object", chunk_size=262_144)
    blob.upload_from_string(b"x" * 600_000, if_generation_match=0)
    assert bucket.blob("object").download_as_bytes() == b"x" * 600_000


def test_a_delay_only_delays_and_ends_with_the_server(server: EmbeddedStorage, bucket: Bucket) -> None:
    fault = server.faults.inject(Delay(0.01), path="/o/object")
    assert not bucket.blob("object").exists()
    assert fault.fired == 1


def test_faults_strike_only_what_they_name_and_can_be_cleared(server: EmbeddedStorage, bucket: Bucket) -> None:
    fault = server.faults.inject(Status(500), method="DELETE", path="/o/other", count=5)
    bucket.blob("object").upload_from_string(b"data")
    bucket.blob("object").delete()
    server.faults.clear()
    with pytest.raises(exceptions.NotFound):
        bucket.blob("other").delete()
    assert fault.fired == 0
