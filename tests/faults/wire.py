"""What the servers saw, in order: no acknowledgement may arrive before what it acknowledges is stored."""

from __future__ import annotations

import json
import threading
from collections import Counter
from typing import Any

from emulator.storage.notifications import FINALIZE, Change
from worker.core.naming import finished_range, job_id, job_object


class Wire:
    """Listens to both servers. Its methods run on their threads."""

    def __init__(self, results_bucket: str, reviews: str, uploads: str) -> None:
        self._bucket = results_bucket
        self._reviews = reviews
        self._uploads = uploads
        self._lock = threading.Lock()
        self._durable: set[str] = set()
        self._objects: set[str] = set()
        self.acknowledged: Counter[str] = Counter()
        """Acknowledged deliveries by subscription."""
        self.messages: set[str] = set()
        """Ids of the messages that were acknowledged."""
        self.commits = 0
        """Changes of the results bucket."""
        self.too_early: list[str] = []
        """Deliveries that were acknowledged before their outcome was stored."""

    def committed(self, change: Change) -> None:
        """Note a stored object, and the keys of its rows."""
        record = change.record
        if record.bucket != self._bucket or change.event_type != FINALIZE:
            return
        keys: set[str] = set()
        if record.name.startswith(("reviews/", "rejections/")):
            reader = record.content.data.open()
            data = b"".join(reader.chunks(0, record.content.size))
            reader.close()
            keys = {json.loads(line)["key"] for line in data.splitlines()}
        with self._lock:
            self.commits += 1
            self._objects.add(record.name)
            self._durable |= keys

    def received_acknowledgement(self, subscription: str, messages: list[Any]) -> None:
        """Check what an acknowledgement is about, before it counts."""
        short = subscription.rsplit("/", 1)[1]
        with self._lock:
            self.acknowledged[short] += len(messages)
            for message in messages:
                self.messages.add(message.message_id)
                if not self._is_done(short, message):
                    self.too_early.append(message.message_id)

    def _is_done(self, subscription: str, message: Any) -> bool:  # noqa: ANN401 - a protobuf message
        if subscription == self._reviews:
            return json.loads(message.data)["id"] in self._durable
        return subscription != self._uploads or any(name in self._objects for name in _outcomes(message))

    def durable(self) -> int:
        """Return how many keys have a stored outcome."""
        with self._lock:
            return len(self._durable)

    def is_stored(self, name: str) -> bool:
        """Say whether an object of the results bucket was stored."""
        with self._lock:
            return name in self._objects


def _outcomes(message: Any) -> list[str]:  # noqa: ANN401 - a protobuf message
    """Return the objects of which one must be stored: a range's record, or what the job's others go on from."""
    attributes = message.attributes
    job = job_id(attributes["bucketId"], attributes["objectId"], int(attributes["objectGeneration"]))
    other = (
        finished_range(job, json.loads(message.data)["range"])
        if "work" in attributes
        else job_object(job, "ranges.json")
    )
    return [job_object(job, "manifest.json"), other]
