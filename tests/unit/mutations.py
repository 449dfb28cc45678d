"""Sound documents made unsound: random damage to bytes, to the structure of JSON, and to the members of archives.

All of it is drawn from a `random.Random`: one seed is one case, and ten thousand of them cost a few seconds. Hypothesis
draws the seed and says which one failed; drawing every step would cost more than all decoders together.
"""

from __future__ import annotations

import copy
import io
import json
import zipfile
from collections.abc import Mapping
from random import Random
from typing import Any

import numpy as np

TOKENS = (
    *(b'"', b"'", b"\\", b"\\u", b"\\ud800", b"{", b"}", b"[", b"]", b":", b",", b"\t", b"\n", b"\r", b"\r\n"),
    *(b"\0", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"\xed\xa0\x80", b"\xc3", b"-", b"1e999", b"NaN", b"null", b"."),
)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 10**30, -(2**63) - 1, 0.5, -0.0, 1e308, float("nan"), float("inf")),
    *("", "a", "x" * 300, "\0", "a\nb", "é😀", "../..", "0" * 64, "2026-01-01T00:00:00Z", "OBJECT_FINALIZE"),
    *([], {}, [None], {"a": 1}, {"": {}}, [[[[]]]]),
)


def damaged_bytes(data: bytes, random: Random) -> bytes:
    """Return the bytes with one to four of: replaced, removed, put in, doubled, swapped, cut off."""
    changed = bytearray(data)
    for _ in range(random.randint(1, 4)):
        start = random.randint(0, len(changed))
        length = random.choice((0, 0, 1, 1, 2, 5, 20))
        way = random.randrange(8)
        if way < 3:
            changed[start : start + length] = random.choice(TOKENS)
        elif way == 3:
            changed[start : start + length] = random.randbytes(random.randint(0, 6))
        elif way == 4:
            del changed[start : start + max(length, 1)]
        elif way == 5:
            changed[start:start] = changed[start : start + length] * random.randint(1, 5)
        elif way == 6 and start < len(changed):
            changed[start] ^= 1 << random.randrange(8)
        elif way == 7 and random.random() < 0.25:  # rarely: what is cut off early shows little
            del changed[start:]
    return bytes(changed)


def damaged_value(value: Any, random: Random) -> Any:  # noqa: ANN401 - any JSON value
    """Return a JSON value with one to three of its places replaced, removed, renamed, copied or wrapped."""
    changed = copy.deepcopy(value)
    for _ in range(random.randint(1, 3)):
        places = list(_places(changed))
        if not places:
            return random.choice(VALUES)
        container, key = random.choice(places)
        other, there = random.choice(places)
        way = random.randrange(6)
        if way == 0:
            container.pop(key)
        elif way == 1:
            container[key] = copy.deepcopy(other[there])
        elif way == 2 and isinstance(container, dict):
            container[random.choice(("", "x", "Text", str(there)))] = container.pop(key)
        elif way == 3:
            container[key] = random.choice(({"a": container[key]}, [container[key]] * 3, str(container[key])))
        else:
            container[key] = copy.deepcopy(random.choice(VALUES))
    return changed


def _places(node: Any) -> list[tuple[Any, Any]]:  # noqa: ANN401 - any JSON value
    found: list[tuple[Any, Any]] = []
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        found.append((node, key))
        if isinstance(value, dict | list):
            found += _places(value)
    return found


def damaged_json(data: bytes, random: Random) -> bytes:
    """Return a JSON document with damage to its structure, its bytes or both."""
    way = random.randrange(3)
    if way:
        data = json.dumps(damaged_value(json.loads(data), random), ensure_ascii=random.random() < 0.5).encode()
    return data if way == 1 else damaged_bytes(data, random)


def damaged_lines(data: bytes, random: Random) -> bytes:
    """Return lines of JSON of which one is damaged, and sometimes all of it."""
    lines = data.split(b"\n")
    number = random.randrange(len(lines))
    if lines[number]:
        lines[number] = damaged_json(lines[number], random)
    joined = random.choice((b"\n", b"\n", b"\n", b"\r\n", b"\n\n", b"\r")).join(lines)
    return damaged_bytes(joined, random) if random.random() < 0.3 else joined


def zipped(members: Mapping[str, bytes], *, method: int = zipfile.ZIP_STORED) -> bytes:
    """Return a zip archive of the members."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as made:
        for name, content in members.items():
            made.writestr(zipfile.ZipInfo(name), content, compress_type=method)
    return target.getvalue()


def members(data: bytes) -> dict[str, bytes]:
    """Return what the members of a zip archive hold, by their names."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def damaged_archive(data: bytes, random: Random, *, documents: frozenset[str] = frozenset()) -> bytes:
    """Return a zip archive with a damaged member, without one, with one more, or with damage to the zip itself.

    Mostly the archive is whole, with right checksums, so that what stands behind them is reached. `documents` are the
    members that hold JSON, as it is or as an array of bytes.
    """
    way = random.randrange(10)
    if way == 0:
        return damaged_bytes(data, random)
    content = members(data)
    name, other = random.choice(sorted(content)), random.choice(sorted(content))
    if way == 1:
        del content[name]
    elif way == 2:
        content[random.choice(("evil.py", "../0.npy", "", name.upper(), "9" * 30 + ".npy"))] = content[name]
    elif way == 3:
        content[name] = content[other]
    elif name in documents:
        content[name] = _damaged_document(content[name], random)
    else:
        content[name] = _damaged_array(content[name], random)
    return zipped(content, method=zipfile.ZIP_DEFLATED if random.random() < 0.2 else zipfile.ZIP_STORED)


def _damaged_document(data: bytes, random: Random) -> bytes:
    if not data.startswith(b"\x93NUMPY"):
        return damaged_json(data, random)
    document = damaged_json(np.load(io.BytesIO(data)).tobytes(), random)
    target = io.BytesIO()
    np.save(target, np.frombuffer(document, np.uint8))  # with the length in its header right
    return target.getvalue()


_HEADER_BYTES = 128
"""Of an array in NumPy's format, where what it is stands."""


def _damaged_array(data: bytes, random: Random) -> bytes:
    """Return an array with damage to its header, its values or anything."""
    way = random.randrange(4)
    if way == 0:
        return damaged_bytes(data[:_HEADER_BYTES], random) + data[_HEADER_BYTES:]
    if way == 1:
        return damaged_bytes(data, random)
    changed = bytearray(data)
    first = min(_HEADER_BYTES, len(changed) - 1) if way == 2 else 0
    for _ in range(random.randint(1, 4)):
        if changed:
            changed[random.randrange(max(first, 0), len(changed))] = random.choice((0, 1, 0x7F, 0x80, 0xFF))
    return bytes(changed)
