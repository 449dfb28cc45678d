"""A worker of the real parts in memory, over ports that fail and die on purpose, with a model that is a formula."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Literal

import numpy as np

from cloud.faults import Fault, Faults
from cloud.faulty import FaultyObjects
from cloud.faulty_queue import FaultySubscription
from cloud.memory import MemoryObjects
from cloud.memory_queue import MemorySubscription, MemoryTopic
from cloud.objects import ObjectInfo, Objects
from cloud.queue import Received, Subscription
from schemas.errors import InvalidInput
from schemas.outcomes import text_digest
from tests.faults.ledger import Accepted, Answer, Ledger, Verdict
from tests.faults.stored import read_all
from worker.core.batch import BatchLimits
from worker.core.envelope import Envelope
from worker.core.in_hand import Bounds
from worker.core.naming import partition
from worker.core.scorer import Scores
from worker.dispatch import Dispatcher
from worker.process import process
from worker.results import ResultsStore
from worker.subscriber import PullRules, PullWorker

Handle = Callable[[Sequence[Envelope]], set[int]]
Part = Literal["subscription", "results", "handle", "model", "models"]

MESSAGES = 400
PATIENCE_S = 60.0
_FASTER = 100.0
"""Leases run on a clock this much faster than ours: an ack deadline of 10 s passes in a tenth of a second."""

STAMP = "2026-11-21T18:05:09.123456Z"
_RULES = PullRules(BatchLimits(25, 1_000_000, 0.01), Bounds(50, 2_000_000), threads=1)


class Killed(BaseException):
    """The process died here; no handler of the worker may catch it."""


class Deaths:
    """Kills the worker in calls of the ports that are chosen by chance, a number of times."""

    def __init__(self, seed: int, deaths: int) -> None:
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self.left = deaths

    def maybe(self) -> None:
        with self._lock:
            if self.left and self._random.random() < 0.1:
                self.left -= 1
                raise Killed


class MortalObjects(FaultyObjects):
    """Objects during whose writes the worker may die: before, or after they took effect."""

    def __init__(self, inner: Objects, faults: Faults, deaths: Deaths) -> None:
        super().__init__(inner, faults)
        self._deaths = deaths

    def put(
        self,
        name: str,
        data: bytes,
        *,
        content_type: str,
        if_generation: int,
        metadata: Mapping[str, str] | None = None,
    ) -> ObjectInfo:
        self._deaths.maybe()
        info = super().put(name, data, content_type=content_type, if_generation=if_generation, metadata=metadata)
        self._deaths.maybe()
        return info


class ShortPulls(FaultySubscription):
    """Never waits long, so that a run ends soon."""

    def pull(self, max_messages: int, *, timeout_s: float) -> list[Received]:
        return super().pull(max_messages, timeout_s=min(timeout_s, 0.02))


class TinyModel:
    """Labels texts by the parity of their length, inverted in version v2; cannot score what holds `poison`."""

    def __init__(self, name: str, version: str) -> None:
        self.name = name
        self.version = version

    def score(self, texts: Sequence[str]) -> Scores:
        if any("poison" in text for text in texts):
            raise ValueError("cannot score this")
        odd = np.array([(len(text) + (self.version == "v2")) % 2 for text in texts], dtype=np.intp)
        probabilities = np.column_stack([np.where(odd == 0, 0.75, 0.25), np.where(odd == 1, 0.75, 0.25)])
        return Scores(classes=("even", "odd"), chosen=odd, probabilities=probabilities, decisions=None)


class TinyModels:
    """Versions v1 and v2, which is current, of every known name."""

    def __init__(self, model: type[TinyModel] = TinyModel) -> None:
        self._model = model

    def resolve(self, model: str | None, version: str | None) -> TinyModel:
        if version not in {None, "v1", "v2"}:
            raise InvalidInput("unknown_version", "There is no such version.")
        return self._model(model or "logistic_regression", version or "v2")


def requests() -> list[tuple[bytes, Accepted]]:
    """Return the messages of a run with the answers that they must get."""
    return [request(number, STAMP) for number in range(MESSAGES)]


def request(number: int, stamp: str) -> tuple[bytes, Accepted]:
    """Return a message and the answer that it must get, by a formula of its own; every 25 are of all kinds."""
    key, text = f"k{number:04d}", "x" * (number % 9 + 1)
    body: dict[str, str] = {"id": key, "text": text}
    version = "v2"
    if number % 4 == 1:
        body["version"] = version = "v1"
    label = "odd" if (len(text) + (version == "v2")) % 2 else "even"
    answer: Answer = ("prediction", label, "0.75", "logistic_regression", version)
    if number % 25 == 3:
        body["text"] = text = f"poison {number}"
        answer = ("rejection", "scoring_failed")
    elif number % 25 == 7:
        body["model"], answer = "bert", ("rejection", "unknown_model")
    elif number % 25 == 11:
        body["version"], answer = "v9", ("rejection", "unknown_version")
    return json.dumps(body).encode(), Accepted(key, partition(stamp, stamp), text_digest(text), answer)


def run(part: Part | None = None, broken: Callable[..., object] | None = None, *, seed: int = 1) -> Verdict:
    """Publish every request, work until nothing is left, with one part replaced, and return the verdict."""
    now = lambda: time.monotonic() * _FASTER  # noqa: E731 - reads best here
    topic, dead = MemoryTopic("reviews"), MemoryTopic("dead")
    kept = MemorySubscription("dead-kept", dead)
    queue = MemorySubscription("worker", topic, dead_letters=dead, max_attempts=200, now=now)
    stored, ledger = MemoryObjects(), Ledger()
    for number, (data, accepted) in enumerate(requests()):
        ledger.accept(accepted)
        for _ in range(2 if number % 20 == 0 else 1):  # a client that repeats a call publishes a message twice
            topic.publish(data, {"enqueued_at": STAMP})
    _work(queue, stored, part, broken, seed)
    read_all(stored, ledger)
    ledger.dead(json.loads(letter.data)["id"] for letter in kept.pull(MESSAGES, timeout_s=0.01))
    return ledger.verdict()


def _work(
    queue: MemorySubscription, stored: MemoryObjects, part: Part | None, broken: Callable[..., object] | None, seed: int
) -> None:
    """Run workers one after the other, as each dies, until the subscription is empty."""
    faults = Faults(
        Fault("put", "before", first=2, every=5),
        Fault("put", "lost_answer", first=3, every=5),
        Fault("put", "repeated", first=4, every=5),
        Fault("pull", "before", first=3, every=60),
        Fault("pull", "duplicate", first=2, every=7),
        Fault("acknowledge", "lost", first=2, every=6),
        Fault("acknowledge", "lost_answer", first=3, every=6),
        Fault("give_back", "lost", first=1, every=3),
    )
    deaths = Deaths(seed, 8)
    deadline = time.monotonic() + PATIENCE_S
    while queue.unacknowledged():
        assert time.monotonic() < deadline, "the run did not end"
        stop = threading.Event()
        worker = make_worker(
            MortalObjects(stored, faults, deaths), ShortPulls(queue, faults), stop, part=part, broken=broken
        )
        thread = threading.Thread(target=_live, args=(worker,))
        thread.start()
        while thread.is_alive() and queue.unacknowledged() and time.monotonic() < deadline:
            thread.join(0.02)
        stop.set()
        thread.join(PATIENCE_S)


def _live(worker: PullWorker) -> None:
    try:
        worker.run()
    except Killed:
        return


def make_worker(
    objects: Objects,
    subscription: Subscription,
    stop: threading.Event,
    *,
    part: Part | None,
    broken: Callable[..., object] | None,
    rules: PullRules = _RULES,
    now: Callable[[], float] = time.monotonic,
) -> PullWorker:
    """Return a worker of the real parts, one of them replaced."""

    def choose(mine: Part, real: Callable[..., object]) -> Callable[..., object]:
        return broken if part == mine and broken is not None else real

    model = choose("model", TinyModel)
    models = choose("models", TinyModels)(model)
    results = choose("results", ResultsStore)(objects)
    dispatcher = Dispatcher(partial(process, models=models, results=results), lambda _: None, lambda _: None)  # type: ignore[arg-type]
    handle = choose("handle", lambda real: real)(dispatcher.handle)
    pulled = choose("subscription", lambda real: real)(subscription)
    return PullWorker(pulled, handle, rules, stop, now=now)  # type: ignore[arg-type]
