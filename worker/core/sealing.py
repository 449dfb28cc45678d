"""Merging stored rows: each outcome once, however often it was stored, in one order, in memory that does not grow.

What readers see is the same before and after: of rows with one key and one outcome the one that readers would take is
kept, and rows with one key and different outcomes are all kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec

from schemas.codec import encode
from schemas.sealed import SealedCounts
from worker.core.reading import Outcome, Precedence, precedence

Entry = tuple[str, bytes, Precedence, int, str | None]
"""Key; what makes two rows the same outcome; rank among those; 1 for a new row, 0 for a sealed one; text's digest."""


def entry(outcome: Outcome, *, new: bool) -> Entry:
    """Return the sort entry of a row.

    Two rows are the same outcome when all but the delivery is equal: a publish that was repeated gives a request a
    second message id and time. Where no one could read the text, the message id is all that tells two requests apart.
    """
    told_by = outcome.message_id if outcome.text_sha256 is None else None
    same = msgspec.structs.replace(outcome, publish_time=None, message_id=told_by)
    return outcome.key, encode(same), precedence(outcome), int(new), outcome.text_sha256


def line_of(item: Entry) -> bytes:
    """Return an entry's row as it is stored, with its line feed."""
    return item[2][-1] + b"\n"


class Sealing:
    """Takes sorted entries, yields the new rows to keep, and counts."""

    def __init__(self) -> None:
        self._read = 0
        self._rows = 0
        self._conflicts = 0

    @property
    def counts(self) -> SealedCounts:
        """The counts, once every entry was taken."""
        return SealedCounts(
            read=self._read, rows=self._rows, repeats=self._read - self._rows, conflicts=self._conflicts
        )

    def kept(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Yield the first entry of each outcome where it is new. `entries` ascend; keeps one of them in memory."""
        key, outcome = None, None
        digest: str | None = None
        differs = added = False
        for item in entries:
            self._read += item[3]
            if item[0] != key:
                self._conflicts += differs and added
                key, outcome, digest, differs, added = item[0], None, None, False, False
            differs = differs or (digest is not None and item[4] not in {None, digest})
            digest = digest or item[4]
            if item[1] == outcome:
                continue
            outcome = item[1]
            if item[3]:
                added = True
                self._rows += 1
                yield item
        self._conflicts += differs and added


@dataclass(frozen=True, slots=True)
class Chunk:
    """The bytes of one object of sealed rows."""

    name: str
    data: bytes
    rows: int


def chunks(lines: Iterable[bytes], *, max_bytes: int) -> Iterator[Chunk]:
    """Yield the lines in objects of at most `max_bytes`, each named by its content; one of them is in memory."""
    held: list[bytes] = []
    size = 0
    for line in lines:
        if held and size + len(line) > max_bytes:
            yield _chunk(held)
            held, size = [], 0
        held.append(line)
        size += len(line)
    if held:
        yield _chunk(held)


def content_name(data: bytes) -> str:
    """Return the name, without its folder, of an object that holds these bytes."""
    return f"{hashlib.sha256(data).hexdigest()}.jsonl"


def _chunk(lines: list[bytes]) -> Chunk:
    data = b"".join(lines)
    return Chunk(content_name(data), data, len(lines))
