"""A subscription at work on the event loop: its state, who waits for messages, and its timer."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from emulator.pubsub.clock import now_s
from emulator.pubsub.entries import Entry, Reader
from emulator.pubsub.errors import failed_precondition, not_found
from emulator.pubsub.filter import Predicate, compile_filter
from emulator.pubsub.names import short_id
from emulator.pubsub.policies import delivery_policy
from emulator.pubsub.subscription import Delivery, SubscriptionState
from emulator.pubsub.wire import Message

_TIMER_SLACK_S = 0.001

OnAcknowledge = Callable[[str, list[Message]], None]
"""Told of the subscription's full name and the messages, when an acknowledgement arrives and before it counts.

Runs on the server's event loop: it must not block. Ids of leases that have ended are left out.
"""


class Channel:
    """One subscription. Belongs to the server's event loop; not thread-safe.

    `forward` publishes an exhausted message to the dead-letter topic and tells whether there was such a topic.
    """

    def __init__(
        self,
        config: Message,
        loop: asyncio.AbstractEventLoop,
        forward: Callable[["Channel", Entry], bool],
        on_acknowledge: OnAcknowledge | None = None,
    ) -> None:
        self.config = config
        self.state = SubscriptionState(short_id(config.name), delivery_policy(config))
        self.deleted = False
        self._loop = loop
        self._forward = forward
        self._on_acknowledge = on_acknowledge
        self._filter: Predicate | None = compile_filter(config.filter) if config.filter else None
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0

    def reconfigure(self) -> None:
        """Apply a changed `config`."""
        self.state.policy = delivery_policy(self.config)

    def offer(self, message: Message, published_at: float) -> None:
        """Take in a message of the topic if the filter lets it pass."""
        if self._filter is None or self._filter(message.attributes):
            self.state.add(Entry(message, published_at))
            self._wake()

    def check_usable(self) -> None:
        """Raise when the subscription was deleted or detached."""
        if self.deleted:
            raise not_found("Subscription")
        if self.config.detached:
            raise failed_precondition("Subscription is detached")

    def take(self, limit: int, reader: Reader | None = None) -> list[Delivery]:
        """Lease ready messages; see `SubscriptionState.take`."""
        deliveries = self.state.take(now_s(), limit, reader)
        if deliveries:
            self._arm()
        return deliveries

    def acknowledge(self, ack_ids: Sequence[str]) -> list[str]:
        """Acknowledge and return the stale ids."""
        self.tell_acknowledged(ack_ids)
        stale = self.state.acknowledge(ack_ids, now_s())
        self._wake()
        return stale

    def tell_acknowledged(self, ack_ids: Sequence[str]) -> None:
        """Tell who listens which messages a caller wants to be rid of."""
        if self._on_acknowledge is not None:
            self._on_acknowledge(self.config.name, [entry.message for entry in self.state.leased(ack_ids)])

    def extend(self, ack_ids: Sequence[str], seconds: float) -> list[str]:
        """Extend leases, or give the messages back with 0 seconds, and return the stale ids."""
        stale = self.state.extend(ack_ids, seconds, now_s())
        self._settle_exhausted()
        self._wake()
        self._arm()
        return stale

    async def wait(self, timeout_s: float | None = None) -> None:
        """Wait until something may have changed, or the time is up."""
        woken: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append(woken)
        try:
            await asyncio.wait_for(woken, timeout_s)
        except TimeoutError:
            pass
        finally:
            if woken in self._waiting:
                self._waiting.remove(woken)

    def seek_to_time(self, time_s: float) -> None:
        """See `SubscriptionState.seek_to_time`."""
        self.state.seek_to_time(time_s)
        self._wake()

    def replace(self, entries: Sequence[Entry]) -> None:
        """Deliver `entries`, as far as they pass the filter, in place of everything else."""
        passing = [entry for entry in entries if self._filter is None or self._filter(entry.message.attributes)]
        self.state.replace(passing)
        self._wake()

    def close(self) -> None:
        """Stop the timer and let everybody who waits look again."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._wake()

    def _wake(self) -> None:
        while self._waiting:
            woken = self._waiting.popleft()
            if not woken.done():
                woken.set_result(None)

    wake = _wake

    def _arm(self) -> None:
        next_event = self.state.next_event()
        if next_event is None:
            return
        if self._timer is not None:
            if self._timer_at <= next_event:
                return
            self._timer.cancel()
        self._timer_at = next_event
        self._timer = self._loop.call_later(max(0.0, next_event - now_s()) + _TIMER_SLACK_S, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.state.advance(now_s())
        self._settle_exhausted()
        self._wake()
        self._arm()

    def _settle_exhausted(self) -> None:
        for entry in self.state.take_exhausted():
            if self._forward(self, entry):
                self.state.settle(entry)
            else:
                self.state.give_back(entry, now_s())
