"""Distinct labelled texts from labelled rows: repeats and contradictions leave, and are counted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from worker.core.text import TOKEN_PATTERN

_WORDS = re.compile(TOKEN_PATTERN)

REPEATED = "repeated_text"
"""The same words as an earlier row with the same label."""
OUTVOTED = "outvoted_label"
"""The same words as other rows, most of which have another label."""
CONTRADICTING = "contradicting_label"
"""The same words as other rows, with two labels equally often."""


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled text."""

    text: str
    label: str


@dataclass(frozen=True, slots=True)
class Cleaned:
    """Distinct examples in the order of their first rows; `dropped` has a cause and a number of rows for the rest."""

    examples: list[Example]
    dropped: dict[str, int]


def group_key(text: str) -> str:
    """Return what all texts share that a model of words cannot tell apart: the words, in lower case and order.

    Finer keys leak: "Works great!" in training and "Works great." among the held-out rows have equal features.
    Texts without any word are told apart by their characters.
    """
    lowered = text.lower()
    return " ".join(_WORDS.findall(lowered)) or f"\n{' '.join(lowered.split())}"


def distinct(examples: Iterable[Example]) -> Cleaned:
    """Keep one example of each group of equal texts, with the label that most of its rows have; none on a tie."""
    groups: dict[str, list[Example]] = {}
    for example in examples:
        groups.setdefault(group_key(example.text), []).append(example)
    kept: list[Example] = []
    dropped: Counter[str] = Counter()
    for group in groups.values():
        label = _majority(group)
        if label is None:
            dropped[CONTRADICTING] += len(group)
            continue
        agreeing = [example for example in group if example.label == label]
        kept.append(agreeing[0])
        dropped[REPEATED] += len(agreeing) - 1
        dropped[OUTVOTED] += len(group) - len(agreeing)
    return Cleaned(kept, {cause: count for cause, count in sorted(dropped.items()) if count})


def _majority(group: list[Example]) -> str | None:
    """Return the label with the most rows, None where two share the first place."""
    ranking = Counter(example.label for example in group).most_common(2)
    if len(ranking) > 1 and ranking[0][1] == ranking[1][1]:
        return None
    return ranking[0][0]
