"""The queue port in memory: a topic, and subscriptions with leases and dead letters."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from cloud.queue import Received, check_message
from cloud.rfc3339 import stamp

_NANOS = 1_000_000_000


@dataclass(slots=True)
class _Held:
    """One message in one subscription, until it is acknowledged."""

    message_id: str
    data: bytes
    attributes: Mapping[str, str]
    publish_time: str
    free_from: float = 0.0
    """When it may be delivered (again), by `now`."""
    attempts: int = 0
    ack_ids: list[str] = field(default_factory=list)


class MemoryTopic:
    """One topic; its subscriptions are attached by their constructor. `now` gives Unix time in seconds."""

    def __init__(self, name: str = "topic", *, now: Callable[[], float] = time.time) -> None:
        self._name = name
        self._now = now
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._subscriptions: list[MemorySubscription] = []

    @property
    def name(self) -> str:
        """The topic's name."""
        return self._name

    def publish(self, data: bytes, attributes: Mapping[str, str]) -> Future[str]:
        """See `Topic.publish`. The future has its result already."""
        check_message(data, attributes)
        with self._lock:
            message_id = f"{self._name}-{next(self._ids)}"
            subscriptions = list(self._subscriptions)
        publish_time = stamp(*divmod(int(self._now() * _NANOS), _NANOS))
        for subscription in subscriptions:
            subscription.offer(message_id, data, attributes, publish_time)
        answer: Future[str] = Future()
        answer.set_result(message_id)
        return answer

    def flush(self, *, timeout_s: float = 60.0) -> None:
        """See `Topic.flush`. Everything is answered at once."""

    def close(self) -> None:
        """See `Topic.close`."""

    def attach(self, subscription: MemorySubscription) -> None:
        """Have a subscription receive what is published from now on."""
        with self._lock:
            self._subscriptions.append(subscription)


class MemorySubscription:
    """One subscription of a topic.

    `now` gives the time in seconds by which leases end; a test can pass its own and move it. A pull waits in real time.
    With `dead_letters`, a message that was delivered `max_attempts` times without being acknowledged moves there.
    """

    def __init__(
        self,
        name: str,
        topic: MemoryTopic,
        *,
        ack_deadline_s: float = 10.0,
        dead_letters: MemoryTopic | None = None,
        max_attempts: int = 5,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._ack_deadline_s = ack_deadline_s
        self._dead_letters = dead_letters
        self._max_attempts = max_attempts
        self._now = now
        self._changed = threading.Condition()
        self._held: dict[str, _Held] = {}
        self._deliveries: dict[str, _Held] = {}
        topic.attach(self)

    @property
    def name(self) -> str:
        """The subscription's name."""
        return self._name

    def pull(self, max_messages: int, *, timeout_s: float) -> list[Received]:
        """See `Subscription.pull`."""
        gives_up = time.monotonic() + timeout_s
        with self._changed:
            while True:
                found = self._take(max_messages)
                remaining = gives_up - time.monotonic()
                if found or remaining <= 0:
                    return found
                self._changed.wait(min(remaining, self._until_next_lease_ends()))

    def acknowledge(self, ack_ids: Sequence[str]) -> None:
        """See `Subscription.acknowledge`."""
        with self._changed:
            for ack_id in ack_ids:
                held = self._deliveries.get(ack_id)
                if held is not None:
                    self._drop(held)

    def extend(self, ack_ids: Sequence[str], *, seconds: int) -> None:
        """See `Subscription.extend`. A lease that has ended stays ended."""
        with self._changed:
            moment = self._now()
            for ack_id in ack_ids:
                held = self._deliveries.get(ack_id)
                if held is not None and held.ack_ids[-1] == ack_id and held.free_from > moment:
                    held.free_from = moment + seconds
            self._changed.notify_all()

    def give_back(self, ack_ids: Sequence[str]) -> None:
        """See `Subscription.give_back`."""
        self.extend(ack_ids, seconds=0)

    def close(self) -> None:
        """See `Subscription.close`. Its messages stay."""

    def offer(self, message_id: str, data: bytes, attributes: Mapping[str, str], publish_time: str) -> None:
        """Take a published message in; called by the topic."""
        with self._changed:
            self._held[message_id] = _Held(message_id, data, dict(attributes), publish_time)
            self._changed.notify_all()

    def unacknowledged(self) -> int:
        """Return how many messages wait or are leased."""
        with self._changed:
            return len(self._held)

    def _take(self, max_messages: int) -> list[Received]:
        moment = self._now()
        free = [held for held in self._held.values() if held.free_from <= moment]
        taken: list[Received] = []
        for held in free:
            if self._dead_letters is not None and held.attempts >= self._max_attempts:
                self._drop(held)
                self._dead_letters.publish(held.data, held.attributes)
            elif len(taken) < max_messages:
                taken.append(self._lease(held, moment))
        return taken

    def _lease(self, held: _Held, moment: float) -> Received:
        held.attempts += 1
        held.free_from = moment + self._ack_deadline_s
        ack_id = f"{self._name}:{held.message_id}:{held.attempts}"
        held.ack_ids.append(ack_id)
        self._deliveries[ack_id] = held
        return Received(
            ack_id=ack_id,
            message_id=held.message_id,
            data=held.data,
            publish_time=held.publish_time,
            attributes=held.attributes,
            delivery_attempt=held.attempts if self._dead_letters is not None else 0,
        )

    def _drop(self, held: _Held) -> None:
        self._held.pop(held.message_id, None)
        for ack_id in held.ack_ids:
            self._deliveries.pop(ack_id, None)

    def _until_next_lease_ends(self) -> float:
        moment = self._now()
        return max(0.001, min((held.free_from - moment for held in self._held.values()), default=3600.0))
