"""When a CSV job has been tried in vain often enough to be given up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from schemas.jobs import AttemptEnd

VAIN_ATTEMPTS = 3
"""A job that stored no new part in so many attempts in a row is given up."""

SILENT_S = 45.0
"""An attempt that has begun so long ago, has not said how it ended and has stored no part since is over: its worker
was killed. Shorter than the lease of a killed worker's message (60 s), after which the next attempt begins; longer
than two deliveries of one event, which run at once, are apart."""

_KILLED = "it said nothing; its worker was killed, perhaps because its memory was used up"


@dataclass(frozen=True, slots=True)
class PastAttempt:
    """An earlier attempt at a job."""

    parts: int
    """Finished parts when it began."""
    end: AttemptEnd | None
    """How it ended, as far as it could say."""
    age_s: float
    """Since its begin, by the bucket's clock alone."""


def why_vain(newest_first: Iterable[PastAttempt], *, parts: int) -> str | None:
    """Return why a job with so many finished parts must be given up, None when it can go on.

    It must when its last attempts are over and found as many parts as there are now. Attempts that were stopped for
    another reason than the job count neither way. Takes no more attempts from the iterable than it needs.
    """
    reasons: list[str] = []
    for attempt in newest_first:
        if attempt.end is not None and not attempt.end.vain:
            continue
        may_still_run = attempt.end is None and attempt.age_s < SILENT_S
        if may_still_run or attempt.parts != parts:
            return None
        reasons.append(_KILLED if attempt.end is None else attempt.end.reason)
        if len(reasons) == VAIN_ATTEMPTS:
            return (
                f"{VAIN_ATTEMPTS} attempts in a row stored no new part after the {parts:,} that there are. How the "
                f"last one ended: {reasons[0].rstrip('.')}. See to the cause and upload the file again."
            )
    return None
