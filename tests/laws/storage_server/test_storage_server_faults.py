from __future__ import annotations

import time

import pytest
import requests
from google.api_core import exceptions
from google.cloud.storage import Bucket
from google.cloud.storage.exceptions import DataCorruption

from emulator.storage.faults import Delay, Reset, Stall, Status
from emulator.storage.faults_response import Slow, Truncated, WrongChecksum
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
    # A client that is still sending learns of the reset by its own write, and calls it otherwise.
    assert "aborted" in str(caught.value).lower()
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


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_status_strikes_for_a_number_of_requests_or_of_seconds(
    server: EmbeddedStorage, bucket: Bucket, http: requests.Session, status: int
) -> None:
    url = f"{server.url}/storage/v1/b/{bucket.name}"
    server.faults.inject(Status(status), count=2, name="twice")
    assert [http.get(url).status_code for _ in range(3)] == [status, status, 200]
    lasting = server.faults.inject(Status(status), count=None, seconds=3600, name="lasting")
    assert [http.get(url).status_code for _ in range(5)] == [status] * 5
    lasting.ends = 0.0  # its time is over
    assert http.get(url).status_code == 200
    assert server.faults.fired() == {"twice": 2, "lasting": 5}


def test_a_fault_can_strike_every_so_many_requests(
    server: EmbeddedStorage, bucket: Bucket, http: requests.Session
) -> None:
    url = f"{server.url}/storage/v1/b/{bucket.name}"
    server.faults.inject(Status(503), count=None, every=3)
    assert [http.get(url).status_code for _ in range(7)] == [200, 200, 503, 200, 200, 503, 200]


def test_a_stalled_request_gets_no_answer_and_leaves_no_trace(
    server: EmbeddedStorage, bucket: Bucket, http: requests.Session
) -> None:
    fault = server.faults.inject(Stall(3600), path="name=object")
    url = f"{server.url}/upload/storage/v1/b/{bucket.name}/o?uploadType=media&name=object"
    with pytest.raises(requests.ReadTimeout):
        http.post(url, data=b"data", timeout=0.3)
    patience = time.monotonic() + 30
    while not fault.fired and time.monotonic() < patience:  # the server may be slower than the client's patience
        time.sleep(0.01)
    assert fault.fired == 1
    assert not bucket.blob("object").exists()


def test_a_wrong_checksum_is_noticed_by_the_client(server: EmbeddedStorage, bucket: Bucket) -> None:
    blob = bucket.blob("object")
    blob.upload_from_string(b"data" * 1_000)
    fault = server.faults.inject(WrongChecksum(), path="alt=media")
    with pytest.raises(DataCorruption):
        blob.download_as_bytes(checksum="crc32c")
    assert fault.fired == 1
    assert blob.download_as_bytes(checksum="crc32c") == b"data" * 1_000


def test_a_truncated_body_is_noticed_by_a_client(
    server: EmbeddedStorage, bucket: Bucket, http: requests.Session
) -> None:
    bucket.blob("object").upload_from_string(b"data" * 10_000)
    fault = server.faults.inject(Truncated(), path="alt=media")
    url = f"{server.url}/download/storage/v1/b/{bucket.name}/o/object?alt=media"
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        http.get(url)
    assert fault.fired == 1
    assert http.get(url).content == b"data" * 10_000


def test_a_slow_response_arrives_whole(server: EmbeddedStorage, bucket: Bucket) -> None:
    bucket.blob("object").upload_from_string(b"data" * 10_000)
    fault = server.faults.inject(Slow(0.05), path="alt=media")
    assert bucket.blob("object").download_as_bytes() == b"data" * 10_000
    assert fault.fired == 1
