"""The sum of what a job's parts say for its report. Adding is exact and does not depend on the order of workers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from schemas.jobs import PartRecord
from schemas.report import Measure, PartReport, RejectedExample, RowExample
from worker.core.report_part import REJECTED_EXAMPLES, least_confident, most_confident


@dataclass(slots=True)
class ReportTotals:
    """Give every part once, in order; part records without a report (of earlier releases) are counted as missing."""

    parts: int = 0
    parts_without_report: int = 0
    stored_bytes: int = 0
    stored_objects: int = 0
    measure: Measure = "none"
    histogram: list[int] = field(default_factory=list)
    deciles: list[int] = field(default_factory=list)
    sampled: int = 0
    words: int = 0
    most: list[RowExample] = field(default_factory=list)
    least: list[RowExample] = field(default_factory=list)
    terms: dict[str, Counter[str]] = field(default_factory=dict)
    rejected: dict[str, list[RejectedExample]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    """By code: the sentence of its first row."""

    def add(self, record: PartRecord) -> None:
        """Add one part."""
        self.parts += 1
        self.stored_objects += len(record.objects) + 1
        self.stored_bytes += sum(stored.size for stored in record.objects)
        if record.report is None:
            self.parts_without_report += 1
        else:
            self._add(record.report)

    def _add(self, part: PartReport) -> None:
        if self.measure == "none":
            self.measure = part.measure
        self.histogram = _sum(self.histogram, part.histogram)
        self.deciles = _sum(self.deciles, part.deciles)
        self.sampled += part.sampled
        self.words += part.words
        self.most = most_confident(self.most + part.most)
        self.least = least_confident(self.least + part.least)
        for label, added in part.terms.items():
            # Counter.update adds, and keeps what is negative.
            self.terms.setdefault(label, Counter()).update(added)
        for code, places in part.rejected.items():
            kept = self.rejected.setdefault(code, [])
            kept += places[: REJECTED_EXAMPLES - len(kept)]
        for code, reason in part.reasons.items():
            self.reasons.setdefault(code, reason)

    @property
    def mean_words(self) -> float | None:
        """Words a row, over the sampled rows."""
        return self.words / self.sampled if self.sampled else None


def _sum(one: list[int], other: list[int]) -> list[int]:
    if not one or not other:
        return one or list(other)
    return [a + b for a, b in zip(one, other, strict=True)]
