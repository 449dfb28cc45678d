"""`StreamingPull`: one open call that hands over messages and takes acknowledgements."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import ClassVar

from emulator.pubsub.broker import Broker
from emulator.pubsub.channel import Channel
from emulator.pubsub.entries import Reader
from emulator.pubsub.errors import PubSubError, invalid
from emulator.pubsub.faults import Faults
from emulator.pubsub.faults_delivery import disturbed
from emulator.pubsub.pull_service import MAX_EXTENSION_S, fill
from emulator.pubsub.rpc import Context
from emulator.pubsub.wire import Message, StreamingPullResponse

MAX_STREAM_MESSAGES = 500
_MIN_DEADLINE_S = 10


class StreamingPullService:
    """The one method of the service. A stream that is cancelled takes no further message at that moment."""

    REQUESTS: ClassVar[Mapping[str, str]] = {"StreamingPull": "StreamingPullRequest"}

    def __init__(self, broker: Broker, faults: Faults) -> None:
        self._broker = broker
        self._faults = faults

    async def StreamingPull(self, requests: AsyncIterator[Message], _context: Context) -> AsyncIterator[Message]:
        """Yield messages as they become ready and the flow control allows, until the caller closes its side."""
        first = await anext(aiter(requests), None)
        if first is None:
            return
        channel = self._broker.channel(first.subscription)
        stream = _Stream(channel, first, self._faults)
        listener = asyncio.create_task(stream.listen(requests))
        try:
            async for response in stream.responses():
                yield response
        finally:
            listener.cancel()


class _Stream:
    """The state of one call: what its reader holds, what to confirm, and whether the caller is done."""

    def __init__(self, channel: Channel, first: Message, faults: Faults) -> None:
        if not _MIN_DEADLINE_S <= first.stream_ack_deadline_seconds <= MAX_EXTENSION_S:
            raise invalid("stream_ack_deadline_seconds out of bounds")
        self._channel = channel
        self._faults = faults
        self._reader = Reader(
            deadline_s=first.stream_ack_deadline_seconds,
            maximum_messages=first.max_outstanding_messages if first.max_outstanding_messages > 0 else None,
            maximum_bytes=first.max_outstanding_bytes if first.max_outstanding_bytes > 0 else None,
        )
        self._confirmations: list[Message] = []
        self._failure: PubSubError | None = None
        self._closed = False
        self._apply(first)

    async def listen(self, requests: AsyncIterator[Message]) -> None:
        """Apply what the caller sends until it closes its side."""
        try:
            async for request in requests:
                self._apply(request)
        except PubSubError as error:
            self._failure = error
        finally:
            self._closed = True
            self._channel.wake()

    async def responses(self) -> AsyncIterator[Message]:
        """Yield confirmations and messages; raise when the subscription goes away."""
        while True:
            self._channel.check_usable()
            while self._confirmations:
                yield self._confirmations.pop(0)
            if self._failure is not None:
                raise self._failure
            if self._closed:
                return
            deliveries = self._channel.take(MAX_STREAM_MESSAGES, self._reader)
            if not deliveries:
                await self._channel.wait()
                continue
            response = StreamingPullResponse()
            fill(response.received_messages, disturbed(self._channel, deliveries, self._faults), self._channel)
            policy = self._channel.state.policy
            response.subscription_properties.exactly_once_delivery_enabled = policy.exactly_once
            response.subscription_properties.message_ordering_enabled = policy.ordered
            yield response

    def _apply(self, request: Message) -> None:
        if request.stream_ack_deadline_seconds:
            if not _MIN_DEADLINE_S <= request.stream_ack_deadline_seconds <= MAX_EXTENSION_S:
                raise invalid("stream_ack_deadline_seconds out of bounds")
            self._reader.deadline_s = request.stream_ack_deadline_seconds
        if request.ack_ids:
            stale = self._channel.acknowledge(request.ack_ids)
            self._confirm("acknowledge_confirmation", request.ack_ids, stale)
        if request.modify_deadline_ack_ids:
            self._modify(request)

    def _modify(self, request: Message) -> None:
        if len(request.modify_deadline_ack_ids) != len(request.modify_deadline_seconds):
            raise invalid("modify_deadline_ack_ids and modify_deadline_seconds differ in length")
        by_seconds: dict[int, list[str]] = {}
        for ack_id, seconds in zip(request.modify_deadline_ack_ids, request.modify_deadline_seconds, strict=True):
            if not 0 <= seconds <= MAX_EXTENSION_S:
                raise invalid("modify_deadline_seconds out of bounds")
            by_seconds.setdefault(seconds, []).append(ack_id)
        stale = [one for seconds, ack_ids in by_seconds.items() for one in self._channel.extend(ack_ids, seconds)]
        self._confirm("modify_ack_deadline_confirmation", request.modify_deadline_ack_ids, stale)

    def _confirm(self, field: str, ack_ids: list[str], stale: list[str]) -> None:
        """Queue the answer that the API gives on a stream, under exactly-once delivery only."""
        if not self._channel.state.policy.exactly_once:
            return
        refused = set(stale)
        response = StreamingPullResponse()
        confirmation = getattr(response, field)
        confirmation.ack_ids.extend(ack_id for ack_id in ack_ids if ack_id not in refused)
        confirmation.invalid_ack_ids.extend(stale)
        self._confirmations.append(response)
        self._channel.wake()
