"""Publishing over a topic that fails: nothing is lost, and feeding the failures again completes the receipt."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.faults import Fault, Faults
from cloud.faulty_queue import FaultyTopic
from cloud.memory_queue import MemorySubscription, MemoryTopic
from cloud.queue import Topic
from publisher import sender
from publisher.failures import FailuresFile
from publisher.receipts import ReceiptFile, made_up_id, new_receipt_id, read_receipt, stamp
from publisher.run import Counts, Run
from publisher.sources import Entry, json_lines
from schemas.outcomes import Prediction, Receipt, text_digest
from schemas.requests import ReviewRequest, decode_review
from worker.core.ledger import Account
from worker.core.ledger_messages import ReceiptLedger
from worker.core.naming import parse_time, partition


class SilentTopic:
    """A topic that never answers."""

    name = "silent"

    def __init__(self) -> None:
        self.published = 0

    def publish(self, data: bytes, attributes: Mapping[str, str]) -> Future[str]:
        assert data
        assert attributes
        self.published += 1
        return Future()

    def flush(self, *, timeout_s: float = 60.0) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def feed(topic: Topic, data: bytes, folder: Path, run: str, *, timeout_s: float = 30.0) -> tuple[Counts, bytes]:
    """Publish JSON lines into the receipt of the folder; return the counts and what failed."""
    failures = folder / f"{run}.failures.jsonl"
    with ReceiptFile(folder / "receipt.jsonl") as receipts, FailuresFile(failures) as failed:
        publishing = Run(topic, run, model=None, version=None, receipts=receipts, failures=failed, timeout_s=timeout_s)
        counts = publishing.publish(json_lines(io.BytesIO(data)), lambda _: None)
    assert counts.read == counts.accepted + counts.failed + counts.repeats
    return counts, failures.read_bytes() if failures.exists() else b""


def receipt(folder: Path) -> list[Receipt]:
    path = folder / "receipt.jsonl"
    return list(read_receipt(path)) if path.exists() else []


def account(lines: list[Receipt], subscription: MemorySubscription) -> Account:
    """Predict everything that arrived, and hold it against the receipt."""
    ledger = ReceiptLedger(lines)
    while batch := subscription.pull(100, timeout_s=0.0):
        subscription.acknowledge([message.ack_id for message in batch])
        for message in batch:
            request = decode_review(message.data)
            assert request.id is not None
            digest = text_digest(request.text)
            row = Prediction(request.id, "good", 0.5, "m", "v", digest, message.message_id, message.publish_time)
            ledger.add(partition(message.attributes["enqueued_at"], message.publish_time), row)
    return ledger.account()


FAULTS = st.lists(
    st.builds(
        Fault,
        st.just("publish"),
        st.sampled_from(["before", "lost_answer", "repeated"]),
        first=st.integers(1, 6),
        every=st.integers(0, 3),
    ),
    max_size=3,
)


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), max_size=12), FAULTS)
def test_nothing_is_lost_over_a_failing_topic(rows: list[tuple[str, bool]], plan: list[Fault]) -> None:
    lines = [{"text": text} | ({"id": f"id-{text}"} if named else {}) for text, named in rows]
    data = "".join(json.dumps(line) + "\n" for line in lines).encode()
    topic = MemoryTopic()
    subscription = MemorySubscription("reviews", topic)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        first, failed = feed(FaultyTopic(topic, Faults(*plan)), data, folder, "p1")
        again, rest = feed(topic, failed, folder, "p2")
        found = account(receipt(folder), subscription)
    unique = sum(not named for _, named in rows) + len({text for text, named in rows if named})
    assert rest == b""
    assert first.failed == again.read
    assert first.accepted + again.accepted == unique
    assert (found.read, found.predicted) == (unique, unique)
    assert found.balanced


def test_answers_that_never_come_are_failures(tmp_path: Path) -> None:
    data = b"".join(b'{"text": "n %d"}\n' % number for number in range(150))
    topic = SilentTopic()
    counts, failed = feed(topic, data, tmp_path, "p1", timeout_s=0.05)
    assert (counts.failed, counts.accepted) == (150, 0)
    again = [json.loads(line) for line in failed.splitlines()]
    assert [line["id"] for line in again] == [made_up_id("p1", number) for number in range(1, 151)]
    faults = (tmp_path / "p1.failures.jsonl.faults.jsonl").read_text().splitlines()
    assert {json.loads(line)["code"] for line in faults} == {"not_published"}


def test_a_topic_that_is_gone_is_given_up(tmp_path: Path) -> None:
    data = b"".join(b'{"text": "n %d"}\n' % number for number in range(1_000))
    inner = MemoryTopic()
    faults = Faults(Fault("publish", "before", first=11, every=1))
    counts, failed = feed(FaultyTopic(inner, faults), data, tmp_path, "p1")
    assert (counts.accepted, counts.failed) == (10, 990)
    assert len(failed.splitlines()) == 990
    assert faults.fired.total() == sender.GIVE_UP_AFTER


def test_open_requests_are_bounded(tmp_path: Path) -> None:
    topic = SilentTopic()
    most = 0

    def watched() -> Iterator[Entry]:
        nonlocal most
        for number in range(sender.MAX_OPEN + 300):
            most = max(most, topic.published - counts.failed)
            yield Entry(number, b"", ReviewRequest(text=f"n {number}"))

    with ReceiptFile(tmp_path / "r") as receipts, FailuresFile(tmp_path / "f") as failures:
        run = Run(topic, "p1", model=None, version=None, receipts=receipts, failures=failures, timeout_s=0.01)
        counts = run.counts
        run.publish(watched(), lambda _: None)
    assert counts.failed == sender.MAX_OPEN + 300
    assert sender.MAX_OPEN <= most <= sender.MAX_OPEN + 1


def test_an_interrupted_run_keeps_what_is_known(tmp_path: Path) -> None:
    def interrupted() -> Iterator[Entry]:
        yield from json_lines(io.BytesIO(b'{"text": "a"}\n{"text": "b"}\n'))
        raise KeyboardInterrupt

    for topic, accepted in ((MemoryTopic(), 2), (SilentTopic(), 0)):
        folder = tmp_path / topic.name
        folder.mkdir()
        with ReceiptFile(folder / "receipt.jsonl") as receipts, FailuresFile(folder / "f") as failures:
            run = Run(topic, "p1", model=None, version=None, receipts=receipts, failures=failures, timeout_s=60)
            with pytest.raises(KeyboardInterrupt):
                run.publish(interrupted(), lambda _: None)
        assert (run.counts.accepted, run.counts.failed) == (accepted, 2 - accepted)
        assert len(receipt(folder)) == accepted


def test_receipt_ids_and_stamps_have_their_form() -> None:
    now = parse_time("2026-03-01T10:15:00.5Z")
    assert now is not None
    one, other = new_receipt_id(now), new_receipt_id(now)
    assert one != other
    assert one.startswith("p20260301T101500Z")
    assert len(one) == len("p20260301T101500Z") + 6
    assert made_up_id(one, 7) == f"{one}-000007"
    assert made_up_id(one, 12_345_678) == f"{one}-12345678"
    assert stamp(now) == "2026-03-01T10:15:00.500000Z"
