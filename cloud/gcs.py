"""The object port over Cloud Storage, or over a server that speaks its JSON API (STORAGE_EMULATOR_HOST)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from cloud.crc import Checksum
from cloud.gcs_calls import Calls
from cloud.gcs_chunks import Chunks
from cloud.gcs_client import POOL_CONNECTIONS, build_client
from cloud.gcs_compose import compose_tree
from cloud.gcs_http import Http
from cloud.gcs_media import OBJECT_FIELDS, Media
from cloud.gcs_upload import ResumableUpload
from cloud.objects import (
    MAX_PUT_BYTES,
    CloudSetupError,
    ObjectInfo,
    ObjectNotFound,
    PermissionMissing,
    PreconditionFailed,
    TransientError,
    check_name,
    check_put,
    check_range,
)

T = TypeVar("T")

_PAGE = 1000
_FIELDS = f"items({OBJECT_FIELDS}),nextPageToken"
# What is asked for at once of a stream, and waits in memory until it is read: smaller requests cost time, larger ones
# memory.
_STREAM_BYTES = 3 * 1024 * 1024
# How often `get` begins again because the object was replaced between its two requests.
_GET_TRIES = 5


class GcsObjects:
    """One bucket. Every call ends within about `timeout_s` seconds (a stream: each 3 MiB, a file: each 8 MiB).

    Building it reads credentials and connects to nothing else. Raises CloudSetupError without credentials.
    """

    def __init__(self, bucket: str, *, timeout_s: float = 8.0) -> None:
        self._client, self._session = build_client()
        self._bucket = self._client.bucket(bucket)
        endpoint = self._client.api_endpoint
        self._http = Http(self._session, endpoint, connections=POOL_CONNECTIONS)
        self._media = Media(self._http, endpoint, self._bucket.path)
        self._calls = Calls(timeout_s)

    @property
    def uri(self) -> str:
        """`gs://bucket`."""
        return f"gs://{self._bucket.name}"

    def put(
        self,
        name: str,
        data: bytes,
        *,
        content_type: str,
        if_generation: int,
        metadata: Mapping[str, str] | None = None,
    ) -> ObjectInfo:
        """See `Objects.put`. One multipart request, whose CRC32C the service checks before it stores anything."""
        check_put(name, data)

        def attempt(timeout_s: float) -> ObjectInfo:
            return self._media.upload(
                name,
                data,
                content_type=content_type,
                if_generation=if_generation,
                metadata=metadata,
                timeout_s=timeout_s,
            )

        with self._taking(name, if_generation):
            return self._run(name, attempt, writing=True)

    def put_file(
        self, name: str, path: Path, *, content_type: str, if_generation: int, metadata: Mapping[str, str] | None = None
    ) -> ObjectInfo:
        """See `Objects.put_file`. Up to 8 MiB as `put`; above, in pieces that go on where a connection broke."""
        if path.stat().st_size <= MAX_PUT_BYTES:
            data = path.read_bytes()
            return self.put(name, data, content_type=content_type, if_generation=if_generation, metadata=metadata)
        check_name(name)
        upload = ResumableUpload(path, self._session, self._calls, self._where(name))

        def begin(timeout_s: float) -> str:
            blob = self._bucket.blob(name)
            if metadata:
                blob.metadata = dict(metadata)
            blob.crc32c = upload.crc32c  # the service refuses other bytes
            return str(
                blob.create_resumable_upload_session(
                    content_type=content_type,
                    size=upload.size,
                    if_generation_match=if_generation,
                    checksum=None,
                    timeout=timeout_s,
                    retry=None,
                )
            )

        with self._taking(name, if_generation):
            generation = upload.send(self._run(name, begin, writing=True))
        return self.info(name, generation=generation)

    def get(self, name: str, *, generation: int | None = None) -> tuple[bytes, ObjectInfo]:
        """See `Objects.get`. Two requests: what is known of the object, and the bytes of that generation."""
        for _ in range(_GET_TRIES):
            info = self.info(name, generation=generation)
            try:
                return self._run(name, partial(self._download, name, info.generation)), info
            except ObjectNotFound:
                if generation is not None:
                    raise
        raise TransientError(f"{self._where(name)} was replaced again and again while it was read")

    def info(self, name: str, *, generation: int | None = None) -> ObjectInfo:
        """See `Objects.info`."""
        check_name(name)

        def attempt(timeout_s: float) -> ObjectInfo:
            blob = self._bucket.blob(name, generation=generation)
            blob.reload(timeout=timeout_s, retry=None)
            return _info(blob)

        return self._run(name, attempt)

    def stream(self, name: str, *, generation: int, start: int = 0) -> Iterator[bytes]:
        """See `Objects.stream`. A request for each 3 MiB: no connection is held open while the reader works."""
        info = self.info(name, generation=generation)
        return self._pieces(info, start)

    def read(self, name: str, *, generation: int, start: int, length: int) -> bytes:
        """See `Objects.read`. One request."""
        check_name(name)
        check_range(start, length)
        return b"".join(self._piece(name, generation, start, start + length).take())

    def listing(self, prefix: str) -> Iterator[ObjectInfo]:
        """See `Objects.listing`. A request for each thousand objects, when the reader gets there."""
        token: str | None = None
        while True:
            infos, token = self._run(prefix, partial(self._page, prefix, token))
            yield from infos
            if not token:
                return

    def compose(self, sources: list[str], target: str, *, content_type: str) -> ObjectInfo:
        """See `Objects.compose`. Above 32 sources, temporary objects under `tmp/compose/` are made.

        They are deleted again where that is allowed; see `gcs_compose`.
        """
        for name in (target, *sources):
            check_name(name)
        return compose_tree(self, self._compose_once, sources, target, content_type=content_type)

    def delete(self, name: str, *, if_generation: int | None = None) -> bool:
        """See `Objects.delete`."""
        check_name(name)

        def attempt(timeout_s: float) -> None:
            self._bucket.blob(name).delete(if_generation_match=if_generation, timeout=timeout_s, retry=None)

        try:
            self._run(name, attempt)
        except ObjectNotFound:
            return False
        return True

    def close(self) -> None:
        """Close the client's connections."""
        self._client.close()
        self._session.close()
        self._http.close()

    def _where(self, name: str) -> str:
        return f"{self.uri}/{name}"

    def _run(self, name: str, attempt: Callable[[float], T], *, writing: bool = False) -> T:
        """Run one call about an object; a write that finds nothing there lacks the bucket itself."""
        try:
            return self._calls.run(self._where(name), attempt)
        except ObjectNotFound as error:
            if not writing:
                raise
            raise CloudSetupError(f"{self.uri}: the bucket does not exist; create it, or correct its name") from error

    @contextmanager
    def _taking(self, name: str, if_generation: int) -> Iterator[None]:
        """Tell PreconditionFailed where a create-only write lacks a permission because its name is taken.

        To replace an object takes the permission to delete, which workers have not, and the service does not promise
        to look at the precondition before it looks at permissions.
        """
        try:
            yield
        except PermissionMissing as error:
            if if_generation == 0 and self._is_there(name):
                raise PreconditionFailed(f"{self._where(name)} exists already") from error
            raise

    def _is_there(self, name: str) -> bool:
        try:
            self.info(name)
        except (ObjectNotFound, PermissionMissing):
            return False
        return True

    def _download(self, name: str, generation: int, timeout_s: float) -> bytes:
        blob = self._bucket.blob(name, generation=generation)
        return bytes(blob.download_as_bytes(raw_download=True, checksum="crc32c", timeout=timeout_s, retry=None))

    def _pieces(self, info: ObjectInfo, start: int) -> Iterator[bytes]:
        checksum = Checksum()
        at = start
        while at < info.size:
            piece = self._piece(info.name, info.generation, at, min(at + _STREAM_BYTES, info.size))
            for chunk in piece.take():
                checksum.update(chunk)
                at += len(chunk)
                yield chunk
        if start == 0 and (found := checksum.text()) != info.crc32c:
            raise TransientError(f"{self._where(info.name)} arrived with crc32c {found}, stored is {info.crc32c}")

    def _piece(self, name: str, generation: int, start: int, end: int) -> Chunks:
        """Return the bytes from `start` to before `end`; a try that breaks off is continued where it broke."""
        received = Chunks()
        path = self._bucket.blob(name).path

        def attempt(timeout_s: float) -> None:
            # The service has a checksum of the whole object only; it is checked at the stream's end.
            at = start + received.size
            for piece in self._media.download(path, generation, at, end, timeout_s=timeout_s):
                received.add(piece)
            if received.size < end - start:
                raise ConnectionError(f"{received.size:,} of {end - start:,} bytes arrived")

        self._run(name, attempt)
        return received

    def _page(self, prefix: str, token: str | None, timeout_s: float) -> tuple[list[ObjectInfo], str | None]:
        found = self._client.list_blobs(
            self._bucket,
            prefix=prefix or None,
            page_token=token,
            page_size=_PAGE,
            fields=_FIELDS,
            timeout=timeout_s,
            retry=None,
        )
        infos = [_info(blob) for blob in next(found.pages, ())]
        return infos, found.next_page_token

    def _compose_once(self, sources: Sequence[str], target: str, content_type: str) -> ObjectInfo:
        def attempt(timeout_s: float) -> ObjectInfo:
            blob = self._bucket.blob(target)
            blob.content_type = content_type
            parts = [self._bucket.blob(source) for source in sources]
            blob.compose(parts, if_generation_match=0, timeout=timeout_s, retry=None)
            return _info(blob)

        with self._taking(target, if_generation=0):
            return self._run(target, attempt)


def _info(blob: Any) -> ObjectInfo:  # noqa: ANN401 - the client library has no types
    """Return what the client knows of an object that it has just written or read."""
    return ObjectInfo(
        name=blob.name,
        generation=int(blob.generation),
        size=int(blob.size),
        crc32c=blob.crc32c,
        content_type=blob.content_type or "application/octet-stream",
        content_encoding=blob.content_encoding,
        metadata=dict(blob.metadata or {}),
        updated=blob.updated.timestamp() if blob.updated else 0.0,
    )
