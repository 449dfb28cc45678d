"""Checks whether a message fits an Avro schema, in Avro's JSON encoding or in its binary encoding."""

import json
from collections.abc import Callable
from typing import Any

from emulator.pubsub.avro import (
    Array,
    AvroError,
    AvroSchema,
    AvroType,
    Definition,
    Enumeration,
    Fixed,
    Map,
    Named,
    Primitive,
    Record,
    Union,
    branch_name,
)
from schemas.nesting import MAX_DEPTH, nests_too_deep

_LAST_BYTE = 0xFF
_MAX_VARINT_BITS = 63


def check_json(schema: AvroSchema, data: bytes) -> None:
    """Raise `AvroError` unless `data` is a value of the schema in the JSON encoding.

    As in Google's emulator, a record may hold further fields, and fields with defaults are required all the same.
    """
    if nests_too_deep(data):
        raise AvroError("the message is nested too deeply")
    try:
        value = json.loads(data.decode(), parse_constant=_refuse_constant)
        _JsonCheck(schema).check(schema.root, value)
    except ValueError as error:
        raise AvroError("not JSON") from error


def check_binary(schema: AvroSchema, data: bytes) -> None:
    """Raise `AvroError` unless `data` begins with a value of the schema in the binary encoding."""
    try:
        _BinaryCheck(schema, data).check(schema.root)
    except ValueError as error:
        raise AvroError("invalid UTF-8") from error


def _refuse_constant(name: str) -> None:
    """Refuse NaN and the infinities, which Python's decoder takes for numbers."""
    raise AvroError(f"{name} is not JSON")


def _require(fits: bool, expected: str) -> None:
    if not fits:
        raise AvroError(f"expected {expected}")


def _is_integer(value: object, bits: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -(1 << bits - 1) <= value < 1 << bits - 1


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_byte_text(value: object) -> bool:
    return isinstance(value, str) and all(ord(character) <= _LAST_BYTE for character in value)


_JSON_PRIMITIVES: dict[str, Callable[[object], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "int": lambda value: _is_integer(value, 32),
    "long": lambda value: _is_integer(value, 64),
    "float": _is_number,
    "double": _is_number,
    "bytes": _is_byte_text,
    "string": lambda value: isinstance(value, str),
}


class _JsonCheck:
    def __init__(self, schema: AvroSchema) -> None:
        self._definitions = schema.definitions

    def check(self, kind: AvroType, value: Any) -> None:  # noqa: ANN401 - decoded JSON
        match kind:
            case Primitive(name):
                _require(_JSON_PRIMITIVES[name](value), name)
            case Named(name):
                self._check_definition(self._definitions[name], value, name)
            case Array(items):
                _require(isinstance(value, list), "an array")
                for item in value:
                    self.check(items, item)
            case Map(values):
                _require(isinstance(value, dict), "a map")
                for item in value.values():
                    self.check(values, item)
            case Union():
                self._check_union(kind, value)

    def _check_definition(self, definition: Definition, value: Any, name: str) -> None:  # noqa: ANN401 - decoded JSON
        match definition:
            case Record(fields):
                _require(isinstance(value, dict), name)
                for field, kind in fields:
                    _require(field in value, f"the field {field}")
                    self.check(kind, value[field])
            case Enumeration(symbols):
                _require(value in symbols, f"a symbol of {name}")
            case Fixed(size_bytes):
                _require(_is_byte_text(value) and len(value) == size_bytes, f"{size_bytes} bytes")

    def _check_union(self, union: Union, value: Any) -> None:  # noqa: ANN401 - decoded JSON
        """Check `null`, or an object whose one key names the branch."""
        branches = {branch_name(branch): branch for branch in union.branches}
        if value is None:
            _require("null" in branches, "a value that is not null")
            return
        _require(isinstance(value, dict) and len(value) == 1, "an object that names the union's type")
        name, inner = next(iter(value.items()))
        _require(name in branches and name != "null", f"one of {sorted(branches)}")
        self.check(branches[name], inner)


class _BinaryCheck:
    def __init__(self, schema: AvroSchema, data: bytes) -> None:
        self._definitions = schema.definitions
        self._data = data
        self._position = 0
        self._depth = 0

    def check(self, kind: AvroType) -> None:
        self._depth += 1
        _require(self._depth <= MAX_DEPTH, f"at most {MAX_DEPTH} values in one another")
        self._check_kind(kind)
        self._depth -= 1

    def _check_kind(self, kind: AvroType) -> None:
        match kind:
            case Primitive(name):
                self._skip_primitive(name)
            case Named(name):
                self._check_definition(self._definitions[name])
            case Array(items):
                self._check_blocks(lambda: self.check(items))
            case Map(values):
                self._check_blocks(lambda: self._check_pair(values))
            case Union(branches):
                self._check_kind(branches[self._index(len(branches))])

    def _check_definition(self, definition: Definition) -> None:
        match definition:
            case Record(fields):
                for _, kind in fields:
                    self.check(kind)
            case Enumeration(symbols):
                self._index(len(symbols))
            case Fixed(size_bytes):
                self._take(size_bytes)

    def _skip_primitive(self, name: str) -> None:
        match name:
            case "null":
                pass
            case "boolean":
                _require(self._take(1) in {b"\x00", b"\x01"}, "a boolean")
            case "int":
                _require(_is_integer(self._long(), 32), "an int")
            case "long":
                self._long()
            case "float":
                self._take(4)
            case "double":
                self._take(8)
            case "bytes":
                self._take(self._long())
            case _:
                self._string()

    def _check_pair(self, values: AvroType) -> None:
        self._string()
        self.check(values)

    def _check_blocks(self, check_item: Callable[[], None]) -> None:
        """Check the items of an array or map: blocks with a count, which is negative when a byte size follows it."""
        while count := self._long():
            if count < 0:
                self._long()
            for _ in range(abs(count)):
                start = self._position
                check_item()
                # An item of no bytes lets five bytes announce more items than anybody can count.
                _require(self._position > start or abs(count) <= len(self._data), "as many items as announced")

    def _index(self, count: int) -> int:
        index = self._long()
        _require(0 <= index < count, f"an index below {count}")
        return index

    def _string(self) -> None:
        self._take(self._long()).decode()

    def _take(self, size_bytes: int) -> bytes:
        end = self._position + size_bytes
        _require(size_bytes >= 0 and end <= len(self._data), "more bytes")
        taken = self._data[self._position : end]
        self._position = end
        return taken

    def _long(self) -> int:
        """Read a zigzag variable-length integer of at most 64 bits."""
        value = shift = 0
        while True:
            byte = self._take(1)[0]
            _require(shift <= _MAX_VARINT_BITS, "a 64-bit integer")
            value |= (byte & 0x7F) << shift
            if not byte & 0x80:
                return (value >> 1) ^ -(value & 1)
            shift += 7
