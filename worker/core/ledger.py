"""The counts of `verify`: what became of every row. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Fault = Literal["missing", "doubled", "unexpected"]

MAX_FINDINGS = 20
"""Findings that are named one by one; the counts are always complete."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One row that is not accounted for."""

    fault: Fault
    key: str
    detail: str


@dataclass(frozen=True, slots=True)
class Account:
    """The counts. Conservation: read = predicted + rejected + missing + doubled."""

    read: int
    predicted: int
    rejected: int
    missing: int
    doubled: int
    """Rows with two different outcomes; storing one outcome twice is not doubling (at-least-once storage)."""
    unexpected: int
    """Stored outcomes that claim to be of this input and are not."""
    findings: tuple[Finding, ...] = ()

    @property
    def balanced(self) -> bool:
        """Say whether every row ended exactly once in predictions or in rejections, and nothing else did."""
        return self.missing == self.doubled == self.unexpected == 0


class Tally:
    """Counts rows as they are judged, and names the first of the faulty ones."""

    def __init__(self) -> None:
        self._counts = dict.fromkeys(("predicted", "rejected", "missing", "doubled", "unexpected"), 0)
        self._findings: list[Finding] = []

    def good(self, outcome: Literal["predicted", "rejected"]) -> None:
        """Count a row that ended where it should."""
        self._counts[outcome] += 1

    def fault(self, fault: Fault, key: str, detail: str) -> None:
        """Count a row that did not."""
        self._counts[fault] += 1
        if self._counts[fault] <= MAX_FINDINGS:
            self._findings.append(Finding(fault, key, detail))

    def account(self, read: int) -> Account:
        """Return the counts so far, for `read` rows of input."""
        return Account(read=read, findings=tuple(self._findings), **self._counts)
