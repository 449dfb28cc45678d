"""The one error type of the storage server, with a constructor for each status that Cloud Storage uses.

Codes and reasons: https://cloud.google.com/storage/docs/json_api/v1/status-codes
"""

from __future__ import annotations

from http import HTTPStatus


class StorageError(Exception):
    """A request that cannot be served, as an HTTP status, Google's `reason` word and a sentence."""

    def __init__(self, status: int, reason: str, message: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.headers = headers

    def resource(self) -> dict[str, object]:
        """Return Google's JSON error body."""
        detail = {"message": self.message, "domain": "global", "reason": self.reason}
        return {"error": {"code": self.status, "message": self.message, "errors": [detail]}}


def bad_request(message: str, reason: str = "invalid") -> StorageError:
    """Return a 400: the request itself is wrong and will be wrong again."""
    return StorageError(HTTPStatus.BAD_REQUEST, reason, message)


def not_found(message: str) -> StorageError:
    """Return a 404."""
    return StorageError(HTTPStatus.NOT_FOUND, "notFound", message)


def no_such_bucket(bucket: str) -> StorageError:
    """Return the 404 of a bucket."""
    return not_found(f"The specified bucket does not exist: {bucket}")


def no_such_object(bucket: str, name: str) -> StorageError:
    """Return the 404 of an object, or of a generation of it."""
    return not_found(f"No such object: {bucket}/{name}")


def conflict(message: str) -> StorageError:
    """Return a 409."""
    return StorageError(HTTPStatus.CONFLICT, "conflict", message)


def precondition_failed() -> StorageError:
    """Return the 412 of a precondition that does not hold."""
    message = "At least one of the pre-conditions you specified did not hold."
    return StorageError(HTTPStatus.PRECONDITION_FAILED, "conditionNotMet", message)


def not_modified() -> StorageError:
    """Return the 304 of a read whose `…NotMatch` precondition names what is stored."""
    return StorageError(HTTPStatus.NOT_MODIFIED, "notModified", "Not Modified")


def not_implemented(message: str) -> StorageError:
    """Return a 501: Cloud Storage can do this and the embedded server cannot."""
    return StorageError(HTTPStatus.NOT_IMPLEMENTED, "notImplemented", message)
