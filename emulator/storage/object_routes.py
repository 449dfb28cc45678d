"""Routes of stored objects: metadata, listing, deleting, composing, copying."""

from __future__ import annotations

from http import HTTPStatus

from emulator.storage import operations
from emulator.storage.bucket_routes import API
from emulator.storage.errors import not_implemented
from emulator.storage.listing import ListingQuery
from emulator.storage.media import download
from emulator.storage.messages import Request, Response, partial_response
from emulator.storage.preconditions import Preconditions, optional_number
from emulator.storage.records import ObjectRecord, patched_settings
from emulator.storage.routing import Route
from emulator.storage.store import Store

OBJECT = API + "/b/{bucket}/o/{name}"
TARGET = "/b/{to_bucket}/o/{to_name}"
# Buckets cannot have these names here: the paths of the APIs begin with them.
_API_ROOTS = frozenset({"storage", "upload", "download", "batch"})


class ObjectRoutes:
    """The object half of the JSON API, over a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def routes(self) -> tuple[Route, ...]:
        """Return the table of routes. The XML-style path comes last: it matches nearly everything."""
        return (
            Route("GET", API + "/b/{bucket}/o", self.list),
            Route("GET", OBJECT, self.get),
            Route("PATCH", OBJECT, self.patch),
            Route("PUT", OBJECT, self.update),
            Route("DELETE", OBJECT, self.delete),
            Route("POST", OBJECT + "/compose", self.compose),
            Route("POST", OBJECT + "/copyTo" + TARGET, self.copy),
            Route("POST", OBJECT + "/rewriteTo" + TARGET, self.rewrite),
            Route("POST", OBJECT + "/moveTo/o/{to_name}", self.move),
            Route("GET", "/download" + OBJECT, self.download),
            Route("HEAD", "/download" + OBJECT, self.download),
        )

    def xml_routes(self) -> tuple[Route, ...]:
        """Return the routes of XML-style downloads; put them last, since they match nearly every path."""
        return (
            Route("GET", "/{bucket}/{name*}", self.download_by_path),
            Route("HEAD", "/{bucket}/{name*}", self.download_by_path),
        )

    def list(self, request: Request, bucket: str) -> Response:
        """List a page of objects and prefixes."""
        if request.query.get("softDeleted", "").lower() == "true":
            raise not_implemented("The embedded storage server keeps no deleted objects.")
        page = self._store.list(bucket, ListingQuery.from_query(request.query))
        listing: dict[str, object] = {"kind": "storage#objects"}
        if page.records:
            with_md5 = request.fields.wants("items", "md5Hash")
            listing["items"] = [record.resource(request.base_url, with_md5=with_md5) for record in page.records]
        if page.prefixes:
            listing["prefixes"] = page.prefixes
        if page.next_token is not None:
            listing["nextPageToken"] = page.next_token
        return partial_response(request, listing)

    def get(self, request: Request, bucket: str, name: str) -> Response:
        """Return an object's resource, or its content with `alt=media`."""
        if request.query.get("alt") == "media":
            return self.download(request, bucket, name)
        when = Preconditions.for_reading(request.query, request.headers)
        record = self._store.get(bucket, name, _generation(request), when)
        return resource_response(request, record)

    def download(self, request: Request, bucket: str, name: str) -> Response:
        """Return an object's content."""
        return download(self._store, request, bucket, name)

    def download_by_path(self, request: Request, bucket: str, name: str) -> Response:
        """Return an object's content under the path that links and signed URLs use."""
        if bucket in _API_ROOTS:
            raise not_implemented(f"The embedded storage server does not implement {request.method} {request.path}.")
        return download(self._store, request, bucket, name)

    def patch(self, request: Request, bucket: str, name: str) -> Response:
        """Change the metadata that the body names."""
        body, generation, when = request.json(), _generation(request), Preconditions.from_query(request.query)
        with self._store.transaction():
            current = self._store.get(bucket, name, generation)
            settings = patched_settings(current.settings, body)
            record = self._store.update(bucket, name, settings, generation, when)
        return resource_response(request, record)

    def update(self, request: Request, bucket: str, name: str) -> Response:
        """Replace all metadata that a client may set."""
        when = Preconditions.from_query(request.query)
        return resource_response(request, self._store.update(bucket, name, request.json(), _generation(request), when))

    def delete(self, request: Request, bucket: str, name: str) -> Response:
        """Delete an object."""
        self._store.delete(bucket, name, _generation(request), Preconditions.from_query(request.query))
        return Response(HTTPStatus.NO_CONTENT)

    def compose(self, request: Request, bucket: str, name: str) -> Response:
        """Join up to 32 objects into one."""
        composition = operations.Composition.from_resource(bucket, name, request.json())
        when = Preconditions.from_query(request.query)
        return resource_response(request, operations.compose(self._store, composition, when))

    def copy(self, request: Request, bucket: str, name: str, to_bucket: str, to_name: str) -> Response:
        """Copy an object in one call."""
        return resource_response(request, self._copy(request, bucket, name, to_bucket, to_name))

    def rewrite(self, request: Request, bucket: str, name: str, to_bucket: str, to_name: str) -> Response:
        """Copy an object; the server is always done after one call and hands out no rewrite token."""
        record = self._copy(request, bucket, name, to_bucket, to_name)
        size = str(record.content.size)
        return partial_response(
            request,
            {
                "kind": "storage#rewriteResponse",
                "done": True,
                "objectSize": size,
                "totalBytesRewritten": size,
                "resource": record.resource(request.base_url, with_md5=request.fields.wants("resource", "md5Hash")),
            },
        )

    def move(self, request: Request, bucket: str, name: str, to_name: str) -> Response:
        """Rename an object within its bucket, in one step."""
        source = operations.source_of(bucket, name, request.query)
        when = Preconditions.from_query(request.query)
        return resource_response(request, operations.move(self._store, source, to_name, when))

    def _copy(self, request: Request, bucket: str, name: str, to_bucket: str, to_name: str) -> ObjectRecord:
        source = operations.source_of(bucket, name, request.query)
        when = Preconditions.from_query(request.query)
        return operations.copy(self._store, source, (to_bucket, to_name), request.json(), when)


def _generation(request: Request) -> int | None:
    return optional_number(request.query, "generation")


def resource_response(request: Request, record: ObjectRecord) -> Response:
    """Return what a request wants of an object's resource."""
    with_md5 = request.fields.wants("md5Hash")
    return partial_response(request, record.resource(request.base_url, with_md5=with_md5))
