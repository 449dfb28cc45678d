"""The one form that a message has inside, whichever door it came through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from worker.core.naming import utc_text


@dataclass(frozen=True, slots=True)
class Envelope:
    """A Pub/Sub message without the means to acknowledge it."""

    message_id: str
    data: bytes
    attributes: Mapping[str, str]
    publish_time: str
    """RFC 3339, UTC, microseconds (see `normal_time`)."""
    attempt: int = 0
    """How often it was delivered, this time included; 0 where nobody counts."""


def normal_time(stamp: str) -> str:
    """Return an RFC 3339 time with exactly six decimals, in UTC; other text comes back unchanged.

    Pulls give nanoseconds and pushes three to nine decimals: one form keeps result bytes the same through all doors.
    """
    return utc_text(stamp) or stamp
