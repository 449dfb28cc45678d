"""Parquet files with bytes changed at random: rows or a reason, and never a hang, a crash or another error."""

from __future__ import annotations

import os
import random
from collections import Counter

import pytest

from schemas.errors import InvalidInput
from tests.integration.parquet.test_parquet_hostile import FOOTER, GOOD, read_all


@pytest.mark.faults
@pytest.mark.timeout(900)  # starts two processes for each file
def test_any_damage_ends_in_rows_or_in_a_reason() -> None:
    """About a second a file. REVIEWMILL_PARQUET_SEED and REVIEWMILL_PARQUET_FILES ask for others."""
    chance = random.Random(int(os.environ.get("REVIEWMILL_PARQUET_SEED", "1")))
    outcomes: Counter[str] = Counter()
    for _ in range(int(os.environ.get("REVIEWMILL_PARQUET_FILES", "60"))):
        data = bytearray(GOOD)
        for _ in range(chance.choice((1, 1, 2, 5))):
            # Every other time in the footer, where lengths, counts and offsets are.
            first = len(data) - FOOTER if chance.random() < 0.5 else 0
            data[chance.randrange(first, len(data))] = chance.randrange(256)
        try:
            outcomes[f"{read_all(bytes(data)):,} rows"] += 1
        except InvalidInput as error:
            outcomes[error.code] += 1
    assert outcomes["broken_parquet"], outcomes
