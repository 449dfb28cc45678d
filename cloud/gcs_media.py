"""The requests that move an object's bytes, over the client's own session and without copies on the way.

The client library has them too. It copies an upload twice, and takes a download apart into pieces of 8 KiB, which cost
more than what is done with their bytes. The protocol is
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

import requests
from google.api_core import exceptions as api

from cloud.crc import crc32c
from cloud.objects import ObjectInfo

PIECE_BYTES = 1 << 20


class _Body:
    """The body of a request in pieces, which are sent as they are; it can be sent again."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces
        self._size = sum(map(len, pieces))

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._pieces)


class Media:
    """Uploads and downloads of one bucket. Raises the errors of `requests` and `google.api_core`; repeats nothing."""

    def __init__(self, session: requests.Session, endpoint: str, bucket_path: str) -> None:
        """`endpoint` is the service's address, `bucket_path` the bucket's in its API, as the client knows them."""
        self._session = session
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
        )
        answer = self._session.post(
            self._uploads,
            params={"uploadType": "multipart", "ifGenerationMatch": str(if_generation)},
            data=_Body(head.encode(), data, f"\r\n--{boundary}--\r\n".encode()),
            headers={"Content-Type": f"multipart/related; boundary={boundary}"},
            timeout=timeout_s,
        )
        if answer.status_code != HTTPStatus.OK:
            raise api.from_http_response(answer)
        try:
            return object_info(answer.json())
        except ValueError:  # something between us and the service answered
            raise ConnectionError("the answer to an upload is no JSON") from None

    def download(self, path: str, generation: int, start: int, end: int, *, timeout_s: float) -> Iterator[bytes]:
        """Yield the stored bytes from `start` to before `end`, never decompressed, in pieces of up to PIECE_BYTES.

        `path` is the object's in the API. What arrives may be shorter than what was asked for.
        """
        headers = {"Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "gzip"}
        query = {"alt": "media", "generation": str(generation)}
        with self._session.get(
            self._downloads + path, params=query, headers=headers, stream=True, timeout=timeout_s
        ) as answer:
            if answer.status_code == HTTPStatus.OK:
                # The whole object, which is not to be read for a message: it can be larger than memory.
                raise api.from_http_status(answer.status_code, "the range that was asked for was ignored")
            if answer.status_code != HTTPStatus.PARTIAL_CONTENT:
                raise api.from_http_response(answer)
            yield from answer.raw.stream(PIECE_BYTES, decode_content=False)


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
