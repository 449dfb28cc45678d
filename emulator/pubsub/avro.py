"""Avro schemas: from their JSON text to types that can be checked against.

Specification: https://avro.apache.org/docs/1.11.1/specification/. Logical types are read as the types below them;
aliases and defaults do not matter to a check of one message.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from schemas.nesting import nests_too_deep

PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*\Z")


class AvroError(Exception):
    """A schema that is not one, or a message that does not fit its schema."""


@dataclass(frozen=True, slots=True)
class Primitive:
    """One of `PRIMITIVES`."""

    name: str


@dataclass(frozen=True, slots=True)
class Named:
    """A use of the record, enum or fixed type with this full name."""

    name: str


@dataclass(frozen=True, slots=True)
class Array:
    """A sequence of items of one type."""

    items: "AvroType"


@dataclass(frozen=True, slots=True)
class Map:
    """Values of one type by string keys."""

    values: "AvroType"


@dataclass(frozen=True, slots=True)
class Union:
    """A value of one of several types."""

    branches: "tuple[AvroType, ...]"


AvroType: TypeAlias = Primitive | Named | Array | Map | Union


@dataclass(frozen=True, slots=True)
class Record:
    """Fields by name, in the order of the binary encoding."""

    fields: tuple[tuple[str, AvroType], ...]


@dataclass(frozen=True, slots=True)
class Enumeration:
    """The symbols of an enum."""

    symbols: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fixed:
    """A fixed number of bytes."""

    size_bytes: int


Definition: TypeAlias = Record | Enumeration | Fixed


@dataclass(frozen=True, slots=True)
class AvroSchema:
    """A parsed schema: its root and the definitions of its named types."""

    root: AvroType
    definitions: Mapping[str, Definition]


def parse_schema(text: str) -> AvroSchema:
    """Parse a schema's JSON text. Raises `AvroError` for anything else; the root must be a record, as in Pub/Sub."""
    if nests_too_deep(text.encode()):
        raise AvroError("the schema is nested too deeply")
    parser = _Parser()
    try:
        root = parser.parse(json.loads(text), namespace="")
    except ValueError as error:
        raise AvroError("the schema is not JSON") from error
    if not isinstance(root, Named) or not isinstance(parser.definitions[root.name], Record):
        raise AvroError("the schema's root is not a record")
    return AvroSchema(root, parser.definitions)


class _Parser:
    """Collects the named types while it descends."""

    def __init__(self) -> None:
        self.definitions: dict[str, Definition] = {}

    def parse(self, source: Any, namespace: str) -> AvroType:  # noqa: ANN401 - decoded JSON
        if isinstance(source, str):
            return self._reference(source, namespace)
        if isinstance(source, list):
            return self._union(source, namespace)
        if not isinstance(source, dict):
            raise AvroError(f"not a type: {source!r}")
        match source.get("type"):
            case "record" | "error":
                return self._record(source, namespace)
            case "enum":
                return self._define(source, namespace, Enumeration(_symbols(source)))
            case "fixed":
                return self._define(source, namespace, Fixed(_size_bytes(source)))
            case "array":
                return Array(self.parse(source.get("items"), namespace))
            case "map":
                return Map(self.parse(source.get("values"), namespace))
            case inner:
                return self.parse(inner, namespace)

    def _reference(self, name: str, namespace: str) -> AvroType:
        if name in PRIMITIVES:
            return Primitive(name)
        for full_name in (f"{namespace}.{name}" if namespace and "." not in name else name, name):
            if full_name in self.definitions:
                return Named(full_name)
        raise AvroError(f"unknown type: {name!r}")

    def _union(self, source: list[Any], namespace: str) -> Union:
        branches = tuple(self.parse(branch, namespace) for branch in source)
        names = [branch_name(branch) for branch in branches]
        if not branches or len(set(names)) != len(names) or any(isinstance(branch, Union) for branch in branches):
            raise AvroError("a union is empty, nested, or holds a type twice")
        return Union(branches)

    def _record(self, source: Mapping[str, Any], namespace: str) -> Named:
        named = self._define(source, namespace, Record(()))
        fields = source.get("fields")
        if not isinstance(fields, list):
            raise AvroError("a record has no list of fields")
        inner_namespace = named.name.rpartition(".")[0]
        parsed: dict[str, AvroType] = {}
        for field in fields:
            name = field.get("name") if isinstance(field, dict) else None
            if not isinstance(name, str) or not _NAME.match(name) or name in parsed:
                raise AvroError(f"a field has no name, a bad one, or one twice: {name!r}")
            parsed[name] = self.parse(field.get("type"), inner_namespace)
        # The name was defined before its fields were read, so that a record can hold itself.
        self.definitions[named.name] = Record(tuple(parsed.items()))
        return named

    def _define(self, source: Mapping[str, Any], namespace: str, definition: Definition) -> Named:
        name, own_namespace = source.get("name"), source.get("namespace", namespace)
        if not isinstance(name, str) or not _NAME.match(name) or not isinstance(own_namespace, str):
            raise AvroError(f"a named type has no valid name: {name!r}")
        full_name = f"{own_namespace}.{name}" if own_namespace and "." not in name else name
        if full_name in self.definitions or full_name in PRIMITIVES:
            raise AvroError(f"defined twice: {full_name}")
        self.definitions[full_name] = definition
        return Named(full_name)


def branch_name(branch: AvroType) -> str:
    """Return the name that stands for a type in a union: the full name, or the kind."""
    match branch:
        case Primitive(name) | Named(name):
            return name
        case Array():
            return "array"
        case Map():
            return "map"
        case Union():
            return "union"


def _symbols(source: Mapping[str, Any]) -> tuple[str, ...]:
    symbols = source.get("symbols")
    if not isinstance(symbols, list) or not all(isinstance(one, str) and _NAME.match(one) for one in symbols):
        raise AvroError("an enum has no list of symbols")
    return tuple(symbols)


def _size_bytes(source: Mapping[str, Any]) -> int:
    size = source.get("size")
    if not isinstance(size, int) or size < 0:
        raise AvroError("a fixed type has no size")
    return size
