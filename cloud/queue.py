"""The queue port: a subscription to pull from, and a topic to publish to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol

MAX_DATA_BYTES = 9_000_000
"""Size of one message's data: a publish request may hold 10,000,000 bytes, attributes and framing included."""

# https://cloud.google.com/pubsub/quotas#resource_limits
_MAX_ATTRIBUTES = 100
_MAX_KEY_BYTES = 256
_MAX_VALUE_BYTES = 1024
# The client library takes attributes as keyword arguments, beside these of its own.
_RESERVED_KEYS = frozenset({"self", "topic", "data", "ordering_key", "retry", "timeout"})


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
    """One subscription, pulled in batches. Every method may block and is safe to call from several threads.

    Every method raises TransientError and CloudSetupError. A lease that has ended is not an error: the message is
    delivered again, and outputs are safe to write twice.
    """

    @property
    def name(self) -> str:
        """The subscription's name, without `projects/…/`."""

    def pull(self, max_messages: int, *, timeout_s: float) -> list[Received]:
        """Return up to `max_messages`, leased for the ack deadline; an empty list when none came in time."""

    def acknowledge(self, ack_ids: Sequence[str]) -> None:
        """Drop messages for good. Best effort: a dropped message can still be delivered again."""

    def extend(self, ack_ids: Sequence[str], *, seconds: int) -> None:
        """Set the leases to end `seconds` (0 to 600) from now."""

    def give_back(self, ack_ids: Sequence[str]) -> None:
        """Have the messages delivered again (counts as an attempt)."""

    def close(self) -> None:
        """Release connections; no other method may be called afterwards. Safe to call twice."""


class Topic(Protocol):
    """One topic. Every method is safe to call from several threads."""

    @property
    def name(self) -> str:
        """The topic's name, without `projects/…/`."""

    def publish(self, data: bytes, attributes: Mapping[str, str]) -> Future[str]:
        """Queue a message; blocks while too many are in flight. Raises ValueError for what no topic takes.

        The future gives the message id, or TransientError or CloudSetupError. Always wait for it with a timeout.
        """

    def flush(self, *, timeout_s: float = 60.0) -> None:
        """Wait until every message published so far is answered, well or not. Raises TransientError after the time."""

    def close(self) -> None:
        """Send what is queued and release connections; nothing can be published afterwards. Safe to call twice."""


def check_message(data: bytes, attributes: Mapping[str, str]) -> None:
    """Raise ValueError for a message that Pub/Sub refuses.

    Checked one by one before publishing, because the service refuses the whole request, neighbours included.
    """
    if not data and not attributes:
        raise ValueError("a message needs data or at least one attribute")
    if len(data) > MAX_DATA_BYTES:
        raise ValueError(f"a message may hold {MAX_DATA_BYTES:,} bytes of data, this one holds {len(data):,}")
    if len(attributes) > _MAX_ATTRIBUTES:
        raise ValueError(f"a message may have {_MAX_ATTRIBUTES} attributes, this one has {len(attributes)}")
    for key, value in attributes.items():
        if not key or key.startswith("goog") or len(key.encode()) > _MAX_KEY_BYTES:
            raise ValueError(f"{key!r} cannot be an attribute's name: 1 to {_MAX_KEY_BYTES} bytes, not goog…")
        if key in _RESERVED_KEYS:
            raise ValueError(f"{key!r} cannot be an attribute's name: the client library uses it itself")
        if len(value.encode()) > _MAX_VALUE_BYTES:
            raise ValueError(f"the attribute {key!r} may hold {_MAX_VALUE_BYTES:,} bytes: {len(value.encode()):,}")
