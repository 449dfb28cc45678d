"""Training and held-out rows: stratified, seeded, and without a text on both sides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from schemas.errors import InvalidInput
from training.clean import Example

TEST_SHARE = 0.25
MIN_PER_LABEL = 8
"""Distinct texts a label needs: enough for two folds of calibration and two held-out rows."""
MAX_LABELS = 100


@dataclass(frozen=True, slots=True)
class Parts:
    """Examples to learn from and examples to judge by."""

    train: list[Example]
    test: list[Example]


def split(examples: Sequence[Example], *, seed: int) -> Parts:
    """Hold out a quarter of each label's examples. The same examples and seed give the same split.

    `examples` must be distinct (see `training.clean.distinct`): then no text is on both sides. Raises InvalidInput
    where there are too few examples, or too few or too many labels, to train and judge a classifier.
    """
    _check_labels(Counter(example.label for example in examples))
    random = np.random.default_rng(seed)
    held_out: set[int] = set()
    for label in sorted({example.label for example in examples}):
        places = [place for place, example in enumerate(examples) if example.label == label]
        count = round(len(places) * TEST_SHARE)
        held_out.update(random.permutation(places)[:count].tolist())
    return Parts(
        train=[example for place, example in enumerate(examples) if place not in held_out],
        test=[example for place, example in enumerate(examples) if place in held_out],
    )


def _check_labels(counts: Counter[str]) -> None:
    if len(counts) < 2:  # noqa: PLR2004 - a classifier chooses between two labels at least
        raise InvalidInput(
            "too_few_labels",
            f"The rows have {len(counts)} label(s); at least 2 are needed. Check --label-column.",
        )
    if len(counts) > MAX_LABELS:
        raise InvalidInput(
            "too_many_labels",
            f"The rows have {len(counts):,} different labels; at most {MAX_LABELS} are allowed. Check --label-column.",
        )
    label, count = min(counts.items(), key=lambda item: (item[1], item[0]))
    if count < MIN_PER_LABEL:
        raise InvalidInput(
            "too_few_rows",
            f"The label {label[:40]!r} has {count} distinct text(s); each label needs {MIN_PER_LABEL}. "
            "Add rows, or take the label out.",
        )
