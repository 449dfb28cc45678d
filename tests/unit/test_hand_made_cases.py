"""How many bad inputs were made by hand: counted here, run where they are imported from."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.integration.models.test_model_gate_hostile import DAMAGES, VECTORISER_OPTIONS
from tests.unit.models.test_model_archive import HARMFUL
from tests.unit.test_compiled_archive import LAYOUTS, MEMBERS

CASES = Path(__file__).resolve().parents[1] / "cases"


def listed(*paths: str) -> int:
    """Return how many cases of case files expect an error."""
    return sum("code" in case for path in paths for case in yaml.safe_load((CASES / path).read_text(encoding="utf-8")))


def files() -> int:
    """Return how many CSV, TSV and JSON-lines files expect an error, or a bad row at least."""
    expected = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in (CASES / "csv").glob("*.yaml")]
    return sum("error" in case or bool(case.get("bad")) for case in expected)


COUNTS = {
    "requests": (listed("requests/bad_requests.yaml", "requests/hostile_requests.yaml"), 150),
    "events": (listed("events/bad_events.yaml"), 85),
    "files": (files(), 60),
    "models": (
        len(HARMFUL) + len(MEMBERS) + len(LAYOUTS) + sum(map(len, VECTORISER_OPTIONS.values())) + len(DAMAGES),
        90,
    ),
}


@pytest.mark.parametrize("kind", COUNTS)
def test_no_kind_of_input_is_forgotten(kind: str) -> None:
    count, at_least = COUNTS[kind]
    assert count >= at_least, f"{kind}: {count}"


def test_there_are_three_hundred() -> None:
    assert sum(count for count, _ in COUNTS.values()) >= 300
