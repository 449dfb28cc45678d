"""What a subscription's configuration means for delivery, read once from its protobuf message."""

from dataclasses import dataclass

from emulator.pubsub.wire import Message

DEFAULT_ACK_DEADLINE_S = 10
DEFAULT_RETENTION_S = 7 * 24 * 3600
DEFAULT_MAX_ATTEMPTS = 5
DEFAULT_MINIMUM_BACKOFF_S = 10.0
DEFAULT_MAXIMUM_BACKOFF_S = 600.0
_MOST_DOUBLINGS = 30


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential backoff between a failed delivery and the next, in seconds."""

    minimum_backoff_s: float
    maximum_backoff_s: float

    def backoff_s(self, attempts: int) -> float:
        """Return the wait after the delivery number `attempts` (from 1) failed: doubled each time, then constant."""
        doublings = min(max(attempts - 1, 0), _MOST_DOUBLINGS)
        return min(self.maximum_backoff_s, self.minimum_backoff_s * 2.0**doublings)


@dataclass(frozen=True, slots=True)
class DeliveryPolicy:
    """The delivery rules of one subscription.

    `maximum_attempts` is None without a dead-letter policy, `retry` is None when a failed delivery is repeated at once.
    """

    ack_deadline_s: float = DEFAULT_ACK_DEADLINE_S
    ordered: bool = False
    exactly_once: bool = False
    retain_acked: bool = False
    retention_s: float = DEFAULT_RETENTION_S
    maximum_attempts: int | None = None
    retry: RetryPolicy | None = None


def delivery_policy(config: Message) -> DeliveryPolicy:
    """Read the delivery rules from a `google.pubsub.v1.Subscription`."""
    maximum_attempts = None
    if config.HasField("dead_letter_policy"):
        maximum_attempts = config.dead_letter_policy.max_delivery_attempts or DEFAULT_MAX_ATTEMPTS
    return DeliveryPolicy(
        ack_deadline_s=config.ack_deadline_seconds or DEFAULT_ACK_DEADLINE_S,
        ordered=config.enable_message_ordering,
        exactly_once=config.enable_exactly_once_delivery,
        retain_acked=config.retain_acked_messages,
        retention_s=duration_s(config.message_retention_duration) or DEFAULT_RETENTION_S,
        maximum_attempts=maximum_attempts,
        retry=_retry_policy(config.retry_policy) if config.HasField("retry_policy") else None,
    )


def _retry_policy(config: Message) -> RetryPolicy:
    minimum, maximum = DEFAULT_MINIMUM_BACKOFF_S, DEFAULT_MAXIMUM_BACKOFF_S
    if config.HasField("minimum_backoff"):
        minimum = duration_s(config.minimum_backoff)
    if config.HasField("maximum_backoff"):
        maximum = duration_s(config.maximum_backoff)
    return RetryPolicy(minimum, maximum)


def duration_s(duration: Message) -> float:
    """Return a `google.protobuf.Duration` in seconds."""
    return float(duration.seconds + duration.nanos / 1e9)
