"""An uploaded CSV's rows against stored outcomes: whatever is lost, doubled or alien is found."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from schemas.jobs import Counts, JobManifest, Source, StoredObject
from schemas.outcomes import Rejection, Stage
from worker.core.ledger import Account
from worker.core.ledger_jobs import JobLedger, manifest_faults

Event = tuple[str, int, str, str]
"""Kind, row, first cell or stage, text."""


def text(row: int) -> str:
    return f"text of {row}"


def rejection(row: int, stage: Stage) -> Rejection:
    return Rejection(key=f"r:{row}", code="bad", stage=stage, reason="Mend it.", row=row or None)


def outcomes(fates: str) -> list[Event]:
    """Return what a faultless job stores: p predicted, s rejected when scored, b a bad row rejected when parsed."""
    made: list[Event] = []
    for row, fate in enumerate(fates, 1):
        stage = {"s": "score", "b": "parse"}
        made.append(("p", row, f"r:{row}", text(row)) if fate == "p" else ("r", row, stage[fate], ""))
    return made


def account(fates: str, events: list[Event]) -> Account:
    return ledger_of(fates, events).account()


def ledger_of(fates: str, events: list[Event]) -> JobLedger:
    ledger = JobLedger()
    for row, fate in enumerate(fates, 1):
        ledger.expect(row, None if fate == "b" else [f"r:{row}", text(row)])
    for kind, row, word, content in events:
        if kind == "p":
            ledger.predicted(row, [word, content], "good")
        else:
            ledger.rejected(rejection(row, "parse" if word == "parse" else "score"))
    return ledger


FATES = st.text(alphabet="psb", min_size=1, max_size=20)


@given(FATES, st.data())
def test_every_row_once_is_balanced(fates: str, data: st.DataObject) -> None:
    found = account(fates, data.draw(st.permutations(outcomes(fates))))
    assert found.balanced
    assert (found.read, found.predicted) == (len(fates), fates.count("p"))
    assert found.rejected == len(fates) - fates.count("p")


@given(FATES, st.data())
def test_a_lost_row_is_found(fates: str, data: st.DataObject) -> None:
    events = outcomes(fates)
    lost = events.pop(data.draw(st.integers(0, len(events) - 1)))
    found = account(fates, events)
    assert (found.missing, found.doubled, found.unexpected) == (1, 0, 0)
    assert found.findings[0].key == f"row {lost[1]}"


@given(FATES, st.data())
def test_a_doubled_row_is_found(fates: str, data: st.DataObject) -> None:
    events = outcomes(fates)
    twice = data.draw(st.sampled_from(events))
    events.insert(data.draw(st.integers(0, len(events))), twice)
    found = account(fates, events)
    assert (found.missing, found.doubled, found.unexpected) == (0, 1, 0)
    assert found.findings[0].key == f"row {twice[1]}"


@given(FATES, st.data(), st.sampled_from(["beyond", "zero", "other text", "other cell", "moved cell", "no row"]))
def test_an_alien_row_is_found(fates: str, data: st.DataObject, what: str) -> None:
    events = outcomes(fates)
    row = data.draw(st.integers(1, len(fates)))
    aliens: dict[str, Event] = {
        "beyond": ("p", len(fates) + row, f"r:{row}", text(row)),
        "zero": ("p", 0, "r:0", text(0)),
        "other text": ("p", row, f"r:{row}", "alien"),
        "other cell": ("p", row, "alien", text(row)),
        "moved cell": ("p", row, f"r:{row}t", text(row)[1:]),
        "no row": ("r", 0, "score", ""),
    }
    events.insert(data.draw(st.integers(0, len(events))), aliens[what])
    found = account(fates, events)
    assert (found.missing, found.doubled, found.unexpected) == (0, 0, 1)


def test_a_good_row_refused_by_the_reader_is_found() -> None:
    found = account("p", [("r", 1, "parse", "")])
    assert (found.missing, found.unexpected) == (1, 1)


def test_a_bad_row_predicted_is_found() -> None:
    found = account("b", [("p", 1, "r:1", text(1))])
    assert (found.missing, found.unexpected) == (1, 1)


def test_three_hundred_copies_do_not_wrap_round() -> None:
    assert account("p", outcomes("p") * 300).doubled == 1


def test_rows_must_come_in_order() -> None:
    with pytest.raises(ValueError, match="row 3 does not follow row 0"):
        JobLedger().expect(3, None)


def manifest(counts: Counts) -> JobManifest:
    return JobManifest(
        job="j",
        state="done",
        source=Source("b", "o", 1, 10, "AAAAAA=="),
        model="linear_svc",
        version="v1",
        counts=counts,
        labels={"good": 2},
        codes={"bad": 1},
        objects=[StoredObject("jobs/j/predictions.csv", 30, "BBBBBB==")],
        timings={},
        cost={},
    )


def faults(said: JobManifest, stored: dict[str, tuple[int, str]]) -> list[str]:
    ledger = ledger_of("ppb", outcomes("ppb"))
    return manifest_faults(said, ledger.account(), ledger, stored)


def test_a_true_manifest_has_no_faults() -> None:
    assert faults(manifest(Counts(3, 2, 1)), {"jobs/j/predictions.csv": (30, "BBBBBB==")}) == []


@pytest.mark.parametrize(
    ("said", "stored", "sentence"),
    [
        (manifest(Counts(4, 2, 1)), (30, "BBBBBB=="), "says 4 rows, the recount 3"),
        (manifest(Counts(3, 3, 1)), (30, "BBBBBB=="), "says 3 predictions, the recount 2"),
        (manifest(Counts(3, 2, 2)), (30, "BBBBBB=="), "says 2 rejections, the recount 1"),
        (replace(manifest(Counts(3, 2, 1)), labels={"good": 1, "bad": 1}), (30, "BBBBBB=="), "by label"),
        (replace(manifest(Counts(3, 2, 1)), codes={}), (30, "BBBBBB=="), "by code"),
        (manifest(Counts(3, 2, 1)), (31, "BBBBBB=="), "holds 31 bytes"),
        (manifest(Counts(3, 2, 1)), (30, "CCCCCC=="), "crc32c CCCCCC=="),
        (manifest(Counts(3, 2, 1)), None, "is not stored"),
    ],
)
def test_each_false_statement_is_named(said: JobManifest, stored: tuple[int, str] | None, sentence: str) -> None:
    found = faults(said, {} if stored is None else {"jobs/j/predictions.csv": stored})
    assert len(found) == 1
    assert sentence in found[0]
