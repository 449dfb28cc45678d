from __future__ import annotations

import base64
import hashlib
import io
import os
import socket

import google_crc32c
import pytest
import requests
from google.api_core import exceptions
from google.cloud.storage import Bucket, Client

from emulator.storage.server import EmbeddedStorage

CHUNK = 262_144


def _md5(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data).digest()).decode()


def _crc32c(data: bytes) -> str:
    return base64.b64encode(google_crc32c.value(data).to_bytes(4, "big")).decode()


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 5_000_000])
@pytest.mark.parametrize("chunk_size", [None, CHUNK])
def test_what_goes_in_comes_out(bucket: Bucket, size: int, chunk_size: int | None) -> None:
    data = os.urandom(size)
    blob = bucket.blob("object", chunk_size=chunk_size)
    blob.upload_from_file(io.BytesIO(data), size=size, content_type="text/csv")
    assert (blob.size, blob.crc32c, blob.md5_hash) == (size, _crc32c(data), _md5(data))
    read = bucket.blob("object")
    assert read.download_as_bytes() == data
    assert read.content_type == "text/csv"


@pytest.mark.parametrize("size", [0, CHUNK, 2 * CHUNK, 2 * CHUNK + 17])
def test_a_stream_of_unknown_size_is_uploaded(bucket: Bucket, size: int) -> None:
    data = os.urandom(size)
    bucket.blob("object", chunk_size=CHUNK).upload_from_file(io.BytesIO(data))
    assert bucket.blob("object").download_as_bytes() == data


def test_blob_writer_and_reader_work(bucket: Bucket) -> None:
    with bucket.blob("object", chunk_size=CHUNK).open("wb", ignore_flush=True) as target:
        for number in range(100_000):
            target.write(b"%d\n" % number)
    with bucket.blob("object").open("rb", chunk_size=CHUNK) as source:
        assert [int(line) for line in source] == list(range(100_000))


@pytest.mark.parametrize("checksum", ["md5", "crc32c"])
def test_a_supplied_checksum_that_is_right_is_accepted(bucket: Bucket, checksum: str) -> None:
    bucket.blob("object").upload_from_string(b"data", checksum=checksum)
    bucket.blob("resumable", chunk_size=CHUNK).upload_from_string(b"x" * CHUNK * 3, checksum=checksum)


@pytest.mark.parametrize("field", ["md5_hash", "crc32c"])
def test_a_supplied_checksum_that_is_wrong_is_a_400_and_stores_nothing(bucket: Bucket, field: str) -> None:
    for chunk_size in (None, CHUNK):
        blob = bucket.blob("object", chunk_size=chunk_size)
        setattr(blob, field, _md5(b"other") if field == "md5_hash" else _crc32c(b"other"))
        with pytest.raises(exceptions.BadRequest, match="doesn't match"):
            blob.upload_from_string(b"x" * CHUNK * 2, checksum=None)
    assert not bucket.blob("object").exists()


def test_a_media_upload_is_checked_against_its_header(
    server: EmbeddedStorage, bucket: Bucket, http: requests.Session
) -> None:
    url = f"{server.url}/upload/storage/v1/b/{bucket.name}/o?uploadType=media&name=a%2Bb"
    wrong = http.post(url, data=b"data", headers={"X-Goog-Hash": f"crc32c={_crc32c(b'other')}"})
    assert wrong.status_code == 400
    right = http.post(url, data=b"data", headers={"X-Goog-Hash": f"crc32c={_crc32c(b'data')},md5={_md5(b'data')}"})
    assert (right.status_code, right.json()["name"], right.json()["size"]) == (200, "a+b", "4")


def test_a_body_in_chunked_transfer_coding_is_taken(
    server: EmbeddedStorage, bucket: Bucket, http: requests.Session
) -> None:
    url = f"{server.url}/upload/storage/v1/b/{bucket.name}/o?uploadType=media&name=object"
    response = http.post(url, data=(piece for piece in (b"one,", b"two,", b"three")))
    assert response.status_code == 200
    assert bucket.blob("object").download_as_bytes() == b"one,two,three"


def test_data_that_looks_like_a_boundary_survives_multipart(
    server: EmbeddedStorage, bucket: Bucket, http: requests.Session
) -> None:
    data = b"\r\n--edg\r\n-\r\n\r\n--\r\n--ed\r\n\r"
    body = b'--edge\r\nContent-Type: application/json\r\n\r\n{"name": "object"}\r\n'
    body += b"--edge\r\nContent-Type: text/csv\r\n\r\n" + data + b"\r\n--edge--\r\n"
    response = http.post(
        f"{server.url}/upload/storage/v1/b/{bucket.name}/o?uploadType=multipart",
        data=body,
        headers={"Content-Type": 'multipart/related; boundary="edge"'},
    )
    assert response.status_code == 200
    assert bucket.blob("object").download_as_bytes() == data


def test_an_interrupted_resumable_upload_goes_on_where_it_stopped(bucket: Bucket, http: requests.Session) -> None:
    data = os.urandom(3 * CHUNK + 1000)
    url = bucket.blob("object").create_resumable_upload_session(content_type="text/csv", size=len(data))
    total = len(data)

    def put(start: int, stop: int) -> requests.Response:
        headers = {"Content-Range": f"bytes {start}-{stop - 1}/{total}"}
        return http.put(url, data=data[start:stop], headers=headers, allow_redirects=False)

    def status() -> requests.Response:
        return http.put(url, headers={"Content-Range": f"bytes */{total}"}, allow_redirects=False)

    assert status().status_code == 308
    assert "Range" not in status().headers
    assert put(0, CHUNK).headers["Range"] == f"bytes=0-{CHUNK - 1}"
    _send_and_hang_up(url, f"bytes {CHUNK}-{total - 1}/{total}", total - CHUNK, data[CHUNK : CHUNK + 100_000])
    while (kept := int(status().headers["Range"].partition("-")[2]) + 1) < CHUNK + 100_000:
        pass
    assert kept == CHUNK + 100_000
    assert put(kept + 1, total).status_code == 503
    assert not bucket.blob("object").exists()
    # Bytes that are known already are skipped.
    done = put(CHUNK, total)
    assert (done.status_code, done.json()["crc32c"]) == (200, _crc32c(data))
    assert status().json()["generation"] == done.json()["generation"]
    read = bucket.blob("object")
    assert read.download_as_bytes() == data
    assert read.content_type == "text/csv"


def test_a_cancelled_resumable_upload_is_gone(bucket: Bucket, http: requests.Session) -> None:
    url = bucket.blob("object").create_resumable_upload_session()
    http.put(url, data=b"x" * CHUNK, headers={"Content-Range": f"bytes 0-{CHUNK - 1}/*"}, allow_redirects=False)
    assert http.delete(url).status_code == 499
    assert http.put(url, data=b"data").status_code == 404
    assert not bucket.blob("object").exists()


def test_an_upload_that_is_cut_short_stores_nothing(server: EmbeddedStorage, bucket: Bucket) -> None:
    host, _, port = server.url.removeprefix("http://").partition(":")
    path = f"/upload/storage/v1/b/{bucket.name}/o?uploadType=media&name=object"
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf".encode())
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1000) == b""
    assert not bucket.blob("object").exists()


def test_an_upload_to_a_bucket_that_is_not_there_is_a_404(client: Client) -> None:
    for chunk_size in (None, CHUNK):
        with pytest.raises(exceptions.NotFound):
            client.bucket("missing-bucket").blob("object", chunk_size=chunk_size).upload_from_string(b"x" * CHUNK * 2)


def _send_and_hang_up(url: str, content_range: str, announced: int, sent: bytes) -> None:
    host, _, rest = url.removeprefix("http://").partition("/")
    name, _, port = host.partition(":")
    head = (
        f"PUT /{rest} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {announced}\r\nContent-Range: {content_range}\r\n\r\n"
    )
    with socket.create_connection((name, int(port))) as connection:
        connection.sendall(head.encode() + sent)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1000) == b""
