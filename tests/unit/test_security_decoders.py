"""Hostile documents made by hand, each refused with its code. Generated ones: test_security_mutations.py."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas.errors import InvalidInput
from schemas.events import decode_push, upload_from_cloud_event
from schemas.ranges import decode_range_task
from schemas.requests import decode_classify, decode_review

CASES = Path(__file__).resolve().parents[1] / "cases"
DECODERS: dict[str, Callable[[bytes], object]] = {
    "review": decode_review,
    "classify": decode_classify,
    "push": decode_push,
    "upload": upload_from_cloud_event,
    "range": decode_range_task,
}


@cache
def cases(name: str) -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = yaml.safe_load((CASES / name).read_text(encoding="utf-8"))
    return loaded


def payload(case: dict[str, Any]) -> bytes:
    if "hex" in case:
        return bytes.fromhex(case["hex"])
    text: str = case["data"]
    if "repeat" in case:
        text = text.replace("@", case.get("before", "a") * case["repeat"])
    return text.encode()


HOSTILE = cases("requests/hostile_requests.yaml") + cases("events/bad_events.yaml")


@pytest.mark.parametrize("case", HOSTILE, ids=[f"{case['door']}: {case['name']}" for case in HOSTILE])
def test_a_hostile_document_is_refused_with_its_code_and_key(case: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as caught:
        DECODERS[case["door"]](payload(case))
    assert (caught.value.code, caught.value.key) == (case["code"], case.get("key"))
    assert len(caught.value.reason) < 400
    assert caught.value.reason.endswith((".", ")"))


def test_names_of_cases_differ() -> None:
    names = [(case["door"], case["name"]) for case in HOSTILE]
    assert len(set(names)) == len(names)


def test_a_long_number_in_a_field_that_is_not_read_is_none_of_our_business() -> None:
    upload = upload_from_cloud_event(b'{"bucket": "b", "name": "\\u0061", "generation": "1", "x": %s}' % (b"1" * 5_000))
    assert upload.name == "a"
