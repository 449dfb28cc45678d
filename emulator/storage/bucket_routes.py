"""Routes of buckets and their notification configurations."""

from __future__ import annotations

from http import HTTPStatus

from emulator.storage.listing import decode_token, encode_token, page_size
from emulator.storage.messages import Request, Response, json_response, partial_response
from emulator.storage.preconditions import Preconditions
from emulator.storage.routing import Route
from emulator.storage.store import Store

API = "/storage/v1"


class BucketRoutes:
    """The bucket half of the JSON API, over a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def routes(self) -> tuple[Route, ...]:
        """Return the table of routes."""
        bucket = API + "/b/{bucket}"
        notifications = bucket + "/notificationConfigs"
        return (
            Route("GET", "/", self.health),
            Route("HEAD", "/", self.health),
            Route("GET", API + "/projects/{project}/serviceAccount", self.service_account),
            Route("POST", API + "/b", self.insert),
            Route("GET", API + "/b", self.list),
            Route("GET", bucket, self.get),
            Route("PATCH", bucket, self.patch),
            Route("PUT", bucket, self.update),
            Route("DELETE", bucket, self.delete),
            Route("POST", notifications, self.insert_notification),
            Route("GET", notifications, self.list_notifications),
            Route("GET", notifications + "/{config}", self.get_notification),
            Route("DELETE", notifications + "/{config}", self.delete_notification),
        )

    def health(self, _: Request) -> Response:
        """Answer 200: the server takes requests."""
        return json_response({"status": "ok", "service": "reviewmill embedded storage"})

    def service_account(self, _: Request, project: str) -> Response:
        """Name the account that set-up scripts grant the right to publish notifications."""
        email = f"service-{project}@gs-project-accounts.iam.gserviceaccount.com"
        return json_response({"kind": "storage#serviceAccount", "email_address": email})

    def insert(self, request: Request) -> Response:
        """Create a bucket."""
        return partial_response(request, self._store.create_bucket(request.json()).resource(request.base_url))

    def list(self, request: Request) -> Response:
        """List buckets by prefix, in pages."""
        prefix = request.query.get("prefix", "")
        after = decode_token(request.query.get("pageToken"))[0] or ""
        matching = [
            bucket for bucket in self._store.buckets() if bucket.name.startswith(prefix) and bucket.name > after
        ]
        page = matching[: page_size(request.query)]
        listing: dict[str, object] = {
            "kind": "storage#buckets",
            "items": [bucket.resource(request.base_url) for bucket in page],
        }
        if len(matching) > len(page):
            listing["nextPageToken"] = encode_token(page[-1].name)
        return partial_response(request, listing)

    def get(self, request: Request, bucket: str) -> Response:
        """Return a bucket's resource."""
        found = self._store.bucket(bucket, Preconditions.for_reading(request.query, request.headers))
        return partial_response(request, found.resource(request.base_url))

    def patch(self, request: Request, bucket: str) -> Response:
        """Change the fields that the body names."""
        return self._change(request, bucket, merge=True)

    def update(self, request: Request, bucket: str) -> Response:
        """Replace all fields."""
        return self._change(request, bucket, merge=False)

    def delete(self, request: Request, bucket: str) -> Response:
        """Delete an empty bucket."""
        self._store.delete_bucket(bucket, Preconditions.from_query(request.query))
        return Response(HTTPStatus.NO_CONTENT)

    def insert_notification(self, request: Request, bucket: str) -> Response:
        """Add a notification configuration."""
        config = self._store.add_notification(bucket, request.json())
        return partial_response(request, config.resource(bucket, request.base_url))

    def list_notifications(self, request: Request, bucket: str) -> Response:
        """List a bucket's notification configurations."""
        configs = tuple(self._store.bucket(bucket).notifications.values())
        items = [config.resource(bucket, request.base_url) for config in configs]
        return partial_response(request, {"kind": "storage#notifications", "items": items})

    def get_notification(self, request: Request, bucket: str, config: str) -> Response:
        """Return one notification configuration."""
        found = self._store.bucket(bucket).notification(config)
        return partial_response(request, found.resource(bucket, request.base_url))

    def delete_notification(self, _: Request, bucket: str, config: str) -> Response:
        """Remove a notification configuration."""
        self._store.remove_notification(bucket, config)
        return Response(HTTPStatus.NO_CONTENT)

    def _change(self, request: Request, bucket: str, *, merge: bool) -> Response:
        when = Preconditions.from_query(request.query)
        return partial_response(
            request, self._store.change_bucket(bucket, request.json(), when, merge=merge).resource(request.base_url)
        )
