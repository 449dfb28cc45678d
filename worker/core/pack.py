"""Result lines → the objects that hold them: partitioned, sorted, bounded, named by their content."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from schemas.codec import encode
from schemas.outcomes import Prediction, Rejection
from worker.core.naming import reviews_object

MAX_OBJECT_BYTES = 8 * 1024 * 1024
"""One atomic, checksummed upload request; larger results become several objects."""

Kind = Literal["reviews", "rejections"]


@dataclass(frozen=True, slots=True)
class Line:
    """One outcome, where it belongs, and the messages that are done once it is stored."""

    kind: Kind
    partition: str
    outcome: Prediction | Rejection
    origins: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ResultObject:
    """An object to be written once."""

    name: str
    data: bytes
    origins: frozenset[int]


def pack(lines: Iterable[Line], *, max_bytes: int = MAX_OBJECT_BYTES) -> list[ResultObject]:
    """Return the objects for a batch's lines; the same lines in any order give the same objects."""
    groups: dict[tuple[Kind, str], list[tuple[bytes, tuple[int, ...]]]] = defaultdict(list)
    for line in sorted(lines, key=lambda line: (line.outcome.key, line.outcome.message_id or "")):
        groups[line.kind, line.partition].append((encode(line.outcome) + b"\n", line.origins))
    return [
        ResultObject(reviews_object(kind, part, data), data, origins)
        for (kind, part), encoded in sorted(groups.items())
        for data, origins in _split(encoded, max_bytes)
    ]


def _split(encoded: list[tuple[bytes, tuple[int, ...]]], max_bytes: int) -> Iterator[tuple[bytes, frozenset[int]]]:
    chunk: list[bytes] = []
    origins: set[int] = set()
    size = 0
    for line, positions in encoded:
        if chunk and size + len(line) > max_bytes:
            yield b"".join(chunk), frozenset(origins)
            chunk, origins, size = [], set(), 0
        chunk.append(line)
        origins.update(positions)
        size += len(line)
    yield b"".join(chunk), frozenset(origins)
