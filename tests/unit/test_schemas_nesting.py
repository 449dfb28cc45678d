"""Deep JSON is seen in its bytes, before a decoder descends to where the garbage collector has no stack."""

from __future__ import annotations

import base64
import gc
import io
import json
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.push_tokens import PushVerifier
from cloud.signature_bundle import SignatureRefused, decode_bundle
from emulator.pubsub.avro import AvroError, parse_schema
from emulator.pubsub.avro_check import check_binary, check_json
from emulator.storage.errors import StorageError
from emulator.storage.messages import json_object
from schemas.codec import decode_object
from schemas.errors import InvalidInput
from schemas.events import decode_push
from schemas.nesting import MAX_DEPTH, TOO_DEEP, nests_too_deep
from schemas.requests import decode_review
from worker.core.compiled_errors import InvalidModel
from worker.core.compiled_layout import read_layout
from worker.model_archive import read_schema

LIST_OF_ITSELF = parse_schema(
    '{"type": "record", "name": "R", "fields": [{"name": "r", "type": {"type": "array", "items": "R"}}]}'
)
LEAVES: st.SearchStrategy[Any] = (
    st.none() | st.integers() | st.text(st.sampled_from('[]{}"\\,:a é')) | st.just([]) | st.just({})
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('[{"\\a'), inner, max_size=3)
)


def depth(value: Any) -> int:  # noqa: ANN401 - any JSON value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


def around(value: object, levels: int, beside: object) -> object:
    """Return a value inside of so many lists and objects by turns, something beside it in each list."""
    for level in range(levels):
        value = {"]": value} if level % 2 else [beside, value]
    return value


@given(VALUES, VALUES, st.integers(MAX_DEPTH - 5, MAX_DEPTH), st.booleans())
def test_the_depth_is_that_of_the_decoded_value(value: object, beside: object, levels: int, escaped: bool) -> None:
    value = around(value, levels, beside)
    data = json.dumps(value, ensure_ascii=escaped).encode()
    assert nests_too_deep(data) is (depth(value) > MAX_DEPTH)


def test_brackets_in_strings_and_beside_each_other_are_not_deep() -> None:
    assert not nests_too_deep(b'["' + b"[{" * 1_000 + b'\\"' + b"[{" * 1_000 + b'"]')
    assert not nests_too_deep(b"[" + b"[],{}," * 1_000 + b"1]")
    assert not nests_too_deep(b'"' + b"[" * 1_000)
    assert nests_too_deep(b'"]"' + b"[" * (MAX_DEPTH + 1))


def verified(data: bytes) -> None:
    def keys() -> dict[str, str]:
        raise AssertionError("no key is needed to refuse it")

    verifier = PushVerifier(audience="a", email="e", fetch_keys=keys, now=lambda: 0.0)
    part = base64.urlsafe_b64encode(data).decode()
    assert verifier.refusal(f"Bearer {part}.e30.YQ") == "The token is nested too deeply."
    assert verifier.refusal(f"Bearer e30.{part}.YQ") == "The token is nested too deeply."
    raise InvalidInput("nested_too_deep", TOO_DEEP)


def model(data: bytes) -> object:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("schema.json", data)
    return read_schema(packed.getvalue())


def binary(data: bytes) -> None:
    """Check as many records in one another as the JSON has lists and objects."""
    check_binary(LIST_OF_ITSELF, b"\x02" * (data.count(b"[") + data.count(b"{")))


DECODERS: dict[str, Callable[[bytes], object]] = {
    "review": decode_review,
    "push": decode_push,
    "JSON line": lambda data: decode_object(data, max_bytes=len(data)),
    "token": verified,
    "signature": decode_bundle,
    "compiled model": lambda data: read_layout({"settings": np.frombuffer(data, np.uint8)}),
    "skops model": model,
    "storage server": json_object,
    "Avro schema": lambda data: parse_schema(data.decode()),
    "Avro message": lambda data: check_json(LIST_OF_ITSELF, data),
    "Avro message, binary": binary,
}
REFUSALS = (InvalidInput, InvalidModel, SignatureRefused, StorageError, AvroError)


@contextmanager
def collecting() -> Iterator[None]:
    """Collect garbage all the time, and let each collection need some stack, as finalizers do.

    Where there is too little, the interpreter reports an exception that nobody can catch, and pytest fails the test.
    """

    def descend(levels: int) -> None:
        if levels:
            descend(levels - 1)

    def finalizer(_phase: str, _info: dict[str, int]) -> None:
        descend(30)

    threshold = gc.get_threshold()
    gc.callbacks.append(finalizer)
    gc.set_threshold(1, 1_000, 1_000)
    try:
        yield
    finally:
        gc.callbacks.remove(finalizer)
        gc.set_threshold(*threshold)


@pytest.mark.parametrize("start", ["[", '{"a":', '[{"a":'])
@pytest.mark.parametrize("name", DECODERS)
def test_deep_json_is_refused_where_finalizers_can_run(name: str, start: str) -> None:
    # Under the limits of length of tokens and settings; everywhere more than the interpreter's recursion limit.
    data = start.encode() * (4_000 // len(start))
    with collecting(), pytest.raises(REFUSALS, match=r"nested too deeply|in one another"):
        DECODERS[name](data)


@pytest.mark.parametrize("name", DECODERS)
def test_what_is_just_not_too_deep_leaves_stack_for_finalizers(name: str) -> None:
    value: list[Any] = []
    for _ in range(MAX_DEPTH // 2 - 1):
        value = [{"r": value}]
    data = json.dumps({"r": value}).encode()
    assert not nests_too_deep(data)
    with collecting(), suppress(*REFUSALS, AssertionError):
        DECODERS[name](data)


def test_a_document_of_many_windows_is_read_to_its_end() -> None:
    wide = b'{"t": "\\"[[", "n": [1, 2]}, ' * 20_000
    assert not nests_too_deep(b"[" + wide + b"1]")
    assert nests_too_deep(b"[" + wide + b"[" * (MAX_DEPTH - 1) + b"[")
    assert not nests_too_deep(b"[" + wide + b"[" * (MAX_DEPTH - 1))


def test_looking_takes_little_memory() -> None:
    data = b'{"x": [' + b"[]," * 1_000_000 + b"1]}"
    tracemalloc.start()
    try:
        assert not nests_too_deep(data)
        assert tracemalloc.get_traced_memory()[1] < len(data)
    finally:
        tracemalloc.stop()
