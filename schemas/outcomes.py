"""What becomes of every row: a prediction or a rejection. One JSON line each; neither holds the review's text."""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

Stage = Literal["decode", "parse", "model", "score"]
"""Where a row was rejected: reading the message, reading the CSV, choosing the model, scoring."""


class Prediction(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The score of one review. No wall clock, worker name or attempt: the same input gives the same bytes."""

    key: str
    """The request's id, or `m:` and the message id; `r:` and the row number for a row of a file."""
    label: str
    probability: float | None
    """Of `label`, in 0..1; null where the classifier gives none (a linear SVC that was not calibrated)."""
    model: str
    version: str
    text_sha256: str
    """Ties the prediction to the text that was sent, without holding it."""
    message_id: str | None = None
    publish_time: str | None = None
    row: int | None = None
    """1-based number of the data row, for rows of a file."""


class Rejection(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Why one message or row was not scored, and how to mend it."""

    key: str
    code: str
    stage: Stage
    reason: str
    model: str | None = None
    version: str | None = None
    text_sha256: str | None = None
    message_id: str | None = None
    publish_time: str | None = None
    row: int | None = None
    line: int | None = None
    """1-based line of the file on which the row starts."""


class Receipt(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One line that the publisher writes for a review that Pub/Sub accepted; `verify` holds results against it."""

    id: str
    text_sha256: str
    message_id: str
    enqueued_at: str
    """RFC 3339, UTC, microseconds: names the results partition."""
    receipt: str
    """The publishing run; ids that it made up start with it."""


def text_digest(text: str) -> str:
    """Return the SHA-256 of the text's UTF-8 bytes, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()
