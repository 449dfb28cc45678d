import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.pubsub.avro import AvroError, AvroSchema, parse_schema
from emulator.pubsub.avro_check import check_binary, check_json


def schema(kind: Any, **further: Any) -> AvroSchema:  # noqa: ANN401 - JSON
    """Return the schema of a record with one field of the given type."""
    return parse_schema(json.dumps({"type": "record", "name": "R", "fields": [{"name": "f", "type": kind}], **further}))


ENUM = {"type": "enum", "name": "E", "symbols": ["A", "B"]}
FIXED = {"type": "fixed", "name": "F", "size": 2}
LIST = ["null", "R"]

FITTING = [
    ("null", None, b""),
    ("boolean", True, b"\x01"),
    ("int", -1, b"\x01"),
    ("int", 2**31 - 1, b"\xfe\xff\xff\xff\x0f"),
    ("long", -(2**63), b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
    ("float", 1.5, b"\x00\x00\xc0\x3f"),
    ("double", 1, b"\x00" * 8),
    ("bytes", "\u00ff", b"\x02\xff"),
    ("string", "é", b"\x04\xc3\xa9"),
    (ENUM, "B", b"\x02"),
    (FIXED, "ab", b"ab"),
    ({"type": "array", "items": "int"}, [1, 2], b"\x04\x02\x04\x00"),
    ({"type": "array", "items": "int"}, [], b"\x00"),
    ({"type": "map", "values": "string"}, {"k": "v"}, b"\x02\x02k\x02v\x00"),
    ({"type": "map", "values": "string"}, {"k": "v"}, b"\x01\x08\x02k\x02v\x00"),
    (["null", "string"], {"string": "x"}, b"\x02\x02x"),
    (["null", "string"], None, b"\x00"),
    (LIST, {"R": {"f": None}}, b"\x02\x00"),
    ({"type": "long", "logicalType": "timestamp-millis"}, 5, b"\x0a"),
]

NOT_FITTING = [
    ("null", 0, None),
    ("boolean", 1, b"\x02"),
    ("int", True, b""),
    ("int", 2**31, b"\x80\x80\x80\x80\x10"),
    ("int", 1.0, b"\x80"),
    ("long", 2**63, b"\xff" * 11),
    ("double", "1", b"\x00" * 7),
    ("double", float("nan"), None),
    ("bytes", "\u0100", b"\x04x"),
    ("string", None, b"\x02\xff"),
    ("string", 1, b"\x01"),
    (ENUM, "C", b"\x04"),
    (FIXED, "abc", b"a"),
    ({"type": "array", "items": "int"}, ["1"], b"\x02\x02"),
    ({"type": "array", "items": "null"}, {}, b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00"),
    ({"type": "map", "values": "string"}, [], b"\x02"),
    (["null", "string"], "x", b"\x04"),
    (["null", "string"], {"int": 1}, b"\x01"),
    (["string"], None, b""),
]

NOT_SCHEMAS = [
    "",
    "null",
    "[]",
    '"string"',
    '{"type": "array", "items": "int"}',
    '{"type": "record", "name": "R"}',
    '{"type": "record", "name": "1", "fields": []}',
    '{"type": "record", "fields": []}',
    '{"type": "record", "name": "R", "fields": [1]}',
    '{"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}, {"name": "a", "type": "int"}]}',
    '{"type": "record", "name": "R", "fields": [{"name": "a", "type": "nope"}]}',
    '{"type": "record", "name": "R", "fields": [{"name": "a", "type": ["int", "int"]}]}',
    '{"type": "record", "name": "R", "fields": [{"name": "a", "type": []}]}',
    '{"type": "record", "name": "R", "fields": [{"name": "a", "type": {"type": "enum", "name": "E"}}]}',
    '{"type": "record", "name": "R", "fields": [{"name": "a", "type": {"type": "fixed", "name": "F", "size": -1}}]}',
    '{"type":' * 100_000,
]


@pytest.mark.parametrize(("kind", "value", "encoded"), FITTING)
def test_what_fits_is_accepted(kind: Any, value: Any, encoded: bytes) -> None:  # noqa: ANN401 - JSON
    check_json(schema(kind), json.dumps({"f": value}).encode())
    check_binary(schema(kind), encoded)


@pytest.mark.parametrize(("kind", "value", "encoded"), NOT_FITTING)
def test_what_does_not_fit_is_refused(kind: Any, value: Any, encoded: bytes | None) -> None:  # noqa: ANN401 - JSON
    with pytest.raises(AvroError):
        check_json(schema(kind), json.dumps({"f": value}).encode())
    if encoded is not None:
        with pytest.raises(AvroError):
            check_binary(schema(kind), encoded)


@pytest.mark.parametrize("text", NOT_SCHEMAS)
def test_what_is_no_schema_is_refused(text: str) -> None:
    with pytest.raises(AvroError):
        parse_schema(text)


def test_names_live_in_namespaces() -> None:
    inner = {"type": "record", "name": "Inner", "fields": []}
    fields = [{"name": "a", "type": inner}, {"name": "b", "type": ["null", "Inner"]}]
    text = json.dumps({"type": "record", "name": "Outer", "namespace": "reviews.v1", "fields": fields})
    check_json(parse_schema(text), b'{"a": {}, "b": {"reviews.v1.Inner": {}}}')
    with pytest.raises(AvroError):
        check_json(parse_schema(text), b'{"a": {}, "b": {"Inner": {}}}')


RECURSIVE = [{"type": "array", "items": "R"}, {"type": "map", "values": "R"}]
EVERYTHING = schema(["null", "boolean", "string", "bytes", ENUM, FIXED, *RECURSIVE])


@given(st.binary())
def test_any_bytes_fit_or_raise_the_one_error(data: bytes) -> None:
    for check in (check_json, check_binary):
        try:
            check(EVERYTHING, data)
        except AvroError:
            continue


@given(st.text())
def test_any_text_is_a_schema_or_raises_the_one_error(text: str) -> None:
    with pytest.raises(AvroError):
        parse_schema(text)


def test_both_encodings_take_values_of_the_same_depth() -> None:
    fields = [{"name": "next", "type": ["null", "R"]}]
    linked = parse_schema(json.dumps({"type": "record", "name": "R", "fields": fields}))
    value: dict[str, Any] = {"next": None}
    for _ in range(49):
        value = {"next": {"R": value}}
    check_json(linked, json.dumps(value).encode())
    check_binary(linked, b"\x02" * 49 + b"\x00")
