"""A subscription's whole state, pure: every method that depends on the time is given `now` in seconds.

The server's thread owns it; nothing here locks, waits, or knows about gRPC.
"""

import re
import secrets
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from emulator.pubsub.backlog import Backlog
from emulator.pubsub.entries import Entry, Reader
from emulator.pubsub.errors import PubSubError, invalid
from emulator.pubsub.leases import LeaseTable
from emulator.pubsub.policies import DeliveryPolicy
from emulator.pubsub.wire import grpc

MAX_RESPONSE_BYTES = 3_500_000
"""A client that was made for an emulator receives at most 4 MB in one response; only a larger single message passes."""

PERMANENT_FAILURE = "PERMANENT_FAILURE_INVALID_ACK_ID"
TRANSIENT_FAILURE = "TRANSIENT_FAILURE_OTHER_ACK_ID_INVALID"

_ACK_ID = re.compile(r"[^:\s]+:[0-9a-f]{8}:[0-9]+\Z")


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message handed out: under which id, and for which time (from 1)."""

    ack_id: str
    entry: Entry
    attempt: int


class SubscriptionState:
    """Backlog, leases and retained messages of one subscription, under its policy.

    Acknowledgement ids carry a random token, so that an id from before a restart of the server never matches.
    """

    def __init__(self, short_name: str, policy: DeliveryPolicy) -> None:
        self.policy = policy
        self._prefix = f"{short_name}:{secrets.token_hex(4)}:"
        self._deliveries = 0
        self._backlog = Backlog(ordered=policy.ordered)
        self._leases = LeaseTable()
        self._acknowledged: deque[Entry] = deque()
        self._exhausted: list[Entry] = []
        self._owed_confirmation: set[str] = set()

    def add(self, entry: Entry) -> None:
        """Take in a published message."""
        self._backlog.add(entry)

    def take(
        self, now: float, limit: int, reader: Reader | None = None, max_bytes: int = MAX_RESPONSE_BYTES
    ) -> list[Delivery]:
        """Lease up to `limit` ready messages of at most `max_bytes` together (at least one, however large it is).

        The leases last the reader's deadline for a stream, else the subscription's.
        """
        deliveries: list[Delivery] = []
        oldest = now - self.policy.retention_s
        size = held = 0
        while len(deliveries) < limit and (entry := self._backlog.peek()) is not None:
            if entry.published_at < oldest:
                self._backlog.settle(self._backlog.pop())
                continue
            if deliveries and size + entry.size_bytes > max_bytes:
                break
            if reader is not None and not reader.has_room(entry.size_bytes, held, size):
                break
            self._backlog.pop()
            entry.attempts += 1
            size += entry.size_bytes
            held += 1
            self._deliveries += 1
            deliveries.append(Delivery(f"{self._prefix}{self._deliveries}", entry, entry.attempts))
        if deliveries:
            deadline_s = self.policy.ack_deadline_s if reader is None else reader.deadline_s
            self._leases.grant([(one.ack_id, one.entry) for one in deliveries], now + deadline_s, reader)
        return deliveries

    def acknowledge(self, ack_ids: Sequence[str], now: float) -> list[str]:
        """End the deliveries for good and return the ids that are stale; the valid ones count all the same.

        Raises INVALID_ARGUMENT, before anything changes, for an id that this kind of server never gave out.
        """
        stale = self._stale(ack_ids)
        for ack_id in ack_ids:
            entry = self._leases.release(ack_id)
            if entry is None:
                continue
            if self.policy.retain_acked:
                self._retain(entry, now)
            self._backlog.settle(entry)
        return stale

    def extend(self, ack_ids: Sequence[str], seconds: float, now: float) -> list[str]:
        """Move the deadlines to `seconds` from now, 0 giving the messages back at once; return the stale ids."""
        stale = self._stale(ack_ids)
        if seconds > 0:
            self._leases.extend(ack_ids, now + seconds)
            return stale
        for ack_id in ack_ids:
            entry = self._leases.release(ack_id)
            if entry is not None:
                self._fail(entry, now)
        return stale

    def _stale(self, ack_ids: Sequence[str]) -> list[str]:
        stale = [ack_id for ack_id in ack_ids if ack_id not in self._leases]
        for ack_id in stale:
            if not _ACK_ID.match(ack_id):
                raise invalid(f"Invalid ack id (ack_id={ack_id})")
        return stale

    def exactly_once_error(self, ack_ids: Sequence[str], stale: Sequence[str]) -> PubSubError | None:
        """Return the error that a request with stale ids is answered with under exactly-once delivery, or None.

        Stale ids fail for good. The valid ids of the same request have taken effect, but the status is one for the
        whole request, and the Python client takes an id that the details do not name for failed
        (`_process_requests` in google-cloud-pubsub 2.44). So they are named as transient failures: the client
        repeats them alone, and the repetition is confirmed once.
        """
        if not self.policy.exactly_once:
            return None
        permanent = [ack_id for ack_id in stale if ack_id not in self._owed_confirmation]
        self._owed_confirmation.difference_update(stale)
        if not permanent:
            return None
        failures = dict.fromkeys(ack_ids, TRANSIENT_FAILURE) | dict.fromkeys(permanent, PERMANENT_FAILURE)
        self._owed_confirmation.update(failures.keys() - set(permanent))
        message = "Some acknowledgement ids in the request were invalid. They have expired or were used before."
        return PubSubError(grpc.StatusCode.INVALID_ARGUMENT, message, failures)

    def advance(self, now: float) -> None:
        """Take back what has expired and make ready what has backed off long enough."""
        for entry in self._leases.expire(now):
            self._fail(entry, now)
        self._backlog.advance(now)

    def next_event(self) -> float | None:
        """Return the earliest time at which `advance` may change something, None for never."""
        times = [at for at in (self._leases.next_deadline(), self._backlog.next_due()) if at is not None]
        return min(times, default=None)

    def has_ready(self) -> bool:
        """Tell whether a message waits to be taken."""
        return self._backlog.peek() is not None

    def _fail(self, entry: Entry, now: float) -> None:
        maximum = self.policy.maximum_attempts
        if maximum is not None and entry.attempts >= maximum:
            self._exhausted.append(entry)
            return
        self.give_back(entry, now)

    def leased(self, ack_ids: Sequence[str]) -> list[Entry]:
        """Return the messages whose leases these ids are; ids of ended leases are left out."""
        return [entry for ack_id in ack_ids if (entry := self._leases.entry(ack_id)) is not None]

    def take_exhausted(self) -> list[Entry]:
        """Hand over the messages that used up their attempts; each must be settled or given back by the caller."""
        exhausted, self._exhausted = self._exhausted, []
        return exhausted

    def settle(self, entry: Entry) -> None:
        """Finish an exhausted message that was forwarded to the dead-letter topic."""
        self._backlog.settle(entry)

    def give_back(self, entry: Entry, now: float) -> None:
        """Schedule the next delivery of a failed message: after the retry policy's backoff, or at once without one."""
        retry = self.policy.retry
        self._backlog.give_back(entry, None if retry is None else now + retry.backoff_s(entry.attempts))

    def _retain(self, entry: Entry, now: float) -> None:
        oldest = now - self.policy.retention_s
        while self._acknowledged and self._acknowledged[0].published_at < oldest:
            self._acknowledged.popleft()
        self._acknowledged.append(entry)

    def unacknowledged(self) -> list[Entry]:
        """Return every message that is not acknowledged, in the order of publishing."""
        entries = [*self._backlog, *self._leases.entries(), *self._exhausted]
        return sorted(entries, key=_publish_order)

    def seek_to_time(self, time_s: float) -> None:
        """Acknowledge everything published before `time_s` and nothing after; leases end."""
        every = sorted([*self._acknowledged, *self.unacknowledged()], key=_publish_order)
        self.replace([entry for entry in every if entry.published_at >= time_s])
        if self.policy.retain_acked:
            self._acknowledged.extend(entry for entry in every if entry.published_at < time_s)

    def replace(self, entries: Sequence[Entry]) -> None:
        """Forget all messages and leases, and deliver `entries` anew with no attempts counted."""
        self._leases.release_all()
        self._backlog.clear()
        self._acknowledged.clear()
        self._exhausted.clear()
        for entry in entries:
            self._backlog.add(Entry(entry.message, entry.published_at))


def _publish_order(entry: Entry) -> tuple[float, int]:
    return entry.published_at, int(entry.message.message_id)
