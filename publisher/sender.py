"""Publishes requests and waits for the answer to each, keeping a bounded number of them open."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime

from cloud.objects import CloudSetupError, TransientError
from cloud.queue import Topic
from publisher.receipts import stamp
from schemas.codec import encode
from schemas.outcomes import Receipt, text_digest
from schemas.requests import ReviewRequest

MAX_OPEN = 5_000
MAX_OPEN_BYTES = 32_000_000
"""Requests whose answer is awaited, together: what the process holds in memory at most, beside the client's own."""

GIVE_UP_AFTER = 100
"""After so many failures in a row the topic counts as gone, and nothing more is sent."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request on its way."""

    line: int
    id: str
    text_sha256: str
    data: bytes
    enqueued_at: str
    deadline: float
    """On the monotonic clock."""
    answer: Future[str]


class Sender:
    """Sends requests and reports each exactly once, in the order of sending: accepted, or failed with a reason.

    Every answer is awaited for `timeout_s` from its sending on. A request that was not answered in time may still
    have been accepted: send it again under the same id and readers keep one. Not safe to use from several threads.
    """

    def __init__(
        self,
        topic: Topic,
        receipt: str,
        *,
        timeout_s: float,
        accepted: Callable[[Receipt], None],
        failed: Callable[[int, bytes, str], None],
    ) -> None:
        self._topic = topic
        self._receipt = receipt
        self._timeout_s = timeout_s
        self._accepted = accepted
        self._failed = failed
        self._open: deque[Outgoing] = deque()
        self._open_bytes = 0
        self._failures_in_a_row = 0

    def send(self, line: int, request: ReviewRequest) -> None:
        """Publish a request that has an id. Blocks while too much is open; reports what was answered meanwhile."""
        data = encode(request)
        if self._failures_in_a_row >= GIVE_UP_AFTER:
            self.finish()
            self._failed(line, data, "Not sent: the topic did not take what came before. Feed the failures file again.")
            return
        # Taken once, here: a retry of the client sends the same bytes and attributes again.
        enqueued_at = stamp(datetime.now(UTC))
        answer = self._publish(data, enqueued_at)
        deadline = time.monotonic() + self._timeout_s
        id_ = request.id or ""
        self._open.append(Outgoing(line, id_, text_digest(request.text), data, enqueued_at, deadline, answer))
        self._open_bytes += len(data)
        while self._open and (self._open[0].answer.done() or self._full()):
            self._settle_first()

    def finish(self) -> None:
        """Wait for every open answer."""
        while self._open:
            self._settle_first()

    def abandon(self) -> None:
        """Report what is answered, and all else as failed, without waiting: for the way out after Ctrl-C."""
        while self._open:
            self._settle_first(wait=False)

    def _full(self) -> bool:
        return len(self._open) > MAX_OPEN or self._open_bytes > MAX_OPEN_BYTES

    def _publish(self, data: bytes, enqueued_at: str) -> Future[str]:
        try:
            return self._topic.publish(data, {"enqueued_at": enqueued_at})
        except (TransientError, ValueError) as error:
            failed: Future[str] = Future()
            failed.set_exception(error)
            return failed

    def _settle_first(self, *, wait: bool = True) -> None:
        item = self._open.popleft()
        self._open_bytes -= len(item.data)
        left_s = max(0.0, item.deadline - time.monotonic()) if wait else 0.0
        try:
            message_id = item.answer.result(timeout=left_s)
        except TimeoutError:
            self._fail(item, f"Pub/Sub did not answer within {self._timeout_s:g} s. Feed the failures file again.")
        except CloudSetupError as error:
            # A person must act first, so nothing more is sent.
            self._failures_in_a_row = GIVE_UP_AFTER
            self._fail(item, f"{error}")
        except (TransientError, ValueError) as error:
            self._fail(item, f"{error}")
        else:
            self._failures_in_a_row = 0
            self._accepted(Receipt(item.id, item.text_sha256, message_id, item.enqueued_at, self._receipt))

    def _fail(self, item: Outgoing, reason: str) -> None:
        self._failures_in_a_row += 1
        self._failed(item.line, item.data, reason)
