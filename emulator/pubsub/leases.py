"""Leases: which acknowledgement id holds which message until when. Pure: the time is an argument."""

import heapq
from collections.abc import Iterable, Iterator, Sequence

from emulator.pubsub.entries import Entry, Reader

_SPARE_SCHEDULED = 10_000


class Lease:
    """A delivery that is neither acknowledged nor given back; `deadline` is in the seconds of the caller's clock."""

    __slots__ = ("deadline", "entry", "reader")

    def __init__(self, entry: Entry, deadline: float, reader: Reader | None) -> None:
        self.entry = entry
        self.deadline = deadline
        self.reader = reader


class LeaseTable:
    """The leases of one subscription by acknowledgement id, and the order in which they expire.

    Ids that get the same deadline in one call share one item of the schedule, so that handing over a batch costs one
    heap operation. An id whose lease was extended or released leaves a stale mention behind; the schedule is rebuilt
    when the stale ones outnumber the live.
    """

    def __init__(self) -> None:
        self._leases: dict[str, Lease] = {}
        self._schedule: list[tuple[float, int, Sequence[str]]] = []
        self._scheduled_ids = 0
        self._batches = 0

    def __len__(self) -> int:
        return len(self._leases)

    def __contains__(self, ack_id: str) -> bool:
        return ack_id in self._leases

    def entries(self) -> Iterator[Entry]:
        """Yield the leased messages."""
        return (lease.entry for lease in self._leases.values())

    def entry(self, ack_id: str) -> Entry | None:
        """Return the message that is leased under an id, None when there is no such lease."""
        lease = self._leases.get(ack_id)
        return None if lease is None else lease.entry

    def grant(self, batch: Sequence[tuple[str, Entry]], deadline: float, reader: Reader | None) -> None:
        """Lease each message of `batch` under its id until `deadline`."""
        for ack_id, entry in batch:
            self._leases[ack_id] = Lease(entry, deadline, reader)
            if reader is not None:
                reader.hold(entry.size_bytes)
        self._plan([ack_id for ack_id, _ in batch], deadline)

    def extend(self, ack_ids: Sequence[str], deadline: float) -> None:
        """Move the deadline of the leases that exist; earlier is allowed too."""
        for ack_id in ack_ids:
            lease = self._leases.get(ack_id)
            if lease is not None:
                lease.deadline = deadline
        self._plan(ack_ids, deadline)

    def release(self, ack_id: str) -> Entry | None:
        """End a lease and return its message, or None when there is no such lease."""
        lease = self._leases.pop(ack_id, None)
        if lease is None:
            return None
        if lease.reader is not None:
            lease.reader.release(lease.entry.size_bytes)
        return lease.entry

    def release_all(self) -> list[Entry]:
        """End every lease and return the messages."""
        entries = [self.release(ack_id) for ack_id in list(self._leases)]
        self._schedule.clear()
        self._scheduled_ids = 0
        return [entry for entry in entries if entry is not None]

    def expire(self, now: float) -> list[Entry]:
        """End the leases whose deadline has come and return their messages."""
        expired = []
        while self._schedule and self._schedule[0][0] <= now:
            _, _, ack_ids = heapq.heappop(self._schedule)
            self._scheduled_ids -= len(ack_ids)
            for ack_id in ack_ids:
                lease = self._leases.get(ack_id)
                if lease is not None and lease.deadline <= now:
                    self.release(ack_id)
                    expired.append(lease.entry)
        return expired

    def next_deadline(self) -> float | None:
        """Return the earliest time at which `expire` may find something, None when nothing is leased."""
        return self._schedule[0][0] if self._schedule else None

    def _plan(self, ack_ids: Iterable[str], deadline: float) -> None:
        batch = tuple(ack_ids)
        if not batch:
            return
        self._batches += 1
        heapq.heappush(self._schedule, (deadline, self._batches, batch))
        self._scheduled_ids += len(batch)
        if self._scheduled_ids > 2 * len(self._leases) + _SPARE_SCHEDULED:
            self._rebuild()

    def _rebuild(self) -> None:
        by_deadline: dict[float, list[str]] = {}
        for ack_id, lease in self._leases.items():
            by_deadline.setdefault(lease.deadline, []).append(ack_id)
        self._schedule = [(deadline, index, ids) for index, (deadline, ids) in enumerate(by_deadline.items())]
        heapq.heapify(self._schedule)
        self._scheduled_ids = len(self._leases)
        self._batches = len(self._schedule)
