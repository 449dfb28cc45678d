from __future__ import annotations

import gzip

import pytest
import requests
from google.cloud.storage import Blob, Bucket

from emulator.storage.server import EmbeddedStorage

DATA = bytes(range(256)) * 20


@pytest.fixture
def blob(bucket: Bucket) -> Blob:
    made = bucket.blob("a folder/späte.csv")
    made.upload_from_string(DATA, content_type="text/csv")
    return made


@pytest.mark.parametrize(
    "path", ["/download/storage/v1/b/{b}/o/{o}?alt=media", "/storage/v1/b/{b}/o/{o}?alt=media", "/{b}/{x}"]
)
def test_each_kind_of_address_serves_the_bytes(
    server: EmbeddedStorage, blob: Blob, http: requests.Session, path: str
) -> None:
    address = path.format(b=blob.bucket.name, o="a%20folder%2Fsp%C3%A4te.csv", x="a%20folder/sp%C3%A4te.csv")
    response = http.get(server.url + address)
    assert response.content == DATA
    assert response.headers["X-Goog-Hash"] == f"crc32c={blob.crc32c},md5={blob.md5_hash}"
    assert response.headers["X-Goog-Generation"] == str(blob.generation)
    assert response.headers["X-Goog-Stored-Content-Length"] == str(len(DATA))
    assert response.headers["Content-Type"] == "text/csv"
    if path == "/{b}/{x}":
        head = http.head(server.url + address)
        assert (head.status_code, head.content, head.headers["Content-Length"]) == (200, b"", str(len(DATA)))


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=5000-", 5000, 5120),
        ("bytes=-20", 5100, 5120),
        ("bytes=-99999", 0, 5120),
        ("bytes=5119-99999", 5119, 5120),
    ],
)
def test_a_range_is_a_206(blob: Blob, http: requests.Session, asked: str, start: int, stop: int) -> None:
    response = http.get(blob.media_link, headers={"Range": asked})
    assert (response.status_code, response.content) == (206, DATA[start:stop])
    assert response.headers["Content-Range"] == f"bytes {start}-{stop - 1}/5120"


@pytest.mark.parametrize("asked", ["bytes=5120-", "bytes=9999-99999", "bytes=-0"])
def test_a_range_past_the_end_is_a_416(blob: Blob, http: requests.Session, asked: str) -> None:
    response = http.get(blob.media_link, headers={"Range": asked})
    assert (response.status_code, response.headers["Content-Range"]) == (416, "bytes */5120")


@pytest.mark.parametrize("asked", ["bytes=", "bytes=-", "lines=1-2", "bytes=9-3", "bytes=1-2,4-5"])
def test_a_range_that_is_none_is_ignored(blob: Blob, http: requests.Session, asked: str) -> None:
    response = http.get(blob.media_link, headers={"Range": asked})
    assert (response.status_code, response.content) == (200, DATA)


def test_ranges_and_chunks_through_the_client(bucket: Bucket, blob: Blob) -> None:
    assert blob.download_as_bytes(start=100, end=199) == DATA[100:200]
    large = bucket.blob("large", chunk_size=262_144)
    large.upload_from_string(DATA * 400)
    assert bucket.blob("large", chunk_size=262_144).download_as_bytes() == DATA * 400
    assert large.download_as_bytes(start=262_143, end=1_048_577) == (DATA * 400)[262_143:1_048_578]
    bucket.blob("empty").upload_from_string(b"")
    assert bucket.blob("empty", chunk_size=262_144).download_as_bytes() == b""


@pytest.fixture
def packed(bucket: Bucket) -> Blob:
    made = bucket.blob("reviews.csv.gz")
    made.content_encoding = "gzip"
    # Two members, as `cat a.gz b.gz` makes.
    made.upload_from_string(gzip.compress(DATA * 500) + gzip.compress(b"end"), content_type="text/csv")
    return made


def test_gzip_objects_are_inflated_or_raw_as_the_client_asks(packed: Blob) -> None:
    raw = packed.download_as_bytes(raw_download=True)
    assert raw.startswith(b"\x1f\x8b")
    assert gzip.decompress(raw) == DATA * 500 + b"end"


def test_a_client_that_knows_no_gzip_gets_inflated_bytes(packed: Blob, http: requests.Session) -> None:
    response = http.get(packed.media_link, headers={"Accept-Encoding": "identity", "Range": "bytes=0-9"})
    assert (response.status_code, response.content) == (200, DATA * 500 + b"end")
    assert "Content-Encoding" not in response.headers
    assert response.headers["X-Goog-Stored-Content-Encoding"] == "gzip"
    assert response.headers["X-Goog-Stored-Content-Length"] == str(packed.size)


def test_no_transform_keeps_gzip_as_it_is(packed: Blob, http: requests.Session) -> None:
    packed.cache_control = "no-transform"
    packed.patch()
    response = http.get(packed.media_link, headers={"Accept-Encoding": "identity"}, stream=True)
    assert response.raw.read(2, decode_content=False) == b"\x1f\x8b"
    response.close()


def test_the_client_inflates_a_single_member(bucket: Bucket) -> None:
    blob = bucket.blob("one")
    blob.content_encoding = "gzip"
    blob.upload_from_string(gzip.compress(DATA))
    assert blob.download_as_bytes() == DATA


def test_an_open_download_outlives_its_object(bucket: Bucket, http: requests.Session) -> None:
    blob = bucket.blob("large")
    blob.upload_from_string(DATA * 4000)
    response = http.get(blob.media_link, stream=True)
    first = response.raw.read(1000)
    blob.delete()
    assert first + response.raw.read() == DATA * 4000
    response.close()


def test_hostile_metadata_cannot_break_a_response(bucket: Bucket, http: requests.Session) -> None:
    blob = bucket.blob("object")
    blob.metadata = {"line": "one\r\nX-Evil: yes", "bad\r\nkey: x": "y", "ü": "✓"}
    blob.content_disposition = "attachment; filename=ü✓.csv"
    blob.upload_from_string(b"data")
    response = http.get(blob.media_link)
    assert response.content == b"data"
    assert "X-Evil" not in response.headers
