"""Times as the JSON form of protobuf writes them, so that a message has the same bytes however it arrived."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

_NANOS_OF_MICRO = 1_000
_NANOS_OF_MILLI = 1_000_000


def stamp(seconds: int, nanos: int) -> str:
    """Return RFC 3339 in UTC with 0, 3, 6 or 9 digits of a second, from Unix time in seconds and nanoseconds.

    The format is protobuf's (https://protobuf.dev/programming-guides/json); its own code takes three times as
    long, which a worker would pay for every message.
    """
    whole = _whole(seconds)
    if nanos == 0:
        return f"{whole}Z"
    if nanos % _NANOS_OF_MILLI == 0:
        return f"{whole}.{nanos // _NANOS_OF_MILLI:03d}Z"
    if nanos % _NANOS_OF_MICRO == 0:
        return f"{whole}.{nanos // _NANOS_OF_MICRO:06d}Z"
    return f"{whole}.{nanos:09d}Z"


@lru_cache(maxsize=256)
def _whole(seconds: int) -> str:
    """Messages of one pull were published within a few seconds."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
