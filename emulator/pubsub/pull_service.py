"""`google.pubsub.v1.Subscriber`, the busy half: unary pull, acknowledgements, and deadlines."""

from collections.abc import Mapping
from typing import ClassVar

from emulator.pubsub.broker import Broker
from emulator.pubsub.channel import Channel
from emulator.pubsub.clock import now_s
from emulator.pubsub.errors import invalid
from emulator.pubsub.faults import Faults
from emulator.pubsub.faults_delivery import disturbed
from emulator.pubsub.rpc import Context
from emulator.pubsub.subscription import Delivery
from emulator.pubsub.wire import Empty, Message, PullResponse

MAX_PULL_MESSAGES = 1000
MAX_EXTENSION_S = 600
_LONGEST_WAIT_S = 90.0
_WAIT_SHARE = 0.9
"""Of the time until the caller's deadline; in the rest an empty answer arrives on a busy machine, too."""


class PullService:
    """The methods of the service by their names in the API."""

    REQUESTS: ClassVar[Mapping[str, str]] = {
        "Pull": "PullRequest",
        "Acknowledge": "AcknowledgeRequest",
        "ModifyAckDeadline": "ModifyAckDeadlineRequest",
    }

    def __init__(self, broker: Broker, faults: Faults) -> None:
        self._broker = broker
        self._faults = faults

    async def Pull(self, request: Message, context: Context) -> Message:
        """Hand over ready messages, waiting for the first until shortly before the caller's deadline.

        Ends empty rather than late, as the real service does; the official emulator lets the deadline pass.
        """
        channel = self._broker.channel(request.subscription)
        if request.max_messages <= 0:
            raise invalid("No max_messages specified")
        limit = min(request.max_messages, MAX_PULL_MESSAGES)
        remaining_s = context.time_remaining()
        until = now_s() + min(_LONGEST_WAIT_S, _LONGEST_WAIT_S if remaining_s is None else _WAIT_SHARE * remaining_s)
        while True:
            channel.check_usable()
            deliveries = channel.take(limit)
            left_s = until - now_s()
            if deliveries or request.return_immediately or left_s <= 0:
                response = PullResponse()
                fill(response.received_messages, disturbed(channel, deliveries, self._faults), channel)
                return response
            await channel.wait(left_s)

    async def Acknowledge(self, request: Message, _context: Context) -> Message:
        """Acknowledge; stale ids are an error only under exactly-once delivery."""
        channel = self._broker.channel(request.subscription)
        if not request.ack_ids:
            raise invalid("No ack ids specified.")
        if self._faults.strikes("lost_ack"):
            channel.tell_acknowledged(request.ack_ids)
            return Empty()
        stale = channel.acknowledge(request.ack_ids)
        if stale and (error := channel.state.exactly_once_error(request.ack_ids, stale)):
            raise error
        return Empty()

    async def ModifyAckDeadline(self, request: Message, _context: Context) -> Message:
        """Extend leases, or give messages back with 0 seconds; stale ids as in `Acknowledge`."""
        channel = self._broker.channel(request.subscription)
        if not request.ack_ids:
            raise invalid("No ack ids specified.")
        if not 0 <= request.ack_deadline_seconds <= MAX_EXTENSION_S:
            raise invalid("ack_deadline_seconds out of bounds")
        stale = channel.extend(request.ack_ids, request.ack_deadline_seconds)
        if stale and (error := channel.state.exactly_once_error(request.ack_ids, stale)):
            raise error
        return Empty()


def fill(received: Message, deliveries: list[Delivery], channel: Channel) -> None:
    """Append the deliveries to a repeated `ReceivedMessage`; attempts are told only with a dead-letter policy."""
    counted = channel.state.policy.maximum_attempts is not None
    for delivery in deliveries:
        one = received.add()
        one.ack_id = delivery.ack_id
        one.message.CopyFrom(delivery.entry.message)
        if counted:
            one.delivery_attempt = delivery.attempt
