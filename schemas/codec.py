"""Strict JSON in, canonical JSON out, for every type of the contract."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

import msgspec

from schemas.errors import InvalidInput
from schemas.nesting import TOO_DEEP, nests_too_deep

T = TypeVar("T", bound=msgspec.Struct)

_FEW_FIELDS = 64
"""Of so many fields each name is looked for in the bytes; more would take time that grows with their square."""

_encoder = msgspec.json.Encoder(order="deterministic")
_object_decoder = msgspec.json.Decoder(dict[str, Any])
_decoders: dict[type[msgspec.Struct], msgspec.json.Decoder[Any]] = {}


def encode(value: msgspec.Struct) -> bytes:
    """Return the value as one line of JSON without a line end; equal values give equal bytes."""
    return _encoder.encode(value)


def decode(data: bytes, kind: type[T], *, max_bytes: int) -> T:
    """Return the JSON document `data` as a `kind`.

    Stricter than the standard library: rejects NaN and infinities, duplicate keys, unknown fields, lone
    surrogates, invalid UTF-8, more levels than `nesting.MAX_DEPTH`, and numbers for strings. Raises InvalidInput and
    nothing else.
    """
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders.setdefault(kind, msgspec.json.Decoder(kind))
    value: T = _decoded(data, decoder, max_bytes)
    _refuse_duplicate_keys(data, kind)
    return value


def decode_object(data: bytes, *, max_bytes: int) -> dict[str, Any]:
    """Return a JSON object with any fields, as strict as `decode`; of fields of its values the last of a name counts.

    Raises InvalidInput and nothing else.
    """
    value: dict[str, Any] = _decoded(data, _object_decoder, max_bytes)
    if _may_repeat(data, value):
        fields = json.loads(data, object_pairs_hook=list, parse_int=str, parse_float=str)
        if len(fields) != len(value):
            raise _twice()
    return value


def _decoded(data: bytes, decoder: msgspec.json.Decoder[Any], max_bytes: int) -> Any:  # noqa: ANN401 - as the decoder
    if len(data) > max_bytes:
        raise InvalidInput(
            "too_large", f"The document has {len(data):,} bytes; at most {max_bytes:,} are allowed. Send less at once."
        )
    if nests_too_deep(data):
        raise InvalidInput("nested_too_deep", TOO_DEEP)
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        raise _from_validation(str(error)) from None
    except msgspec.DecodeError as error:
        raise _from_syntax(data, str(error)) from None
    except UnicodeDecodeError:
        raise _not_utf8() from None


def _may_repeat(data: bytes, fields: Mapping[str, object]) -> bool:
    """Say whether an object may name a field twice: a name stands twice in the bytes, or can be written otherwise.

    Of many fields the answer is that it may: to read them again takes less than to look for each.
    """
    if b"\\u" in data or len(fields) > _FEW_FIELDS:
        return True
    for name in fields:
        key = _encoder.encode(name)
        if data.count(key) > 1 or b"\\" in key or b"/" in key:
            return True
    return False


def _not_utf8() -> InvalidInput:
    return InvalidInput("invalid_utf8", "The bytes are not UTF-8. Encode the document as UTF-8.")


def _from_syntax(data: bytes, detail: str) -> InvalidInput:
    try:
        data.decode()
    except UnicodeDecodeError:
        return _not_utf8()
    if "surrogate" in detail:
        return InvalidInput("invalid_unicode", "A string holds half of a surrogate pair. Send whole characters.")
    if word := _no_number(data, detail):
        return InvalidInput("invalid_json", f"{word} is no JSON. Write null, or leave the field out.")
    # The detail names positions and expectations only, never content.
    return InvalidInput("invalid_json", f"The document is not valid JSON ({detail}). Send one JSON object.")


def _no_number(data: bytes, detail: str) -> str | None:
    """Return the word for no number that stands where the decoder stopped: Python writes such, and JSON has none."""
    at = _POSITION.search(detail)
    if at is None:
        return None
    found = _NO_NUMBER.match(data, int(at[1]))
    return found[0].decode() if found else None


_POSITION = re.compile(r"\(byte (\d+)\)")
_NO_NUMBER = re.compile(rb"NaN|Infinity")
_FIELD = re.compile(r"`\$\.?([^`]*)`$")
_JSON_TYPES = {
    "str": "a string",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "object": "an object",
    "array": "a list",
}
"""msgspec names Python's types in part; senders know JSON's."""
_NAMED = re.compile(r"field `([^`]*)`")


def _from_validation(detail: str) -> InvalidInput:
    """Give msgspec's message a stable code; the wording of the library is pinned by our tests."""
    at = _FIELD.search(detail)
    where = f"'{at[1]}'" if at and at[1] else "The document"
    named = _NAMED.search(detail)
    if detail.startswith("Object missing required field") and named:
        return InvalidInput("missing_field", f"The field '{named[1]}' is missing. Add it.")
    if detail.startswith("Object contains unknown field"):
        # The name comes from the sender and could hold anything, so it is not repeated.
        return InvalidInput("unknown_field", "The document has a field that the contract does not know. Remove it.")
    if "out of range" in detail:
        return InvalidInput("invalid_field", "The document has a number that is out of range. Send it as a string.")
    if "of length >=" in detail:
        return InvalidInput("empty_field", f"{where} is empty. Give it a value.")
    if "of length <=" in detail:
        limit = int(re.findall(r"<= (\d+)", detail)[0])
        unit = "items" if "`array`" in detail else "characters"
        return InvalidInput("field_too_long", f"{where} must hold {limit:,} {unit} at most. Shorten it.")
    if "matching regex" in detail:
        return InvalidInput("invalid_field", f"{where} has a character or a length that is not allowed there.")
    if detail.startswith("Expected") and ", got" in detail:
        expected = " or ".join(_JSON_TYPES.get(name, name) for name in detail.split("`")[1].split(" | "))
        return InvalidInput("wrong_type", f"{where} has the wrong JSON type. Send {expected}.")
    return InvalidInput("invalid_field", f"{where} is not valid: {detail.partition(' - at ')[0]}.")


def _refuse_duplicate_keys(data: bytes, kind: type[msgspec.Struct]) -> None:
    """Raise where an object names a field twice: JSON parsers differ in which one they keep.

    The full check is slow, so it runs only where a field name stands twice in the bytes or could hide behind an
    escape; a duplicate key cannot be written without one of the two.
    """
    suspicious = b"\\u" in data
    for name in _quoted_names(kind):  # a loop: this runs once a message, and a generator would double its time
        suspicious = suspicious or data.count(name) > 1
    if not suspicious:
        return
    # What stands in fields that a type ignores was not looked at before: it can be no UTF-8, and no JSON.
    try:
        json.loads(data, object_pairs_hook=_unique, parse_int=str, parse_float=str)
    except UnicodeDecodeError:
        raise _not_utf8() from None
    except ValueError:
        raise _from_syntax(data, "in a field that is not read") from None


@cache
def _quoted_names(kind: type[msgspec.Struct]) -> tuple[bytes, ...]:
    """Return the field names as they stand in JSON; asking msgspec for them takes longer than decoding."""
    return tuple(b'"%s"' % item.encode_name.encode() for item in msgspec.structs.fields(kind))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = dict(pairs)
    if len(keys) != len(pairs):
        raise _twice()
    return keys


def _twice() -> InvalidInput:
    return InvalidInput("duplicate_key", "An object of the document names a field twice. Send each field once.")
