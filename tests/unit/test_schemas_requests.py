from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import encode
from schemas.errors import InvalidInput
from schemas.events import upload_from_notification
from schemas.names import canonical_model
from schemas.requests import ReviewRequest, decode_review

CASES = yaml.safe_load((Path(__file__).parents[1] / "cases/requests/bad_requests.yaml").read_text())


def payload(case: dict[str, Any]) -> bytes:
    if "hex" in case:
        return bytes.fromhex(case["hex"])
    text: str = case["data"]
    if "repeat" in case:
        text = text.replace("@", case.get("before", "a") * case["repeat"])
    return text.encode()


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_a_bad_request_is_refused_with_its_code_and_key(case: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as caught:
        decode_review(payload(case))
    assert (caught.value.code, caught.value.key) == (case["code"], case.get("key"))
    assert caught.value.reason.endswith((".", ")"))


@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50),
    st.none() | st.from_regex(r"[A-Za-z0-9._:-]{1,128}", fullmatch=True),
)
def test_a_valid_request_survives_the_round_trip(text: str, key: str | None) -> None:
    request = ReviewRequest(text=text, id=key, model="linear_svc")
    assert decode_review(encode(request)) == request


def test_a_text_that_quotes_the_field_names_is_no_duplicate_key() -> None:
    text = 'it says "text" and "text": twice, and \\u0041'
    assert decode_review(encode(ReviewRequest(text=text))).text == text


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        (None, "logistic_regression"),
        ("LogisticRegression", "logistic_regression"),
        ("LinearSVC", "linear_svc"),
        ("DecisionClassifier", "decision_tree"),
        ("DecisionTreeClassifier", "decision_tree"),
        ("decision_tree", "decision_tree"),
    ],
)
def test_aliases_name_the_stored_model(name: str | None, stored: str) -> None:
    assert canonical_model(name) == stored


@pytest.mark.parametrize("name", ["", "logistic", "LINEARSVC", "../linear_svc", "bert"])
def test_an_unknown_model_is_never_the_default(name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        canonical_model(name)
    assert caught.value.code == "unknown_model"


def test_a_refusal_never_repeats_the_text_or_a_foreign_field() -> None:
    for data in (b'{"text": "CANARY", "CANARY": 1}', b'{"text": CANARY}', b'{"text": "CANARY", "id": "CANARY CANARY"}'):
        with pytest.raises(InvalidInput) as caught:
            decode_review(data)
        assert "CANARY" not in str(caught.value)


@pytest.mark.parametrize(
    "attributes",
    [
        {"eventType": "OBJECT_FINALIZE", "bucketId": "b", "objectId": "", "objectGeneration": "1"},
        {"eventType": "OBJECT_FINALIZE", "bucketId": "", "objectId": "a.csv", "objectGeneration": "1"},
        {"eventType": "OBJECT_FINALIZE", "bucketId": "b", "objectId": "a\n.csv", "objectGeneration": "1"},
        {"eventType": "OBJECT_FINALIZE", "bucketId": "b", "objectId": "a" * 1025, "objectGeneration": "1"},
        {"eventType": "OBJECT_FINALIZE", "bucketId": "b", "objectId": "a.csv", "objectGeneration": "x"},
        {"eventType": "OBJECT_FINALIZE", "bucketId": "b", "objectId": "a.csv", "objectGeneration": "1" * 20},
        {"eventType": "OBJECT_FINALIZE", "bucketId": "b", "objectId": "a.csv"},
    ],
)
def test_a_hostile_notification_is_refused(attributes: dict[str, str]) -> None:
    with pytest.raises(InvalidInput) as caught:
        upload_from_notification(attributes)
    assert caught.value.code == "invalid_event"


def test_notifications_of_other_events_are_no_uploads() -> None:
    assert upload_from_notification({"eventType": "OBJECT_DELETE", "bucketId": "b", "objectId": "a"}) is None
