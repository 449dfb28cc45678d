"""Routes of uploads: media, multipart and resumable."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

from emulator.storage.bucket_routes import API
from emulator.storage.content import Checksums
from emulator.storage.errors import StorageError, bad_request
from emulator.storage.messages import MAX_JSON_BYTES, Request, Response, json_object
from emulator.storage.multipart import MultipartReader, boundary_of
from emulator.storage.names import check_object_name
from emulator.storage.object_routes import resource_response
from emulator.storage.preconditions import Preconditions
from emulator.storage.records import settings_from
from emulator.storage.routing import Route
from emulator.storage.store import Draft, Store
from emulator.storage.uploads import ContentRange, Session, Sessions, Upload

RESUME_INCOMPLETE = HTTPStatus.PERMANENT_REDIRECT
# What Cloud Storage answers to a cancelled upload; http.HTTPStatus does not know it.
CLIENT_CLOSED_REQUEST = 499


class UploadRoutes:
    """The upload part of the JSON API, over a store and its resumable sessions."""

    def __init__(self, store: Store, sessions: Sessions) -> None:
        self._store = store
        self._sessions = sessions

    def routes(self) -> tuple[Route, ...]:
        """Return the table of routes."""
        path = "/upload" + API + "/b/{bucket}/o"
        return (
            Route("POST", path, self.begin),
            Route("PUT", path, self.resume),
            Route("DELETE", path, self.cancel),
        )

    def begin(self, request: Request, bucket: str) -> Response:
        """Take a whole object, or start a resumable upload."""
        kind = request.query.get("uploadType")
        if kind == "media":
            return self._media(request, bucket)
        if kind == "multipart":
            return self._multipart(request, bucket)
        if kind == "resumable":
            return self._start(request, bucket)
        raise bad_request("uploadType must be media, multipart or resumable.")

    def resume(self, request: Request, bucket: str) -> Response:
        """Take a chunk of a resumable upload, finish it, or tell how far it is."""
        session_id = _session_id(request)
        session = self._sessions.get(session_id)
        if session.upload.bucket != bucket:
            raise bad_request("The upload session belongs to another bucket.")
        sent = ContentRange.parse(request.headers.get("Content-Range"))
        if session.outcome is None and not _take(session, sent, request):
            received = session.received
            headers = (("Range", f"bytes=0-{received - 1}"),) if received else ()
            return Response(RESUME_INCOMPLETE, (*headers, ("X-GUploader-UploadID", session_id)))
        try:
            record = session.finish(_hash_header(request))
        finally:
            self._sessions.put_away(session_id)
        return resource_response(request, record)

    def cancel(self, request: Request, bucket: str) -> Response:  # noqa: ARG002 - named by the path
        """Forget a resumable upload."""
        self._sessions.cancel(_session_id(request))
        return Response(CLIENT_CLOSED_REQUEST)

    def _media(self, request: Request, bucket: str) -> Response:
        upload = _upload(request, bucket, {}, request.headers.get("Content-Type"))
        self._store.check_destination(bucket, upload.name, upload.when)
        with self._store.writer() as writer:
            writer.write_all(request.body.chunks())
            draft = Draft(bucket, upload.name, writer.finish(), upload.settings)
        return resource_response(request, self._store.commit(draft, upload.when, upload.expected))

    def _multipart(self, request: Request, bucket: str) -> Response:
        reader = MultipartReader(request.body.chunks(), boundary_of(request.headers.get("Content-Type", "")))
        if reader.next_part() is None:
            raise bad_request("The multipart body has no part.")
        resource = _metadata_part(reader)
        headers = reader.next_part()
        if headers is None:
            raise bad_request("The multipart body has no second part.")
        upload = _upload(request, bucket, resource, headers.get("content-type"))
        self._store.check_destination(bucket, upload.name, upload.when)
        with self._store.writer() as writer:
            writer.write_all(reader.part())
            if reader.next_part() is not None:
                raise bad_request("The multipart body has more than two parts.")
            draft = Draft(bucket, upload.name, writer.finish(), upload.settings)
        return resource_response(request, self._store.commit(draft, upload.when, upload.expected))

    def _start(self, request: Request, bucket: str) -> Response:
        upload = _upload(request, bucket, request.json(), request.headers.get("X-Upload-Content-Type"))
        session_id = self._sessions.start(upload)
        query = {"uploadType": "resumable", "upload_id": session_id}
        query |= {name: value for name, value in request.query.items() if name == "fields"}
        path = f"/upload{API}/b/{quote(bucket)}/o?{urlencode(query)}"
        return Response(HTTPStatus.OK, (("Location", request.base_url + path), ("X-GUploader-UploadID", session_id)))


def _take(session: Session, sent: ContentRange, request: Request) -> bool:
    """Keep what a request brought and tell whether the object is complete."""
    if sent.start is not None:
        position = session.take(request.body.chunks(), sent.start)
        if sent.stop is not None and position != sent.stop:
            raise bad_request("The body's length does not match its Content-Range.")
        if sent.stop is None:
            return True
    return sent.total is not None and session.received == sent.total


def _metadata_part(reader: MultipartReader) -> dict[str, Any]:
    collected = bytearray()
    for chunk in reader.part():
        collected += chunk
        if len(collected) > MAX_JSON_BYTES:
            raise bad_request("The metadata part is too large.")
    return json_object(bytes(collected))


def _upload(request: Request, bucket: str, resource: Mapping[str, Any], content_type: str | None) -> Upload:
    """Bring together what the query, the metadata and the headers of an upload say; metadata goes before headers."""
    settings = settings_from(resource)
    if content_type and "contentType" not in settings:
        settings.update(settings_from({"contentType": content_type}))
    if request.query.get("contentEncoding"):
        settings.update(settings_from({"contentEncoding": request.query["contentEncoding"]}))
    supplied = _hash_header(request)
    expected = Checksums(
        resource.get("crc32c") or supplied.crc32c,
        resource.get("md5Hash") or supplied.md5 or request.headers.get("Content-MD5"),
    )
    name = check_object_name(resource.get("name") or request.query.get("name"))
    return Upload(bucket, name, settings, Preconditions.from_query(request.query), expected)


def _hash_header(request: Request) -> Checksums:
    """Read `X-Goog-Hash: crc32c=…,md5=…`."""
    header = request.headers.get("X-Goog-Hash", "")
    hashes = dict(item.strip().split("=", 1) for item in header.split(",") if "=" in item)
    return Checksums(hashes.get("crc32c"), hashes.get("md5"))


def _session_id(request: Request) -> str:
    session_id = request.query.get("upload_id")
    if not session_id:
        raise StorageError(HTTPStatus.BAD_REQUEST, "required", "Required parameter: upload_id")
    return session_id
