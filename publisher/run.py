"""The story of publishing a file: every line becomes a message, a repeat or a failure, and is counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec

from cloud.queue import Topic
from publisher.failures import FailuresFile, Fault
from publisher.ids import Ids
from publisher.raw_records import RawRecord
from publisher.receipts import ReceiptFile, made_up_id
from publisher.sender import Sender
from publisher.sources import Entry
from schemas.errors import InvalidInput
from schemas.outcomes import Receipt
from schemas.requests import ReviewRequest

_CONFLICT = (
    "Another review of this file has the same id and another text, model or version, and an id stands for one "
    "outcome. Give this one its own id."
)


@dataclass(slots=True)
class Counts:
    """What became of the lines: read = accepted + failed + repeats."""

    read: int = 0
    accepted: int = 0
    failed: int = 0
    repeats: int = 0
    """Lines that came before with the same id and content; published once."""


class Run:
    """One publishing run. Reports every entry exactly once, also when it is interrupted."""

    def __init__(
        self,
        topic: Topic,
        receipt: str,
        *,
        model: str | None,
        version: str | None,
        receipts: ReceiptFile,
        failures: FailuresFile,
        timeout_s: float,
    ) -> None:
        self.counts = Counts()
        self._receipt = receipt
        self._model = model
        self._version = version
        self._receipts = receipts
        self._failures = failures
        self._ids = Ids()
        self._sender = Sender(topic, receipt, timeout_s=timeout_s, accepted=self._accept, failed=self._not_sent)

    def publish(self, entries: Iterable[Entry], tell: Callable[[Counts], None]) -> Counts:
        """Publish all entries, wait for every answer, and return the counts; `tell` is given them on the way."""
        try:
            for entry in entries:
                self.counts.read += 1
                self._publish_one(entry)
                tell(self.counts)
            self._sender.finish()
        finally:
            # Only after an exception or Ctrl-C is anything still open here.
            self._sender.abandon()
        return self.counts

    def _publish_one(self, entry: Entry) -> None:
        if isinstance(entry.content, InvalidInput):
            self._fail(entry.raw, Fault.of(entry.line, entry.content), entry.record)
            return
        request = self._completed(entry)
        verdict = self._ids.check(request)
        if verdict == "repeat":
            self.counts.repeats += 1
        elif verdict == "conflict":
            self._fail(entry.raw, Fault(entry.line, "duplicate_id", _CONFLICT, request.id))
        else:
            self._sender.send(entry.line, request)

    def _completed(self, entry: Entry) -> ReviewRequest:
        """Return the entry's request with an id, and with the run's model where it names none itself."""
        assert isinstance(entry.content, ReviewRequest)
        request = entry.content
        if request.id is None:
            request = msgspec.structs.replace(request, id=made_up_id(self._receipt, entry.line))
        if request.model is None and request.version is None:
            request = msgspec.structs.replace(request, model=self._model, version=self._version)
        return request

    def _accept(self, receipt: Receipt) -> None:
        self._receipts.add(receipt)
        self.counts.accepted += 1

    def _not_sent(self, line: int, data: bytes, reason: str) -> None:
        # With the id it was sent under: what arrived after all is then the same review for every reader.
        self._fail(data, Fault(line, "not_published", reason))

    def _fail(self, request: bytes, fault: Fault, record: RawRecord | None = None) -> None:
        if record is None:
            self._failures.add(request, fault)
        else:
            self._failures.add_row(record, fault)
        self.counts.failed += 1
