"""The requests that move an object's bytes, with the client's own credentials and without copies on the way.

The client library has them too. It copies an upload twice, takes a download apart into pieces of 8 KiB, which cost
more than what is done with their bytes, and goes by way of `requests` (see `cloud/gcs_http.py`). The protocol is
https://cloud.google.com/storage/docs/uploading-objects#uploading-an-object (multipart) and
https://cloud.google.com/storage/docs/samples/storage-download-byte-range.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import urllib3
from google.api_core import exceptions as api

from cloud.crc import crc32c
from cloud.gcs_http import Http
from cloud.objects import ObjectInfo

PIECE_BYTES = 128 * 1024
"""Below 256 KiB, from where on the worker's allocator takes fresh memory for every piece."""

OBJECT_FIELDS = "name,generation,size,crc32c,contentType,contentEncoding,metadata,updated"
"""What of an object's resource is asked for: all that `object_info` reads."""


class Media:
    """Uploads and downloads of one bucket. Raises the errors of `urllib3` and `google.api_core`; repeats nothing."""

    def __init__(self, http: Http, endpoint: str, bucket_path: str) -> None:
        """`endpoint` is the service's address, `bucket_path` the bucket's in its API, as the client knows them."""
        self._http = http
        self._uploads = f"{endpoint}/upload/storage/v1{bucket_path}/o"
        self._downloads = f"{endpoint}/download/storage/v1"

    def upload(
        self,
        name: str,
        data: bytes,
        *,
        content_type: str,
        if_generation: int,
        metadata: Mapping[str, str] | None,
        timeout_s: float,
    ) -> ObjectInfo:
        """Write one object in one request. The service compares its CRC32C before it stores anything."""
        resource: dict[str, Any] = {"name": name, "contentType": content_type, "crc32c": crc32c(data)}
        if metadata:
            resource["metadata"] = dict(metadata)
        boundary = uuid.uuid4().hex
        head = (
            f"--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{json.dumps(resource)}\r\n"
            f"--{boundary}\r\nContent-Type: {content_type}\r\n\r\n"
        ).encode()
        tail = f"\r\n--{boundary}--\r\n".encode()
        headers = {
            "Content-Type": f"multipart/related; boundary={boundary}",
            "Content-Length": str(len(head) + len(data) + len(tail)),
        }
        query = {"uploadType": "multipart", "ifGenerationMatch": str(if_generation), "fields": OBJECT_FIELDS}
        url = f"{self._uploads}?{urlencode(query)}"
        with self._http.request("POST", url, headers, body=(head, data, tail), timeout_s=timeout_s) as answer:
            if answer.status != HTTPStatus.OK:
                raise _error(answer, "POST", url)
            try:
                return object_info(json.loads(answer.data))
            except ValueError:  # something between us and the service answered
                raise ConnectionError("the answer to an upload is no JSON") from None

    def download(self, path: str, generation: int, start: int, end: int, *, timeout_s: float) -> Iterator[bytes]:
        """Yield the stored bytes from `start` to before `end`, never decompressed, in pieces of up to PIECE_BYTES.

        `path` is the object's in the API. What arrives may be shorter than what was asked for.
        """
        headers = {"Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "gzip"}
        query = {"alt": "media", "generation": str(generation)}
        url = f"{self._downloads}{path}?{urlencode(query)}"
        with self._http.request("GET", url, headers, timeout_s=timeout_s) as answer:
            if answer.status == HTTPStatus.OK:
                # The whole object, which is not to be read for a message: it can be larger than memory.
                raise api.from_http_status(answer.status, "the range that was asked for was ignored")
            if answer.status != HTTPStatus.PARTIAL_CONTENT:
                raise _error(answer, "GET", url)
            yield from answer.stream(PIECE_BYTES, decode_content=False)


def _error(answer: urllib3.BaseHTTPResponse, method: str, url: str) -> api.GoogleAPICallError:
    """Return the error of an answer, with the service's own sentence where it has one."""
    try:
        sentence = json.loads(answer.data)["error"]["message"]
    except (ValueError, LookupError, TypeError):  # not the service's
        sentence = answer.data.decode(errors="replace") or "no reason was given"
    error: api.GoogleAPICallError = api.from_http_status(answer.status, f"{method} {url}: {sentence}")
    return error


def object_info(resource: Mapping[str, Any]) -> ObjectInfo:
    """Return what an object's resource says (https://cloud.google.com/storage/docs/json_api/v1/objects#resource)."""
    updated = resource.get("updated")
    return ObjectInfo(
        name=resource["name"],
        generation=int(resource["generation"]),
        size=int(resource["size"]),
        crc32c=resource["crc32c"],
        content_type=resource.get("contentType") or "application/octet-stream",
        content_encoding=resource.get("contentEncoding"),
        metadata=dict(resource.get("metadata") or {}),
        updated=datetime.fromisoformat(updated).timestamp() if updated else 0.0,
    )
