"""`google.pubsub.v1.Subscriber`, the administrative half: subscriptions."""

from collections.abc import Callable, Mapping
from typing import ClassVar

from emulator.pubsub.broker import Broker
from emulator.pubsub.channel import Channel
from emulator.pubsub.errors import PubSubError, already_exists, invalid, not_found
from emulator.pubsub.filter import compile_filter
from emulator.pubsub.masks import apply_update
from emulator.pubsub.names import check_name, check_project, page
from emulator.pubsub.policies import (
    DEFAULT_ACK_DEADLINE_S,
    DEFAULT_MAX_ATTEMPTS,
    DEFAULT_MAXIMUM_BACKOFF_S,
    DEFAULT_MINIMUM_BACKOFF_S,
    DEFAULT_RETENTION_S,
    duration_s,
)
from emulator.pubsub.rpc import Context
from emulator.pubsub.wire import Empty, ListSubscriptionsResponse, Message, grpc

_DEADLINE_RANGE_S = (10, 600)
_ATTEMPTS_RANGE = (5, 100)
_RETENTION_RANGE_S = (600, 31 * 24 * 3600)
_MAX_BACKOFF_S = 600
_MUTABLE = frozenset(
    {
        "ack_deadline_seconds",
        "dead_letter_policy",
        "enable_exactly_once_delivery",
        "expiration_policy",
        "labels",
        "message_retention_duration",
        "push_config",
        "retain_acked_messages",
        "retry_policy",
    }
)


class SubscriptionService:
    """The methods of the service by their names in the API.

    `pushed` is called with a subscription whose push configuration may have changed, also when it was deleted.
    """

    REQUESTS: ClassVar[Mapping[str, str]] = {
        "CreateSubscription": "Subscription",
        "GetSubscription": "GetSubscriptionRequest",
        "UpdateSubscription": "UpdateSubscriptionRequest",
        "DeleteSubscription": "DeleteSubscriptionRequest",
        "ListSubscriptions": "ListSubscriptionsRequest",
        "ModifyPushConfig": "ModifyPushConfigRequest",
    }

    def __init__(self, broker: Broker, pushed: Callable[[Channel], None]) -> None:
        self._broker = broker
        self._pushed = pushed

    async def CreateSubscription(self, request: Message, _context: Context) -> Message:
        """Create a subscription to an existing topic, with the API's defaults filled in."""
        check_name("subscriptions", request.name)
        if request.name in self._broker.channels:
            raise already_exists("Subscription")
        self._broker.topic(request.topic)
        request.detached = False
        request.ack_deadline_seconds = request.ack_deadline_seconds or DEFAULT_ACK_DEADLINE_S
        if not request.HasField("message_retention_duration"):
            request.message_retention_duration.seconds = DEFAULT_RETENTION_S
        request.push_config.SetInParent()
        self._check(request)
        channel = self._broker.subscribe(request)
        self._pushed(channel)
        return request

    async def GetSubscription(self, request: Message, _context: Context) -> Message:
        """Return a subscription."""
        return self._broker.channel(check_name("subscriptions", request.subscription)).config

    async def UpdateSubscription(self, request: Message, _context: Context) -> Message:
        """Change the fields of a subscription that the mask names; ordering and filter are for good."""
        channel = self._broker.channel(request.subscription.name)
        updated = apply_update(channel.config, request.subscription, request.update_mask, _MUTABLE)
        self._check(updated)
        channel.config.CopyFrom(updated)
        channel.reconfigure()
        self._pushed(channel)
        return channel.config

    async def DeleteSubscription(self, request: Message, _context: Context) -> Message:
        """Delete a subscription and what it holds; open streaming pulls end with NOT_FOUND."""
        channel = self._broker.channel(request.subscription)
        self._broker.unsubscribe(channel)
        self._pushed(channel)
        return Empty()

    async def ListSubscriptions(self, request: Message, _context: Context) -> Message:
        """List the subscriptions of a project by name."""
        prefix = check_project(request.project) + "/"
        names = sorted(name for name in self._broker.channels if name.startswith(prefix))
        some, token = page(names, request.page_size, request.page_token)
        configs = [self._broker.channels[name].config for name in some]
        return ListSubscriptionsResponse(subscriptions=configs, next_page_token=token)

    async def ModifyPushConfig(self, request: Message, _context: Context) -> Message:
        """Change between push and pull, or the endpoint."""
        channel = self._broker.channel(request.subscription)
        channel.config.push_config.CopyFrom(request.push_config)
        self._pushed(channel)
        return Empty()

    def _check(self, config: Message) -> None:
        low, high = _DEADLINE_RANGE_S
        if not low <= config.ack_deadline_seconds <= high:
            raise invalid("ack_deadline_secs out of bounds")
        low, high = _RETENTION_RANGE_S
        if not low <= config.message_retention_duration.seconds <= high:
            raise invalid("message_retention_duration out of bounds")
        if config.filter:
            compile_filter(config.filter)
        if config.HasField("retry_policy"):
            _check_retry(config.retry_policy)
        if config.HasField("dead_letter_policy"):
            _check_attempts(config.dead_letter_policy.max_delivery_attempts or DEFAULT_MAX_ATTEMPTS)
            if config.dead_letter_policy.dead_letter_topic not in self._broker.topics:
                raise not_found("Dead letter topic")
        endpoint = config.push_config.push_endpoint
        if endpoint and not endpoint.startswith(("http://", "https://")):
            raise invalid(f"Invalid push endpoint: {endpoint}")


def _check_retry(policy: Message) -> None:
    minimum = duration_s(policy.minimum_backoff) if policy.HasField("minimum_backoff") else DEFAULT_MINIMUM_BACKOFF_S
    maximum = duration_s(policy.maximum_backoff) if policy.HasField("maximum_backoff") else DEFAULT_MAXIMUM_BACKOFF_S
    for name, value in (("minimum_backoff", minimum), ("maximum_backoff", maximum)):
        if not 0 <= value <= _MAX_BACKOFF_S:
            raise invalid(f"The value for {name} is out of bounds. It must be between 0s and {_MAX_BACKOFF_S}s.")
    if maximum < minimum:
        raise invalid("The value for maximum_backoff is smaller than minimum_backoff.")


def _check_attempts(attempts: int) -> None:
    low, high = _ATTEMPTS_RANGE
    if not low <= attempts <= high:
        # The API answers OUT_OF_RANGE here, not INVALID_ARGUMENT as everywhere else.
        raise PubSubError(
            grpc.StatusCode.OUT_OF_RANGE,
            f"The value for max_delivery_attempts is {attempts}, but it must be between {low} and {high}.",
        )
