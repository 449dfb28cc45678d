"""Everything that goes wrong during a fault run, and how often it did."""

from __future__ import annotations

import time
from collections import Counter

from emulator.pubsub.faults import Kind
from emulator.pubsub.server import EmbeddedPubSub
from emulator.storage.faults import Action, Delay, Phase, Reset, Stall, Status
from emulator.storage.faults_response import Slow, Truncated, WrongChecksum
from emulator.storage.server import EmbeddedStorage

_WRITES, _READS = "/upload/", "alt=media"

_STORAGE: tuple[tuple[str, Action, str, Phase, int], ...] = (
    *((f"status {status}", Status(status), _WRITES, "before", 31) for status in (408, 429, 500, 502, 503, 504)),
    ("status 503 after the commit", Status(503), _WRITES, "after", 23),
    ("reset before the commit", Reset(), _WRITES, "before", 29),
    ("reset after the commit", Reset(), _WRITES, "after", 19),
    ("stall", Stall(1.0), _WRITES, "before", 37),
    ("delay", Delay(0.3), _WRITES, "before", 17),
    ("slow", Slow(0.3), _READS, "after", 5),
    ("truncated", Truncated(), _READS, "after", 6),
    ("wrong checksum", WrongChecksum(), _READS, "after", 7),
)
_PUBSUB: tuple[tuple[Kind, str | None, int], ...] = (
    *(("status", call, 9) for call in ("Publish", "Pull", "Acknowledge")),
    # Rare calls, so seven of eight fail: every second one, and so on twice with the others.
    ("status", "ModifyAckDeadline", 2),
    ("status", "ModifyAckDeadline", 2),
    ("status", "ModifyAckDeadline", 2),
    *(("call_cut", call, 11) for call in ("Publish", "Acknowledge")),
    ("call_cut", "Pull", 25),
    ("lost_ack", None, 8),
    ("duplicate", None, 8),
    ("early_expiry", None, 8),
    ("reorder", None, 3),
)
OUTAGE_S = 12.0
"""Longer than the deadline of one write with its retries (8 s): batches are kept until it is over."""

_PUBSUB_OUTAGE_S = 4.0
"""Shorter: what is to be given back must reach Pub/Sub."""


def plan_faults(storage: EmbeddedStorage, pubsub: EmbeddedPubSub) -> None:
    """Let every fault strike now and then from here on."""
    for name, action, path, phase, every in _STORAGE:
        storage.faults.inject(action, path=path, phase=phase, every=every, count=None, name=name)
    for kind, call, every in _PUBSUB:
        pubsub.faults.plan(kind, call, every=every, times=None)


def outage(storage: EmbeddedStorage, pubsub: EmbeddedPubSub) -> None:
    """Let both services refuse everything for some seconds, and return when they serve again."""
    storage.faults.inject(Status(503), seconds=OUTAGE_S, count=None, name="outage of storage")
    for call in ("Pull", "Acknowledge", "Publish"):
        pubsub.faults.plan("status", call, seconds=_PUBSUB_OUTAGE_S, times=None)
    time.sleep(OUTAGE_S)


def classes() -> set[str]:
    """Return the names of all faults that must have struck."""
    pubsub = {f"{kind} {call or _CALL_OF[kind]}" for kind, call, _ in _PUBSUB}
    return {name for name, *_ in _STORAGE} | pubsub | {"outage of storage"}


def struck(storage: EmbeddedStorage, pubsub: EmbeddedPubSub) -> Counter[str]:
    """Return how often each fault struck."""
    return Counter(storage.faults.fired()) + Counter(pubsub.faults.counts())


_CALL_OF: dict[Kind, str] = {
    "lost_ack": "Acknowledge",
    "duplicate": "Pull",
    "early_expiry": "Pull",
    "reorder": "Pull",
}
