"""What people send: review requests, and the body of an HTTP classify call."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec

from schemas.codec import decode
from schemas.errors import InvalidInput

MAX_TEXT_CHARS = 100_000
"""The longest review that is scored, in characters."""

MAX_REQUEST_BYTES = 9_000_000
"""Pub/Sub takes requests of 10,000,000 bytes (its quota page); the rest is room for attributes and framing."""

MAX_CLASSIFY_TEXTS = 1_000

ID_PATTERN = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_ID_SCHEMA = r"^[A-Za-z0-9._:-]{1,128}$"

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_TEXT_CHARS)]
Id = Annotated[str, msgspec.Meta(pattern=_ID_SCHEMA)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class ReviewRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One review to score, as the data of a Pub/Sub message."""

    text: Text
    id: Id | None = None
    model: Name | None = None
    version: Name | None = None


class ClassifyRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The JSON body of an HTTP classify call."""

    x: Annotated[list[Text], msgspec.Meta(min_length=1, max_length=MAX_CLASSIFY_TEXTS)]
    model: Name | Annotated[list[Name], msgspec.Meta(min_length=1, max_length=1)] | None = None


class _Identified(msgspec.Struct):
    """Just enough of a bad request to say whose it is."""

    id: str | None = None


def decode_review(data: bytes) -> ReviewRequest:
    """Return the request in a message's data; raises InvalidInput, with the request's id where it is readable."""
    try:
        request = decode(data, ReviewRequest, max_bytes=MAX_REQUEST_BYTES)
        # `$` of the schema's pattern also matches before a final line feed.
        if request.id is not None and not ID_PATTERN.fullmatch(request.id):
            raise InvalidInput("invalid_id", _BAD_ID)
    except InvalidInput as error:
        raise _about_review(error, data) from None
    return request


def decode_classify(data: bytes) -> ClassifyRequest:
    """Return the body of a classify call; raises InvalidInput."""
    return decode(data, ClassifyRequest, max_bytes=MAX_REQUEST_BYTES)


_BAD_ID = "The 'id' must be 1 to 128 characters of A-Z, a-z, 0-9, '.', '_', ':' and '-'. Send another id."
_SPECIAL = {
    ("missing_field", "'text'"): ("missing_text", "The field 'text' is missing. Put the review's text there."),
    ("empty_field", "'text'"): ("empty_text", "The 'text' is empty. Send at least one character."),
    ("field_too_long", "'text'"): (
        "text_too_long",
        f"The 'text' is longer than {MAX_TEXT_CHARS:,} characters. Shorten or split it.",
    ),
    ("invalid_field", "'id'"): ("invalid_id", _BAD_ID),
}


def _about_review(error: InvalidInput, data: bytes) -> InvalidInput:
    """Name the field's own code where it has one, and add the id where it is readable and valid."""
    code, reason = error.code, error.reason
    for (general, field), special in _SPECIAL.items():
        if code == general and field in reason:
            code, reason = special
    key = None
    if error.code not in {"too_large", "nested_too_deep"}:
        try:
            key = msgspec.json.decode(data, type=_Identified).id
        except (msgspec.MsgspecError, UnicodeDecodeError):
            key = None
    return InvalidInput(code, reason, key=key if key and ID_PATTERN.fullmatch(key) else None)
