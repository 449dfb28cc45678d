"""Points in time as people type them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from publisher.console import Unusable
from worker.core.naming import parse_time

_DURATION = re.compile(r"(\d{1,9})(s|m|h|d)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def point_in_time(text: str, *, now: datetime) -> datetime:
    """Return the UTC time that `text` means: RFC 3339, a date, or a duration before `now` such as 90s, 15m, 2h, 7d."""
    duration = _DURATION.fullmatch(text)
    if duration:
        try:
            return now - timedelta(**{_UNITS[duration[2]]: int(duration[1])})
        except OverflowError:
            return datetime.min.replace(tzinfo=UTC)
    moment = parse_time(text) or parse_time(f"{text}T00:00:00Z")
    if moment is None:
        raise Unusable(
            f"{text!r} is not a time. Give one such as 2026-03-01T10:00:00Z or 2026-03-01 (UTC), "
            "or how long ago, such as 90s, 15m, 2h or 7d."
        )
    return moment


def days_between(since: datetime, until: datetime, *, most: int) -> list[str] | None:
    """Return the UTC days as `YYYY-MM-DD` from one time to the other, None when there are more than `most`."""
    count = (until.date() - since.date()).days + 1
    if count > most:
        return None
    return [f"{since.date() + timedelta(days=day)}" for day in range(max(count, 0))]
