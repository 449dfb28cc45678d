"""The queue port: a subscription to pull from, and a topic to publish to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Received:
    """One delivery of a message."""

    ack_id: str
    message_id: str
    data: bytes
    publish_time: str
    """RFC 3339, UTC."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    delivery_attempt: int = 0
    """From 1 where the subscription has a dead-letter policy, else 0."""


class Subscription(Protocol):
    """One subscription, pulled in batches. Every method may block and raises TransientError."""

    name: str

    def pull(self, max_messages: int, *, timeout_s: float) -> list[Received]:
        """Return up to `max_messages`, leased for the ack deadline; an empty list when none came in time."""

    def acknowledge(self, ack_ids: Sequence[str]) -> None:
        """Drop messages for good. Best effort: a dropped message can still be delivered again."""

    def extend(self, ack_ids: Sequence[str], *, seconds: int) -> None:
        """Set the leases to end `seconds` from now."""

    def give_back(self, ack_ids: Sequence[str]) -> None:
        """Have the messages delivered again (counts as an attempt)."""


class Topic(Protocol):
    """One topic."""

    name: str

    def publish(self, data: bytes, attributes: Mapping[str, str]) -> Future[str]:
        """Queue a message; blocks while too many are in flight. The future gives the message id."""

    def flush(self) -> None:
        """Send what is queued now."""
