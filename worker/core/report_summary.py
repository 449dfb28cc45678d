"""What a job's report is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from schemas.jobs import Counts, JobSpec, ModelShare
from worker.core.report_totals import ReportTotals

_MINUTE_S = 60


@dataclass(frozen=True, slots=True)
class RunFigures:
    """What the job took. The only figures of a report that differ from run to run."""

    seconds: float
    """From the spec to the last part, by storage's clock: whoever worked, and pauses between workers included."""
    cost: Mapping[str, float]
    """What the worker that finished the job used for it until then, as in the manifest."""


@dataclass(frozen=True, slots=True)
class JobSummary:
    """What the manifest says of a job, and the sums of its parts."""

    spec: JobSpec
    counts: Counts
    labels: Mapping[str, int]
    codes: Mapping[str, int]
    reason: str | None
    """Why the job failed; None where it is done."""
    totals: ReportTotals
    run: RunFigures
    models: Sequence[ModelShare] = ()
    """How many rows each model scored, where rows name models."""


def counted(number: int, one: str) -> str:
    """Return a number with its noun, such as `1 part` or `2 parts`."""
    return f"{number:,} {one if number == 1 else f'{one}s'}"


def lasted(seconds: float) -> str:
    """Return how long something took: to a hundredth of a second below one, to a tenth below a minute."""
    hundredths = round(seconds, 2)
    if hundredths < 1:
        return f"{hundredths:.2f} s"
    tenths = round(seconds, 1)
    return f"{tenths:.1f} s" if tenths < _MINUTE_S else str(timedelta(seconds=round(seconds)))
