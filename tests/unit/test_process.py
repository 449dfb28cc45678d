from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cloud.objects import TransientError
from schemas.codec import encode
from schemas.errors import InvalidInput
from schemas.events import upload_from_notification
from schemas.outcomes import text_digest
from schemas.ranges import RangeTask, decode_range_task
from worker.core.envelope import Envelope
from worker.core.pack import ResultObject
from worker.core.scorer import Scores
from worker.dispatch import Dispatcher
from worker.process import process

TIME = "2026-11-22T18:05:09.123456Z"


@dataclass(frozen=True, slots=True)
class LengthModel:
    """Labels texts by whether their length is odd; cannot score a text that holds `poison`."""

    name: str
    version: str

    def score(self, texts: Sequence[str]) -> Scores:
        if any("poison" in text for text in texts):
            raise ValueError("cannot score this")
        odd = np.array([len(text) % 2 for text in texts], dtype=np.intp)
        probabilities = np.column_stack([np.where(odd == 0, 0.75, 0.25), np.where(odd == 1, 0.75, 0.25)])
        return Scores(classes=("even", "odd"), chosen=odd, probabilities=probabilities, decisions=None)


class Models:
    """Serves any of the three; `linear_svc` cannot be had, and only version v1 exists."""

    def resolve(self, model: str | None, version: str | None) -> LengthModel:
        if model == "linear_svc":
            raise TransientError("the models bucket does not answer")
        if version not in {None, "v1"}:
            raise InvalidInput("unknown_version", "There is no such version.")
        return LengthModel(model or "logistic_regression", "v1")


@dataclass(slots=True)
class Results:
    """Keeps what is written; refuses kinds in `down` as storage that does not answer would."""

    down: frozenset[str] = frozenset()
    written: dict[str, bytes] = field(default_factory=dict)

    def commit(self, objects: Iterable[ResultObject]) -> set[int]:
        durable: set[int] = set()
        for item in objects:
            if item.name.partition("/")[0] not in self.down:
                self.written[item.name] = item.data
                durable |= item.origins
        return durable

    def lines(self, kind: str) -> list[dict[str, object]]:
        stored = [data for name, data in sorted(self.written.items()) if name.startswith(kind + "/")]
        return [json.loads(line) for data in stored for line in data.splitlines()]


def message(number: int, body: object, **attributes: str) -> Envelope:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Envelope(str(number), data, attributes, TIME)


def run(*bodies: object, results: Results | None = None) -> tuple[set[int], Results]:
    results = results or Results()
    return process([message(number, body) for number, body in enumerate(bodies)], Models(), results), results


def test_a_prediction_holds_what_the_contract_says_and_not_the_text() -> None:
    done, results = run({"text": "fine", "id": "a1"})
    assert done == {0}
    assert results.lines("reviews") == [
        {
            "key": "a1",
            "label": "even",
            "probability": 0.75,
            "model": "logistic_regression",
            "version": "v1",
            "text_sha256": text_digest("fine"),
            "message_id": "0",
            "publish_time": TIME,
        }
    ]
    assert [name.rpartition("/")[0] for name in results.written] == ["reviews/v1/dt=2026-11-22/hr=18"]


def test_bad_messages_are_rejected_and_their_neighbours_scored() -> None:
    done, results = run(b"\xff", {"text": "fine"}, {"text": "", "id": "e"}, {"text": "a", "model": "bert", "id": "m"})
    assert done == {0, 1, 2, 3}
    assert [line["key"] for line in results.lines("reviews")] == ["m:1"]
    rejections = {str(line["key"]): (line["code"], line["stage"]) for line in results.lines("rejections")}
    assert rejections == {
        "m:0": ("invalid_utf8", "decode"),
        "e": ("empty_text", "decode"),
        "m": ("unknown_model", "model"),
    }


def test_an_unknown_version_is_a_rejection() -> None:
    done, results = run({"text": "fine", "version": "v9", "id": "a"})
    assert done == {0}
    assert [(line["code"], line["stage"], line["version"]) for line in results.lines("rejections")] == [
        ("unknown_version", "model", "v9")
    ]


def test_the_one_row_that_cannot_be_scored_is_found() -> None:
    done, results = run(*[{"text": "poison" if n == 5 else "fine", "id": f"k{n}"} for n in range(9)])
    assert done == set(range(9))
    assert [line["key"] for line in results.lines("rejections")] == ["k5"]
    assert [line["key"] for line in results.lines("reviews")] == [f"k{n}" for n in range(9) if n != 5]


def test_messages_whose_model_cannot_be_had_are_given_back() -> None:
    done, results = run({"text": "a"}, {"text": "b", "model": "LinearSVC"}, {"text": "c"})
    assert done == {0, 2}
    assert len(results.lines("reviews")) == 2


def test_messages_whose_outcome_is_not_durable_are_given_back() -> None:
    done, _ = run({"text": "a"}, b"nonsense", results=Results(down=frozenset({"rejections"})))
    assert done == {0}


def test_the_same_request_twice_is_one_line_whatever_the_order() -> None:
    body = {"text": "fine", "id": "a1"}
    done, results = run(body, {"text": "else", "id": "b"}, body)
    assert done == {0, 1, 2}
    assert [(line["key"], line["message_id"]) for line in results.lines("reviews")] == [("a1", "0"), ("b", "1")]


def test_one_id_with_two_texts_keeps_both_for_the_reader_to_find() -> None:
    _, results = run({"text": "one", "id": "a1"}, {"text": "other", "id": "a1"})
    assert [line["text_sha256"] for line in results.lines("reviews")] == [text_digest("one"), text_digest("other")]


def test_the_publishers_stamp_and_not_the_delivery_names_the_partition() -> None:
    results = Results()
    process([message(1, {"text": "a"}, enqueued_at="2026-01-02T03:04:05Z")], Models(), results)
    assert [name.rpartition("/")[0] for name in results.written] == ["reviews/v1/dt=2026-01-02/hr=03"]


BODIES = st.one_of(
    st.builds(
        lambda text, key, model: {"text": text, "id": key, "model": model},
        st.sampled_from(["fine", "bad", "poison", "", "é"]),
        st.sampled_from(["a", "b", "c", "no good"]),
        st.sampled_from(["LogisticRegression", "decision_tree", "bert"]),
    ),
    st.binary(max_size=5),
)


@given(st.lists(BODIES, max_size=12), st.randoms(use_true_random=False))
def test_every_message_ends_in_exactly_one_line_and_order_does_not_matter(bodies: list[object], random: object) -> None:
    batch = [message(number, body) for number, body in enumerate(bodies)]
    results, shuffled = Results(), Results()
    assert process(batch, Models(), results) == set(range(len(batch)))
    random.shuffle(batch)  # type: ignore[attr-defined]
    process(batch, Models(), shuffled)
    assert shuffled.written == results.written
    lines = results.lines("reviews") + results.lines("rejections")
    distinct = {json.dumps(b, sort_keys=True) if isinstance(b, dict) else f"m:{n}" for n, b in enumerate(bodies)}
    # An invalid request is rejected under its own message each time; a valid one twice over is one line.
    assert len(distinct) <= len(lines) <= len(bodies)
    assert {str(n) for n in range(len(bodies))} >= {line["message_id"] for line in lines}


def test_a_fault_of_ours_costs_only_the_message_that_hits_it() -> None:
    def score(batch: Sequence[Envelope]) -> set[int]:
        if any(envelope.message_id == "6" for envelope in batch):
            raise RuntimeError("a bug")
        return set(range(len(batch)))

    dispatcher = Dispatcher(score, lambda _: None, lambda _: None)
    batch = [message(number, {"text": "a"}) for number in range(11)]
    assert dispatcher.handle(batch) == set(range(11)) - {6}


def test_notifications_go_to_the_job_and_reviews_to_the_batch() -> None:
    uploads: list[str] = []
    dispatcher = Dispatcher(
        lambda batch: set(range(len(batch))), lambda upload: uploads.append(upload.name), lambda _: None
    )
    finalize = {"eventType": "OBJECT_FINALIZE", "bucketId": "b", "objectId": "a.csv", "objectGeneration": "1"}
    batch = [
        message(0, {"text": "a"}),
        message(1, b"", **finalize),
        message(2, b"", **(finalize | {"eventType": "OBJECT_DELETE"})),
        message(3, b"", **(finalize | {"objectGeneration": "none"})),
    ]
    assert dispatcher.handle(batch) == {0, 1, 2}
    assert uploads == ["a.csv"]


def test_ranges_go_to_the_job_and_bad_ones_are_given_back() -> None:
    ranges: list[int] = []
    uploads: list[str] = []

    def run_range(task: RangeTask) -> None:
        if task.range == 3:
            raise TransientError("storage does not answer")
        ranges.append(task.range)

    dispatcher = Dispatcher(lambda _: set(), lambda upload: uploads.append(upload.name), run_range)
    tasks = [RangeTask("b", "a.csv", 1, number) for number in (2, 3, 4)]
    batch = [message(number, encode(task), **task.attributes()) for number, task in enumerate(tasks)]
    batch.append(message(3, b"{}", **tasks[0].attributes()))
    assert dispatcher.handle(batch) == {0, 2}
    assert (ranges, uploads) == ([2, 4], [])


def test_a_worker_without_ranges_takes_a_range_for_its_uploads_notification() -> None:
    """It gives the message back then, instead of rejecting it as a review."""
    task = RangeTask("b", "a.csv", 7, 2)
    assert upload_from_notification(task.attributes()) == task.upload
    assert decode_range_task(encode(task)) == task


def test_a_job_that_fails_is_given_back() -> None:
    def run_upload(_: object) -> None:
        raise TransientError("storage does not answer")

    finalize = {"eventType": "OBJECT_FINALIZE", "bucketId": "b", "objectId": "a.csv", "objectGeneration": "1"}
    assert Dispatcher(lambda _: set(), run_upload, lambda _: None).handle([message(0, b"", **finalize)]) == set()
