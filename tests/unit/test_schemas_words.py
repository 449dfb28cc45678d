"""What senders are told of their mistakes is in JSON's words, not in Python's."""

from __future__ import annotations

import pytest

from schemas.errors import InvalidInput
from schemas.requests import decode_classify, decode_review


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"text": 5}', "'text' has the wrong JSON type. Send a string."),
        (b'{"text": "a", "id": 7}', "'id' has the wrong JSON type. Send a string or null."),
        (b"[]", "The document has the wrong JSON type. Send an object."),
    ],
)
def test_types_of_reviews_have_their_json_names(data: bytes, reason: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        decode_review(data)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"x": "a"}', "'x' has the wrong JSON type. Send a list."),
        (b'{"x": ["a"], "model": ["b", "c"]}', "'model' must hold 1 items at most. Shorten it."),
        (b'{"x": ["' + b"a" * 100_001 + b'"]}', "'x[0]' must hold 100,000 characters at most. Shorten it."),
    ],
)
def test_limits_count_what_they_limit(data: bytes, reason: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        decode_classify(data)
    assert caught.value.reason == reason
