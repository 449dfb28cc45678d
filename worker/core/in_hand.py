"""What a worker has in hand: how much fits, which leases are due, what no longer moves. Pure; `now` is passed in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")

SHORTEST_LEASE_S = 10.0
"""The shortest ack deadline that a subscription can have (https://cloud.google.com/pubsub/docs/lease-management).

What a subscription really has takes a permission to ask; a worker that extends in time need not know.
"""

_FIRST_EXTENSION_S = 3.0
"""Most batches are done before, and cost no extension."""


@dataclass(slots=True, eq=False)
class Piece(Generic[T]):
    """A batch that was pulled, until it is acknowledged or given back. Times are monotonic seconds."""

    items: list[T]
    ack_ids: list[str]
    size_bytes: int
    lease_ends: float
    extend_at: float
    working_since: float | None = None
    """None while it waits for a thread."""
    thread: int = 0
    """The number of the thread that works on it."""


def leased(items: list[T], ack_ids: list[str], size_bytes: int, *, pulled_at: float) -> Piece[T]:
    """Return a piece whose lease began when its first pull was sent: at the earliest moment that is possible."""
    return Piece(items, ack_ids, size_bytes, pulled_at + SHORTEST_LEASE_S, pulled_at + _FIRST_EXTENSION_S)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much may be in hand before pulling pauses. The last batch that is let in may go over it, no other.

    By bytes it can do so by a whole answer to a pull: the worker asks for a number of messages, not of bytes.
    """

    messages: int
    bytes: int


@dataclass(slots=True)
class InHand(Generic[T]):
    """The pieces that are leased to this worker. Not thread-safe: the caller locks."""

    bounds: Bounds
    pieces: list[Piece[T]] = field(default_factory=list)

    def has_room(self) -> bool:
        """Say whether another batch may be pulled: always while nothing is in hand."""
        return not self.pieces or (
            sum(len(piece.items) for piece in self.pieces) < self.bounds.messages
            and sum(piece.size_bytes for piece in self.pieces) < self.bounds.bytes
        )

    def due(self, *, now: float) -> list[Piece[T]]:
        """Return the pieces whose leases should be extended now; a lease that has ended cannot be."""
        return [piece for piece in self.pieces if piece.extend_at <= now < piece.lease_ends]

    def extended(self, pieces: Sequence[Piece[T]], *, seconds: float, now: float) -> None:
        """Note that leases were extended by a call sent at `now`; again due when a third of it has passed."""
        for piece in pieces:
            piece.lease_ends = now + seconds
            piece.extend_at = now + seconds / 3

    def still_s(self, *, now: float, last_beat: Callable[[int], float]) -> float:
        """Return for how long the work on some piece has not moved.

        `last_beat` tells when the work of a thread last showed that it moves. What waits for a thread is not counted:
        when nothing moves, a piece that is worked on tells.
        """
        begun = ((piece.working_since, piece.thread) for piece in self.pieces)
        return max((now - max(since, last_beat(thread)) for since, thread in begun if since is not None), default=0.0)
