"""What stands between functions-framework and the functions: a limit on bodies, errors as JSON, tokens of pushes.

functions-framework reads an event before a function of ours runs. What it cannot read it answers with a page that
repeats the request, its Authorization header too, and Flask logs the exception with its message. Neither may happen
to a review, so every error leaves as a small JSON object with a code, and is logged without its message.
"""

from __future__ import annotations

import io
import logging
import traceback
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

import flask
import msgspec
from cloudevents.exceptions import GenericException
from werkzeug.exceptions import HTTPException

from cloud.objects import CloudSetupError, TransientError
from schemas.errors import InvalidInput
from schemas.nesting import TOO_DEEP, nests_too_deep
from schemas.requests import MAX_REQUEST_BYTES
from worker.log import configure_logging
from worker.settings import InvalidSettings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_log = logging.getLogger(__name__)

MAX_BODY_BYTES = 2 * MAX_REQUEST_BYTES
"""The largest message as base64 inside an event, with room for its attributes."""

_JSON = "application/json"
_CODES = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 413: "too_large", 415: "unsupported_type"}
_TOO_LARGE = f"The body is larger than {MAX_BODY_BYTES:,} bytes. Send less at once."
_UNREADABLE = "The body is not an event that can be read. Send a CloudEvent, or a Pub/Sub push, as JSON."
_OUR_FAULT = "The request could not be handled; the log says where it failed. Send it again later."


class NotStored(Exception):  # noqa: N818 - a fact that the platform turns into a retry
    """The outcome of an event is not durable yet: it must be delivered again."""


def protect(app: flask.Flask, refusal: Callable[[flask.Request], str | None] | None) -> None:
    """Put the limits around an application of functions-framework, before its first request.

    `refusal` is asked before the body is read as an event; it returns why the caller is refused, or None. There is none
    for a function that reads its requests itself.
    """
    # Until the settings are read: the last resort of `logging` would print exceptions with their messages.
    configure_logging("INFO")
    app.wsgi_app = _BodyLimit(app.wsgi_app)  # type: ignore[method-assign] # Flask's own way to add a filter
    app.register_error_handler(Exception, _answer)
    app.register_error_handler(500, _answer)

    if refusal is None:
        return

    @app.before_request
    def _check() -> flask.Response | None:
        if (reason := refusal(flask.request)) is not None:
            return _refusal(401, "unauthenticated", reason)
        return _refusal(400, "nested_too_deep", TOO_DEEP) if nests_too_deep(flask.request.get_data()) else None


def error_body(code: str, reason: str) -> bytes:
    """Return the JSON of an error: {"error": {"code": …, "reason": …}}."""
    return msgspec.json.encode({"error": {"code": code, "reason": reason}})


def _answer(error: Exception) -> flask.Response:
    """Return what an exception is answered with; never repeats the request."""
    if isinstance(error, InvalidInput):
        return _refusal(400, error.code, error.reason)
    if isinstance(error, NotStored):  # logged where it failed
        return _response(500, "not_stored", "The outcome is not stored. Deliver the event again.")
    if isinstance(error, HTTPException) and error.code != HTTPStatus.INTERNAL_SERVER_ERROR:
        return _from_http(error)
    if isinstance(error, GenericException) or not _reached_our_code(error):
        return _refusal(400, "invalid_event", _UNREADABLE)
    if isinstance(error, InvalidSettings | CloudSetupError | TransientError):  # these name no request
        _log.error("a request failed: %s", error)
        return _response(500, "not_ready", _OUR_FAULT)
    _log.error("a request failed: a fault in the function", exc_info=error)
    # The header is how Cloud Functions tells a crash from an answer.
    response = _response(500, "internal_error", _OUR_FAULT)
    response.headers["X-Google-Status"] = "crash"
    return response


def _from_http(error: HTTPException) -> flask.Response:
    status = error.code or 500
    name = HTTPStatus(status).phrase.lower()
    reason = _UNREADABLE if status == HTTPStatus.BAD_REQUEST else f"The request was refused: {name}."
    response = _refusal(status, _CODES.get(status, "refused"), reason)
    allowed = getattr(error, "valid_methods", None)
    if allowed:
        response.headers["Allow"] = ", ".join(allowed)
    return response


def _refusal(status: int, code: str, reason: str) -> flask.Response:
    _log.warning("a request is refused with %d %s: %s", status, code, reason)
    return _response(status, code, reason)


def _response(status: int, code: str, reason: str) -> flask.Response:
    return flask.Response(error_body(code, reason), status=status, mimetype=_JSON)


def _reached_our_code(error: Exception) -> bool:
    """Say whether a function of ours ran; until then, what raises is the framework, on an event it cannot read."""
    frames = traceback.walk_tb(error.__traceback__)
    return any(str(frame.f_globals.get("__name__", "")).startswith("worker.") for frame, _ in frames)


class _BodyLimit:
    """A WSGI filter that answers 413 to bodies over the limit, and JSON where the application itself fails."""

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("HTTP_TRANSFER_ENCODING"):
            # No length is known: read what is allowed, and one byte more.
            body = environ["wsgi.input"].read(MAX_BODY_BYTES + 1)
            environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), str(len(body))
        if int(environ.get("CONTENT_LENGTH") or 0) > MAX_BODY_BYTES:
            return _plain_error(start_response, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", _TOO_LARGE)
        try:
            return self._app(environ, start_response)
        except Exception:  # noqa: BLE001 - the server's own page and log would repeat what failed
            _log.exception("a request failed outside of the function")
            return _plain_error(start_response, HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", _OUR_FAULT)


def _plain_error(start_response: StartResponse, status: HTTPStatus, code: str, reason: str) -> Iterable[bytes]:
    body = error_body(code, reason)
    headers = [("Content-Type", _JSON), ("Content-Length", str(len(body)))]
    start_response(f"{status.value} {status.phrase}", headers)
    return [body]
