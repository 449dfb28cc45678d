from __future__ import annotations

from http.client import HTTPConnection
from urllib.parse import urlencode

import pytest
import requests
from google.cloud.storage import Bucket

from emulator.storage.server import EmbeddedStorage

COUNT = 2500


@pytest.fixture
def tree(bucket: Bucket) -> Bucket:
    for name in ("a.csv", "a/1.csv", "a/b/2.csv", "a/b/3.json", "a/", "b.csv", "c/4.csv", "é/5.csv"):
        bucket.blob(name).upload_from_string(b"data")
    return bucket


def _listed(bucket: Bucket, **options: object) -> tuple[list[str], list[str]]:
    found = bucket.client.list_blobs(bucket, **options)
    names = [blob.name for blob in found]
    return names, sorted(found.prefixes)


def _write_all(server: EmbeddedStorage, bucket: str, names: list[str]) -> None:
    """Write small objects over one plain connection, which is faster than the client library."""
    connection = HTTPConnection(server.url.removeprefix("http://"))
    for name in names:
        query = urlencode({"uploadType": "media", "name": name})
        connection.request("POST", f"/upload/storage/v1/b/{bucket}/o?{query}", body=b"x")
        response = connection.getresponse()
        response.read()
        assert response.status == 200
    connection.close()


def test_names_come_in_order(tree: Bucket) -> None:
    assert _listed(tree)[0] == ["a.csv", "a/", "a/1.csv", "a/b/2.csv", "a/b/3.json", "b.csv", "c/4.csv", "é/5.csv"]


@pytest.mark.parametrize("page_size", [None, 1, 2, 3])
def test_a_delimiter_folds_names_into_prefixes(tree: Bucket, page_size: int | None) -> None:
    assert _listed(tree, delimiter="/", page_size=page_size) == (["a.csv", "b.csv"], ["a/", "c/", "é/"])
    assert _listed(tree, prefix="a/", delimiter="/", page_size=page_size) == (["a/", "a/1.csv"], ["a/b/"])
    trailing = _listed(tree, delimiter="/", include_trailing_delimiter=True, page_size=page_size)
    assert trailing == (["a.csv", "a/", "b.csv"], ["a/", "c/", "é/"])


def test_offsets_cut_the_list(tree: Bucket) -> None:
    assert _listed(tree, start_offset="a/b/2.csv", end_offset="c")[0] == ["a/b/2.csv", "a/b/3.json", "b.csv"]


@pytest.mark.parametrize(
    ("glob", "expected"),
    [
        ("*.csv", ["a.csv", "b.csv"]),
        ("**.csv", ["a.csv", "a/1.csv", "a/b/2.csv", "b.csv", "c/4.csv", "é/5.csv"]),
        ("a/*", ["a/", "a/1.csv"]),
        ("?.csv", ["a.csv", "b.csv"]),
        ("[!a].csv", ["b.csv"]),
        ("a/b/*.{csv,json}", ["a/b/2.csv", "a/b/3.json"]),
        ("{a,c/{4,9}}.csv", ["a.csv", "c/4.csv"]),
    ],
)
def test_globs_choose(tree: Bucket, glob: str, expected: list[str]) -> None:
    assert _listed(tree, match_glob=glob)[0] == expected


def test_2500_objects_come_in_pages_once_each(server: EmbeddedStorage, bucket: Bucket) -> None:
    names = [f"dt={number % 3}/object-{number:04}" for number in range(COUNT)]
    _write_all(server, bucket.name, names)
    found = bucket.client.list_blobs(bucket)
    pages = [[blob.name for blob in page] for page in found.pages]
    assert [len(page) for page in pages] == [1000, 1000, 500]
    assert [name for page in pages for name in page] == sorted(names)
    assert _listed(bucket, delimiter="/") == ([], ["dt=0/", "dt=1/", "dt=2/"])
    assert _listed(bucket, prefix="dt=1/", delimiter="/", page_size=100) == (
        sorted(name for name in names if name.startswith("dt=1/")),
        [],
    )


def test_a_token_that_the_server_did_not_make_is_a_400(
    server: EmbeddedStorage, bucket: Bucket, http: requests.Session
) -> None:
    for token in ("%%%", "eA==", "/w=="):
        response = http.get(f"{server.url}/storage/v1/b/{bucket.name}/o", params={"pageToken": token})
        assert response.status_code == 400
