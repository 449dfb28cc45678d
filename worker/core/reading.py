"""Reading with deduplication: storage keeps every row at least once, a reader sees each key once a partition."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from schemas.outcomes import Prediction, Rejection
from worker.core.naming import parse_time

Outcome = Prediction | Rejection

Precedence = tuple[datetime, str, int, str, bytes]

_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Conflict:
    """One key under which different texts were scored: two senders chose the same id."""

    key: str
    digests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """The rows of one partition."""

    rows: tuple[Outcome, ...]
    """One for each key, by ascending key."""
    repeats: int
    """Stored rows that were left out because their key was read already."""
    conflicts: tuple[Conflict, ...]


def deduplicate(outcomes: Iterable[Outcome]) -> Reading:
    """Return one row for each key of one partition, in whatever order the rows come.

    Of several rows under a key the one published first is kept, then the one with the lowest message id; what is
    still equal is decided by its bytes, so that every reader keeps the same row.
    """
    kept: dict[str, Outcome] = {}
    digests: dict[str, set[str]] = {}
    seen = 0
    for outcome in outcomes:
        seen += 1
        known = kept.get(outcome.key)
        kept[outcome.key] = outcome if known is None else min(known, outcome, key=precedence)
        if known is None:
            continue
        found = digests.setdefault(outcome.key, set())
        found.update(digest for digest in (known.text_sha256, outcome.text_sha256) if digest is not None)
    rows = tuple(kept[key] for key in sorted(kept))
    conflicts = tuple(Conflict(key, tuple(sorted(found))) for key, found in sorted(digests.items()) if len(found) > 1)
    return Reading(rows, seen - len(rows), conflicts)


def read_lines(chunks: Iterable[bytes], *, max_bytes: int) -> Iterator[bytes]:
    """Yield the lines of a JSON Lines stream without their line feeds; empty lines are left out.

    Raises ValueError for a line longer than `max_bytes`: no row of ours is, so the object is not what it seems.
    """
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from filter(None, whole)
        if len(rest) > max_bytes:
            raise ValueError(f"a line is longer than {max_bytes:,} bytes")
    if rest:
        yield rest


def precedence(outcome: Outcome) -> Precedence:
    """Order by publish time; message ids are numbers in practice, so shorter ones are lower. Ends with the bytes."""
    moment = parse_time(outcome.publish_time or "") or _NEVER
    message_id = outcome.message_id or ""
    return moment, outcome.publish_time or "", len(message_id), message_id, msgspec.json.encode(outcome)
