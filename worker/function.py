"""Shell: CloudEvents and HTTP, as functions-framework calls them.

Returning acknowledges an event; raising answers 500 and asks for it again. So an invalid request returns, after its
rejection is stored, and only what may succeed later, or is a fault of ours, raises.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import flask
import functions_framework
import msgspec
from cloudevents.http import CloudEvent

from cloud.objects import TransientError
from schemas.errors import InvalidInput
from schemas.events import decode_push, is_notification, upload_from_cloud_event
from schemas.requests import MAX_REQUEST_BYTES, decode_classify
from worker.core.envelope import Envelope, normal_time
from worker.function_door import NotStored, error_body, protect
from worker.wiring import FunctionParts, build_function

WELCOME = "Welcome to Classifier"


@lru_cache(maxsize=1)
def _parts() -> FunctionParts:
    """Return the function's parts, made at the first request and kept for the life of the instance."""
    return build_function()


def protect_current_app() -> None:
    """Put limits, JSON errors and, for the functions that events call, the check of the caller around the app.

    Does nothing outside of an application's context: where only the functions are imported.
    """
    if flask.has_app_context():
        called_by_events = flask.current_app.name in {"score_message", "score_upload"}
        protect(flask.current_app, _push_refusal if called_by_events else None)


def _push_refusal(request: flask.Request) -> str | None:
    """Return why a push is refused, where pushes must prove who they are from and this one does not."""
    verifier = _parts().push_verifier
    return verifier.refusal(request.headers.get("Authorization")) if verifier else None


@functions_framework.cloud_event
def score_message(event: CloudEvent) -> None:
    """Score the review request, or run the CSV job, in a Pub/Sub `messagePublished` event."""
    message = decode_push(_json(event.data)).message
    envelope = Envelope(message.message_id, message.data, message.attributes, normal_time(message.publish_time))
    if 0 not in _parts().dispatcher.handle([envelope]):
        kind = "notification" if is_notification(envelope.attributes) else "review"
        raise NotStored(f"the outcome of {kind} {message.message_id} is not stored; deliver it again")


@functions_framework.cloud_event
def score_upload(event: CloudEvent) -> None:
    """Run the CSV job for the object of a Cloud Storage `finalized` event."""
    upload = upload_from_cloud_event(_json(event.data))
    if not _parts().dispatcher.handle_upload(upload):
        raise NotStored(f"the job of gs://{upload.bucket}/{upload.name} is not finished; deliver the event again")


@functions_framework.http
def classify(request: flask.Request) -> flask.typing.ResponseReturnValue:
    """Answer `GET` with a welcome, and `POST {"model": …, "x": ["text", …]}` with the predictions."""
    if request.method in {"GET", "HEAD"}:
        return flask.Response(WELCOME, mimetype="text/plain")
    if request.method != "POST":
        return _error(405, "method_not_allowed", "Send GET, or POST with a JSON body.")
    if (request.content_length or 0) > MAX_REQUEST_BYTES:
        return _error(413, "too_large", f"The body is larger than {MAX_REQUEST_BYTES:,} bytes. Send fewer texts.")
    try:
        body = decode_classify(request.get_data(cache=False))
        name = body.model[0] if isinstance(body.model, list) else body.model
        model = _parts().models.resolve(name, None)
    except InvalidInput as error:
        return _error(400, error.code, error.reason)
    except TransientError:
        return _error(503, "model_unavailable", "The model cannot be had now. Send the request again later.")
    scores = model.score(body.x)
    answers = [
        {
            "text": text,
            "label": scores.labels[row],
            "probability": scores.confidence(row),
            "model": model.name,
            "version": model.version,
        }
        for row, text in enumerate(body.x)
    ]
    if request.accept_mimetypes.best_match(["application/json", "text/plain"]) == "text/plain":
        return flask.Response("".join(map(_plain, answers)), mimetype="text/plain")
    return flask.Response(msgspec.json.encode(answers), mimetype="application/json")


def _plain(answer: dict[str, Any]) -> str:
    """Return label, probability and text, apart by tabs; white space inside the text becomes single spaces."""
    probability = "" if answer["probability"] is None else repr(answer["probability"])
    return f"{answer['label']}\t{probability}\t{' '.join(answer['text'].split())}\n"


def _error(status: int, code: str, reason: str) -> flask.Response:
    return flask.Response(error_body(code, reason), status=status, mimetype="application/json")


def _json(data: Any) -> bytes:  # noqa: ANN401 - the SDK leaves an event's data untyped
    """Return an event's data as JSON bytes again, for the strict decoder. Raises InvalidInput."""
    try:
        return data if isinstance(data, bytes) else msgspec.json.encode(data)
    except (TypeError, ValueError, OverflowError, RecursionError):
        # What the SDK's lenient parser lets through: huge numbers, halves of surrogate pairs, deep nesting.
        raise InvalidInput("invalid_event", "The event's data is no plain JSON. Send it unchanged.") from None
