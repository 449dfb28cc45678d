"""Errors that functions-framework and Flask answer before our code runs, in our own words."""

from __future__ import annotations

import flask
import msgspec
from werkzeug.exceptions import HTTPException


def answer_errors_briefly() -> None:
    """Make the app that is being built answer its HTTP errors as our functions do: a code and a reason, as JSON.

    Without this the answer to an event that is malformed repeats the request, its Authorization header with it.
    functions-framework runs the module with the entry points inside the app's context; outside one nothing is done.
    """
    if flask.has_app_context():
        flask.current_app.register_error_handler(HTTPException, _brief)


def _brief(error: HTTPException) -> flask.Response:
    """Return the error's status and headers without its description, which can hold what the client sent."""
    status = error.code or 500
    response = flask.Response(_body(error.name), status=status, mimetype="application/json")
    for name, value in error.get_headers():
        if name.lower() not in {"content-type", "content-length"}:
            response.headers[name] = value
    return response


def _body(name: str) -> bytes:
    reason = f"{name}. Send a CloudEvent of the function's kind, or for HTTP functions GET or POST."
    return msgspec.json.encode({"error": {"code": name.lower().replace(" ", "_"), "reason": reason}})
