"""A receipt against stored outcomes: whatever is lost, doubled or alien is found, wherever it stands."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.outcomes import Prediction, Receipt, Rejection, text_digest
from worker.core.ledger import Account
from worker.core.ledger_messages import ReceiptLedger
from worker.core.reading import Outcome

HOUR = "dt=2026-03-01/hr=10"
NEXT_HOUR = "dt=2026-03-01/hr=11"
STAMP = "2026-03-01T10:15:00.000000Z"
NEXT_STAMP = "2026-03-01T11:00:00.000000Z"
PUBLISHED = "2026-03-01T10:15:01.000000Z"
RUN = "p20260301T101500Zabc123"

Stored = tuple[str, Outcome]


def line(number: int, *, key: str | None = None, text: str | None = None, stamp: str = STAMP) -> Receipt:
    return Receipt(
        id=key or f"{RUN}-{number:06d}",
        text_sha256=text_digest(text or f"text {number}"),
        message_id=str(100 + number),
        enqueued_at=stamp,
        receipt=RUN,
    )


def prediction(item: Receipt, label: str = "good") -> Prediction:
    return Prediction(
        key=item.id,
        label=label,
        probability=0.75,
        model="logistic_regression",
        version="v1",
        text_sha256=item.text_sha256,
        message_id=item.message_id,
        publish_time=PUBLISHED,
    )


def rejection(item: Receipt, key: str | None = None, published: str = PUBLISHED) -> Rejection:
    return Rejection(
        key=key or item.id,
        code="unknown_model",
        stage="model",
        reason="No such model.",
        message_id=item.message_id,
        publish_time=published,
    )


def account(receipt: Sequence[Receipt], stored: Sequence[Stored]) -> Account:
    ledger = ReceiptLedger(receipt)
    for where, outcome in stored:
        ledger.add(where, outcome)
    return ledger.account()


def counts(found: Account) -> tuple[int, int, int, int, int, int]:
    return found.read, found.predicted, found.rejected, found.missing, found.doubled, found.unexpected


@st.composite
def balanced(draw: st.DrawFn) -> tuple[list[Receipt], list[Stored]]:
    """A receipt of 1 to 12 lines in two hours, with one outcome each, some stored repeatedly, in any order."""
    fates = draw(st.lists(st.tuples(st.sampled_from("pr"), st.booleans(), st.integers(1, 3)), min_size=1, max_size=12))
    receipt, stored = [], []
    for number, (fate, later, copies) in enumerate(fates):
        item = line(number, stamp=NEXT_STAMP if later else STAMP, key=f"mine-{number}" if number % 2 else None)
        outcome = prediction(item) if fate == "p" else rejection(item)
        receipt.append(item)
        stored += [(NEXT_HOUR if later else HOUR, outcome)] * copies
    return draw(st.permutations(receipt)), draw(st.permutations(stored))


@given(balanced())
def test_every_row_once_is_balanced(case: tuple[list[Receipt], list[Stored]]) -> None:
    receipt, stored = case
    found = account(receipt, stored)
    rejected = sum(isinstance(outcome, Rejection) for outcome in {o.key: o for _, o in stored}.values())
    assert counts(found) == (len(receipt), len(receipt) - rejected, rejected, 0, 0, 0)
    assert found.balanced
    assert found.findings == ()


@given(balanced(), st.data())
def test_a_lost_row_is_found(case: tuple[list[Receipt], list[Stored]], data: st.DataObject) -> None:
    receipt, stored = case
    lost = data.draw(st.sampled_from(receipt))
    found = account(receipt, [(where, outcome) for where, outcome in stored if outcome.key != lost.id])
    assert (found.missing, found.doubled, found.unexpected) == (1, 0, 0)
    assert found.findings[0].key == lost.id
    assert not found.balanced


@given(balanced(), st.data(), st.sampled_from(["label", "version", "kind", "text"]))
def test_a_doubled_row_is_found(case: tuple[list[Receipt], list[Stored]], data: st.DataObject, what: str) -> None:
    receipt, stored = case
    where, outcome = data.draw(st.sampled_from(stored))
    item = next(item for item in receipt if item.id == outcome.key)
    second: Outcome = prediction(item, label="bad")
    if what == "version":
        second = msgspec.structs.replace(prediction(item), version="v2")
    elif what == "kind" and isinstance(outcome, Prediction):
        second = rejection(item)
    elif what == "text":
        second = msgspec.structs.replace(prediction(item), text_sha256=text_digest("another text"))
    place = data.draw(st.integers(0, len(stored)))
    found = account(receipt, [*stored[:place], (where, second), *stored[place:]])
    assert (found.missing, found.doubled, found.unexpected) == (0, 1, 0)
    assert found.findings[0].key == item.id
    assert found.read == found.predicted + found.rejected + found.doubled


@given(balanced(), st.data(), st.sampled_from(["new key of the run", "message id", "unread message id"]))
def test_an_alien_row_is_found(case: tuple[list[Receipt], list[Stored]], data: st.DataObject, what: str) -> None:
    receipt, stored = case
    item = data.draw(st.sampled_from(receipt))
    alien: Outcome = msgspec.structs.replace(prediction(item), key=f"{RUN}-999999", message_id="7")
    if what == "message id":
        alien = msgspec.structs.replace(prediction(item), key="someone", publish_time="2026-03-01T12:00:00Z")
    elif what == "unread message id":
        alien = msgspec.structs.replace(
            prediction(item),
            key=f"m:{item.message_id}",
            text_sha256=text_digest("alien"),
            publish_time="2026-03-01T12:00:00Z",
        )
    where = data.draw(st.sampled_from([HOUR, NEXT_HOUR]))
    place = data.draw(st.integers(0, len(stored)))
    found = account(receipt, [*stored[:place], (where, alien), *stored[place:]])
    assert (found.missing, found.doubled, found.unexpected) == (0, 0, 1)
    assert found.findings[0].key == alien.key


def test_another_text_under_an_unanswered_id_is_missing_and_unexpected() -> None:
    item = line(1)
    alien = msgspec.structs.replace(prediction(item), text_sha256=text_digest("another text"))
    assert counts(account([item], [(HOUR, alien)])) == (1, 0, 0, 1, 0, 1)


@pytest.mark.parametrize("where", [HOUR, NEXT_HOUR])
def test_other_senders_are_not_counted(where: str) -> None:
    mine, theirs = line(1, key="mine"), line(2, key="theirs")
    assert counts(account([mine], [(HOUR, prediction(mine)), (where, prediction(theirs))])) == (1, 1, 0, 0, 0, 0)


def test_the_same_row_published_in_another_hour_is_another_publication() -> None:
    mine = line(1, key="mine")
    later = msgspec.structs.replace(prediction(mine), version="v2")
    assert counts(account([mine], [(HOUR, prediction(mine)), (NEXT_HOUR, later)])) == (1, 1, 0, 0, 0, 0)


def test_a_duplicate_under_a_new_message_id_is_one_row() -> None:
    mine = line(1)
    again = msgspec.structs.replace(prediction(mine), message_id="999")
    assert counts(account([mine], [(HOUR, prediction(mine)), (HOUR, again)])) == (1, 1, 0, 0, 0, 0)


def test_an_unreadable_request_is_known_by_its_message_id() -> None:
    mine = line(1)
    assert counts(account([mine], [(HOUR, rejection(mine, key="m:101"))])) == (1, 0, 1, 0, 0, 0)


def test_a_message_id_of_an_earlier_emulator_is_not_ours() -> None:
    mine = line(1)
    old = rejection(mine, key="m:101", published="2026-03-01T10:00:00Z")
    assert counts(account([mine], [(HOUR, old)])) == (1, 0, 0, 1, 0, 0)


def test_a_line_twice_is_one_line_and_two_texts_are_two() -> None:
    one, other = line(1, key="same", text="one"), line(2, key="same", text="other")
    assert counts(account([one, one, other], [(HOUR, prediction(one))])) == (2, 1, 0, 1, 0, 0)
    both = account([one, one, other], [(HOUR, prediction(one)), (HOUR, prediction(other))])
    assert counts(both) == (2, 0, 0, 0, 2, 0)
    assert "conflict" in both.findings[0].detail


def test_open_lines_and_partitions_are_known() -> None:
    ledger = ReceiptLedger([line(1), line(2, stamp=NEXT_STAMP)])
    assert ledger.partitions == [HOUR, NEXT_HOUR]
    assert ledger.open == 2
    ledger.add(HOUR, prediction(line(1)))
    ledger.add(HOUR, prediction(line(1)))
    assert ledger.open == 1
