"""Ports of one worker process that fail, die and lie when they are told to, on a clock that only the test moves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeVar

from cloud.faults import Faults
from cloud.faulty import FaultyObjects
from cloud.memory_queue import MemorySubscription
from cloud.objects import ObjectInfo, Objects, TransientError
from cloud.queue import Received
from tests.faults.tiny_worker import Killed

T = TypeVar("T")

Call = Literal["write", "delete", "read", "acknowledge", "give back", "extend"]
Mishap = Literal["refused", "answer lost", "done twice", "forgotten", "dies before", "dies after"]


class Clock:
    """Seconds that pass when somebody says so."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds

    def pass_by(self, seconds: float) -> None:
        self.seconds += seconds


class Fate:
    """What is to happen to one process: in which call number of a kind (from 0) which mishap."""

    def __init__(self) -> None:
        self.dead = False
        self._planned: dict[Call, tuple[int, Mishap]] = {}

    def plan(self, call: Call, mishap: Mishap | None, *, after_calls: int = 0) -> None:
        if mishap is not None:
            self._planned[call] = (after_calls, mishap)

    def forget(self) -> None:
        """Let nothing that has not happened yet happen."""
        self._planned.clear()

    def meet(self, call: Call, act: Callable[[], T], *, nothing: T | None = None) -> T | None:
        """Make a call; a process that died makes none. `nothing` is what a call answers that is forgotten."""
        mishap = self._mishap(call)
        if mishap == "dies before":
            self.dead = True
        if self.dead:
            raise Killed
        if mishap == "refused":
            raise TransientError(f"{call}: refused")
        answer = nothing if mishap == "forgotten" else act()
        if mishap == "done twice":
            answer = act()
        if mishap == "dies after":
            self.dead = True
            raise Killed
        if mishap == "answer lost":
            raise TransientError(f"{call}: its answer was lost")
        return answer

    def _mishap(self, call: Call) -> Mishap | None:
        planned = self._planned.get(call)
        if planned is None:
            return None
        wait, mishap = planned
        if wait:
            self._planned[call] = (wait - 1, mishap)
            return None
        del self._planned[call]
        return mishap


class FatedObjects(FaultyObjects):
    """Objects of one process."""

    def __init__(self, inner: Objects, fate: Fate) -> None:
        super().__init__(inner, Faults())
        self._stored = inner
        self._fate = fate

    def put(
        self,
        name: str,
        data: bytes,
        *,
        content_type: str,
        if_generation: int,
        metadata: Mapping[str, str] | None = None,
    ) -> ObjectInfo:
        def write() -> ObjectInfo:
            return self._stored.put(
                name, data, content_type=content_type, if_generation=if_generation, metadata=metadata
            )

        info = self._fate.meet("write", write)
        assert info is not None, "writes are not forgotten"
        return info

    def get(self, name: str, *, generation: int | None = None) -> tuple[bytes, ObjectInfo]:
        found = self._fate.meet("read", lambda: self._stored.get(name, generation=generation))
        assert found is not None, "reads are not forgotten"
        return found

    def delete(self, name: str, *, if_generation: int | None = None) -> bool:
        removed = self._fate.meet("delete", lambda: self._stored.delete(name, if_generation=if_generation))
        return removed is True


class FatedSubscription:
    """A subscription as one process has it. A pull that finds nothing lets its time pass, and never waits."""

    def __init__(
        self, inner: MemorySubscription, fate: Fate, clock: Clock, acknowledged: Callable[[Sequence[str]], None]
    ) -> None:
        self._inner = inner
        self._fate = fate
        self._clock = clock
        self._acknowledged = acknowledged
        self.delivered: dict[str, Received] = {}
        """By ack id."""

    @property
    def name(self) -> str:
        return self._inner.name

    def pull(self, max_messages: int, *, timeout_s: float) -> list[Received]:
        messages = self._inner.pull(max_messages, timeout_s=0)
        self.delivered |= {message.ack_id: message for message in messages}
        if not messages:
            self._clock.pass_by(timeout_s)
        return messages

    def acknowledge(self, ack_ids: Sequence[str]) -> None:
        def acknowledge() -> None:
            self._acknowledged(ack_ids)
            self._inner.acknowledge(ack_ids)

        self._fate.meet("acknowledge", acknowledge)

    def extend(self, ack_ids: Sequence[str], *, seconds: int) -> None:
        self._fate.meet("extend", lambda: self._inner.extend(ack_ids, seconds=seconds))

    def give_back(self, ack_ids: Sequence[str]) -> None:
        self._fate.meet("give back", lambda: self._inner.give_back(ack_ids))

    def close(self) -> None:
        """Nothing is held open."""
