"""A subscription and a topic that fail on purpose, as the network does, and count how often they did."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future

from cloud.faults import Faults
from cloud.objects import TransientError
from cloud.queue import Received, Subscription, Topic


class FaultySubscription:
    """A subscription that fails as planned."""

    def __init__(self, inner: Subscription, faults: Faults) -> None:
        self._inner = inner
        self._faults = faults
        self._lock = threading.Lock()
        self._again: list[Received] = []

    @property
    def name(self) -> str:
        """See `Subscription.name`."""
        return self._inner.name

    def pull(self, max_messages: int, *, timeout_s: float) -> list[Received]:
        """See `Subscription.pull`. Messages of a lost answer stay leased, as they do in the cloud."""
        kind = self._faults.next("pull")
        if kind == "before":
            raise TransientError("pull: injected before the call")
        with self._lock:
            again, self._again = self._again[:max_messages], self._again[max_messages:]
        if again:
            return again
        messages = self._inner.pull(max_messages, timeout_s=timeout_s)
        if kind == "duplicate":
            with self._lock:
                self._again += messages
        elif kind is not None:
            raise TransientError("pull: injected after the call")
        return messages

    def acknowledge(self, ack_ids: Sequence[str]) -> None:
        """See `Subscription.acknowledge`."""
        self._run("acknowledge", lambda: self._inner.acknowledge(ack_ids))

    def extend(self, ack_ids: Sequence[str], *, seconds: int) -> None:
        """See `Subscription.extend`."""
        self._run("extend", lambda: self._inner.extend(ack_ids, seconds=seconds))

    def give_back(self, ack_ids: Sequence[str]) -> None:
        """See `Subscription.give_back`."""
        self._run("give_back", lambda: self._inner.give_back(ack_ids))

    def close(self) -> None:
        """See `Subscription.close`."""
        self._inner.close()

    def _run(self, method: str, call: Callable[[], None]) -> None:
        kind = self._faults.next(method)
        if kind == "before":
            raise TransientError(f"{method}: injected before the call")
        if kind != "lost":
            call()
        if kind == "repeated":
            call()
        if kind == "lost_answer":
            raise TransientError(f"{method}: injected after the call")


class FaultyTopic:
    """A topic that fails as planned: `before` and `lost_answer` are in the future, `repeated` publishes twice."""

    def __init__(self, inner: Topic, faults: Faults) -> None:
        self._inner = inner
        self._faults = faults

    @property
    def name(self) -> str:
        """See `Topic.name`."""
        return self._inner.name

    def publish(self, data: bytes, attributes: Mapping[str, str]) -> Future[str]:
        """See `Topic.publish`."""
        kind = self._faults.next("publish")
        if kind == "before":
            return _failed("publish: injected before the call")
        answer = self._inner.publish(data, attributes)
        if kind == "repeated":
            return self._inner.publish(data, attributes)
        return answer if kind is None else _failed("publish: injected after the call")

    def flush(self, *, timeout_s: float = 60.0) -> None:
        """See `Topic.flush`."""
        self._faults.run("flush", lambda: self._inner.flush(timeout_s=timeout_s))

    def close(self) -> None:
        """See `Topic.close`."""
        self._inner.close()


def _failed(reason: str) -> Future[str]:
    answer: Future[str] = Future()
    answer.set_exception(TransientError(reason))
    return answer
