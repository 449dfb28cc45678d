"""Waits until the outcomes of published reviews are stored."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from cloud.objects import Objects
from publisher.progress import Progress
from publisher.stored_reviews import StoredReviews
from schemas.outcomes import Receipt
from worker.core.ledger_messages import ReceiptLedger
from worker.core.reading import Outcome

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 2.0


def wait_for_reviews(
    objects: Objects,
    receipt: Iterable[Receipt],
    *,
    seconds: float,
    each: Callable[[Outcome], None] = lambda _: None,
) -> ReceiptLedger:
    """Return the ledger of the receipt once every line has an outcome, or when the time is over.

    `each` is given every row that is read on the way, other senders' too.
    """
    ledger = ReceiptLedger(receipt)
    stored = StoredReviews(objects)
    deadline = time.monotonic() + seconds
    pause_s = _FIRST_PAUSE_S
    with Progress("waiting for results", ledger.read) as progress:
        while True:
            for where, outcome in stored.fresh(ledger.partitions):
                ledger.add(where, outcome)
                each(outcome)
            scored = ledger.read - ledger.open
            progress.show(scored, f"{scored:,} of {ledger.read:,} have an outcome")
            left_s = deadline - time.monotonic()
            if not ledger.open or left_s <= 0:
                return ledger
            time.sleep(min(pause_s, left_s))
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
