"""Workers with one bug each, made of the real parts and one broken port, store or model.

Each breaks what somebody once broke in a system like this one. The ledger must catch them all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from cloud.objects import ObjectNotFound, Objects, PreconditionFailed, TransientError
from cloud.queue import Received, Subscription
from schemas.errors import InvalidInput
from tests.faults.tiny_worker import Handle, Part, TinyModel, TinyModels
from worker.core.envelope import Envelope
from worker.core.pack import ResultObject
from worker.core.scorer import Scores
from worker.results import ResultsStore

NDJSON = "application/x-ndjson"


class AcknowledgeFirst:
    """Acknowledges what it pulls at once, so that no message comes twice."""

    def __init__(self, inner: Subscription) -> None:
        self._inner = inner
        self.name = inner.name
        self.extend = inner.extend
        self.give_back = inner.give_back
        self.close = inner.close

    def pull(self, max_messages: int, *, timeout_s: float) -> list[Received]:
        messages = self._inner.pull(max_messages, timeout_s=timeout_s)
        if messages:
            self._inner.acknowledge([message.ack_id for message in messages])
        return messages

    def acknowledge(self, ack_ids: Sequence[str]) -> None:
        """Nothing is left to do."""


@dataclass
class SwallowedError:
    """Logs a failed write and goes on."""

    objects: Objects

    def commit(self, objects: Iterable[ResultObject]) -> set[int]:
        durable: set[int] = set()
        for item in objects:
            ResultsStore(self.objects).commit([item])  # logs a failure and does not count the object as durable
            durable |= item.origins
        return durable


@dataclass
class BufferNotFlushed:
    """Collects objects to write four at once, and forgets the last ones."""

    objects: Objects
    buffer: list[ResultObject] = field(default_factory=list)

    def commit(self, objects: Iterable[ResultObject]) -> set[int]:
        new = list(objects)
        self.buffer += new
        if len(self.buffer) >= 4:
            waiting, self.buffer = self.buffer, []
            ResultsStore(self.objects).commit(waiting)
        return set().union(*(item.origins for item in new))


@dataclass
class NoCheckOf412:
    """Numbers its objects from one in each process, and takes a name that is taken for its own earlier success."""

    objects: Objects
    written: int = 0

    def commit(self, objects: Iterable[ResultObject]) -> set[int]:
        durable: set[int] = set()
        for item in objects:
            self.written += 1
            name = f"{item.name.rpartition('/')[0]}/{self.written:06d}.jsonl"
            try:
                self.objects.put(name, item.data, content_type=NDJSON, if_generation=0)
            except PreconditionFailed:
                pass
            except TransientError:
                continue
            durable |= item.origins
        return durable


@dataclass
class Overwrites:
    """Writes a partition's rows to one object, over what was there."""

    objects: Objects

    def commit(self, objects: Iterable[ResultObject]) -> set[int]:
        durable: set[int] = set()
        for item in objects:
            name = item.name.rpartition("/")[0] + "/rows.jsonl"
            try:
                self.objects.put(name, item.data, content_type=NDJSON, if_generation=self._generation(name))
            except (PreconditionFailed, TransientError):
                continue
            durable |= item.origins
        return durable

    def _generation(self, name: str) -> int:
        try:
            return self.objects.info(name).generation
        except ObjectNotFound:
            return 0


@dataclass
class FirstObjectOnly:
    """Writes the first object of a batch, and counts all as written."""

    objects: Objects

    def commit(self, objects: Iterable[ResultObject]) -> set[int]:
        every = list(objects)
        durable = ResultsStore(self.objects).commit(every[:1])
        return durable.union(*(item.origins for item in every)) if durable else durable


@dataclass
class TextModeWriter:
    """Writes line by line, as a file that is open for text; what fails on the way is stored as far as it came."""

    objects: Objects
    writes: int = 0

    def commit(self, objects: Iterable[ResultObject]) -> set[int]:
        durable: set[int] = set()
        for item in objects:
            self.writes += 1
            if self.writes == 2:
                half = item.data[: len(item.data) // 2]
                try:
                    self.objects.put(item.name, half, content_type=NDJSON, if_generation=0)
                except (PreconditionFailed, TransientError):
                    continue
            else:
                durable |= ResultsStore(self.objects).commit([item])
        return durable


def acknowledge_all(handle: Handle) -> Handle:
    """Acknowledges the batch, not what is durable of it."""

    def wrong(batch: Sequence[Envelope]) -> set[int]:
        handle(batch)
        return set(range(len(batch)))

    return wrong


def no_ids(handle: Handle) -> Handle:
    """Loses the request's id, so that rows are known by message."""

    def wrong(batch: Sequence[Envelope]) -> set[int]:
        def without(data: bytes) -> bytes:
            body = json.loads(data)
            body.pop("id", None)
            return json.dumps(body).encode()

        return handle([replace(envelope, data=without(envelope.data)) for envelope in batch])

    return wrong


def arrival_time(handle: Handle) -> Handle:
    """Files rows under the hour of their arrival."""

    def wrong(batch: Sequence[Envelope]) -> set[int]:
        return handle([replace(envelope, attributes={}) for envelope in batch])

    return wrong


def once_a_text(handle: Handle) -> Handle:
    """Takes a text that it saw before for a redelivery."""
    seen: set[str] = set()

    def wrong(batch: Sequence[Envelope]) -> set[int]:
        texts = [json.loads(envelope.data)["text"] for envelope in batch]
        new = [position for position, text in enumerate(texts) if text not in seen]
        seen.update(texts)
        done = handle([batch[position] for position in new])
        return (set(range(len(batch))) - set(new)) | {new[index] for index in done}

    return wrong


class ShiftedModel(TinyModel):
    """Gives each text the answer of its neighbour."""

    def score(self, texts: Sequence[str]) -> Scores:
        return super().score([*texts[1:], *texts[:1]])


class GuessingModel(TinyModel):
    """Answers what it cannot score with a guess."""

    def score(self, texts: Sequence[str]) -> Scores:
        return super().score([text.replace("poison", "") for text in texts])


class DefaultForUnknown(TinyModels):
    """Scores with the default model when it does not know the one asked for."""

    def resolve(self, model: str | None, version: str | None) -> TinyModel:
        try:
            return super().resolve(model, version)
        except InvalidInput:
            return super().resolve(None, None)


class NewestVersion(TinyModels):
    """Scores with the newest version, whatever was asked for."""

    def resolve(self, model: str | None, version: str | None) -> TinyModel:
        super().resolve(model, version)
        return super().resolve(model, None)


@dataclass(frozen=True)
class Bug:
    """One bug: the part it replaces, and what it must be caught by."""

    part: Part
    broken: Callable[..., object]
    caught_as: frozenset[str]


def _bug(part: Part, broken: Callable[..., object], *caught_as: str) -> Bug:
    return Bug(part, broken, frozenset(caught_as))


BUGS: dict[str, Bug] = {
    "acknowledges first": _bug("subscription", AcknowledgeFirst, "lost"),
    "swallows a failed write": _bug("results", SwallowedError, "lost"),
    "does not flush its buffer": _bug("results", BufferNotFlushed, "lost"),
    "does not check a 412": _bug("results", NoCheckOf412, "lost"),
    "overwrites": _bug("results", Overwrites, "lost"),
    "writes the first object only": _bug("results", FirstObjectOnly, "lost"),
    "writes in text mode": _bug("results", TextModeWriter, "unexpected"),
    "acknowledges the whole batch": _bug("handle", acknowledge_all, "lost"),
    "loses the id": _bug("handle", no_ids, "lost", "unexpected"),
    "files by arrival": _bug("handle", arrival_time, "wrong"),
    "deduplicates by text": _bug("handle", once_a_text, "lost"),
    "shifts the answers": _bug("model", ShiftedModel, "wrong"),
    "guesses instead of rejecting": _bug("model", GuessingModel, "wrong"),
    "takes the default for an unknown model": _bug("models", DefaultForUnknown, "wrong"),
    "ignores the version": _bug("models", NewestVersion, "wrong"),
}
