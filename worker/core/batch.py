"""When a batch is full: by count, bytes or age. Pure; `now` is passed in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """A batch is full when it reaches any of the three."""

    messages: int
    bytes: int
    age_s: float


@dataclass(slots=True)
class Batch(Generic[T]):
    """Messages that will be scored and stored together, unless the last answer to a pull took them over the bytes.

    A pull is asked for a number of messages and answers with any number of bytes: see `pieces`.
    """

    limits: BatchLimits
    items: list[T] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    """Bytes of each item."""
    size_bytes: int = 0
    opened_at: float | None = None
    """Monotonic time of the first message, in seconds."""

    def add(self, items: Iterable[tuple[T, int]], *, now: float) -> None:
        """Take messages, each with its size in bytes."""
        for item, size in items:
            if self.opened_at is None:
                self.opened_at = now
            self.items.append(item)
            self.sizes.append(size)
            self.size_bytes += size

    def pieces(self) -> Iterator[tuple[list[T], int]]:
        """Yield the messages in order, in runs that keep the limit of bytes, each with its size in bytes.

        A message that is larger by itself is a run of its own.
        """
        start, size = 0, 0
        for position, more in enumerate(self.sizes):
            if position > start and size + more > self.limits.bytes:
                yield self.items[start:position], size
                start, size = position, 0
            size += more
        if start < len(self.items):
            yield self.items[start:], size

    def full(self, *, now: float) -> bool:
        """Say whether the batch should be scored now; an empty batch never is."""
        return bool(self.items) and (
            self.room == 0 or self.size_bytes >= self.limits.bytes or self.waits_s(now=now) == 0
        )

    @property
    def room(self) -> int:
        """How many more messages fit."""
        return max(0, self.limits.messages - len(self.items))

    def waits_s(self, *, now: float) -> float:
        """Return the seconds until the batch is full by age; the whole age while it is empty."""
        if self.opened_at is None:
            return self.limits.age_s
        return max(0.0, self.opened_at + self.limits.age_s - now)
