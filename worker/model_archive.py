"""The zip archive around a skops model: bounded before anything is parsed, and free of what could do harm.

skops 0.16 inflates and parses while it only inspects: a zip of 314 KB grew memory by 595 MB. So the sizes that the
archive declares are added up first, every member is inflated once under that bound, and arrays must be as large as
their headers say.
"""

from __future__ import annotations

import ast
import io
import json
import math
import re
import struct
import zipfile
import zlib
from typing import Any, Final

import numpy as np

from schemas.nesting import nests_too_deep
from worker.core.compiled_errors import InvalidModel

MAX_MEMBERS: Final = 1_000
MAX_INFLATED_BYTES: Final = 256 * 1024 * 1024
MAX_SCHEMA_BYTES: Final = 128 * 1024 * 1024
"""Of the JSON, which takes some ten times its size as Python objects; 128 MiB is about 500,000 features."""
MAX_RATIO: Final = 100
"""Inflated to packed bytes of the whole archive. The exporter's are near 15; deflate can reach 1,032."""

SCHEMA: Final = "schema.json"
_NAME: Final = re.compile(r"schema\.json|[0-9]{1,20}\.npy")
_METHODS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_ENCRYPTED: Final = 0x1
"""General purpose bit 0 of a zip member (APPNOTE 4.4.4)."""
_MAX_HEADER_BYTES: Final = 10_000
_LENGTH_AT: Final = 8
"""Where the length of an array's header stands, behind the magic bytes (NEP 1)."""

_READ_FAULTS = (
    zipfile.BadZipFile,  # structure or checksum
    zlib.error,  # broken deflate data
    struct.error,
    EOFError,  # a member ends early
    OSError,  # a seek before the start
    NotImplementedError,  # compression or version unknown to zipfile
    RuntimeError,  # RecursionError from a nested array header
    MemoryError,
    ValueError,  # array header; undecodable name
    SyntaxError,  # array header that is no literal
    TypeError,  # array header of the wrong shape
    LookupError,
    OverflowError,
    AttributeError,  # an extra field that zipfile does not expect
)
"""What zipfile and NumPy raise for damaged or odd archives."""


def read_schema(data: bytes) -> Any:  # noqa: ANN401 - any JSON value, checked by the gate
    """Return the parsed `schema.json` of an archive, all of whose members are within the limits.

    Raises InvalidModel, and nothing else, whatever the bytes are.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _check_directory(archive, len(data))
            for info in archive.infolist():
                content = archive.read(info)  # at most the declared size; a false one fails the CRC
                if info.filename == SCHEMA:
                    schema = content
                else:
                    _check_array(content)
    except InvalidModel:  # itself a ValueError
        raise
    except _READ_FAULTS as error:
        raise InvalidModel(f"model.skops is damaged or not a zip archive ({type(error).__name__})") from None
    if nests_too_deep(schema):
        raise InvalidModel("model.skops holds a schema.json that is nested too deeply")
    try:
        return json.loads(schema.decode())
    except ValueError:
        raise InvalidModel("model.skops holds a schema.json that is not JSON") from None


def _check_directory(archive: zipfile.ZipFile, packed_bytes: int) -> None:
    """Check what the archive says about its members, before one of them is inflated."""
    members = archive.infolist()
    names = {info.filename for info in members}
    if len(members) > MAX_MEMBERS or len(names) < len(members):
        raise InvalidModel(
            f"model.skops has {len(members):,} members, or one of them twice; {MAX_MEMBERS:,} are allowed"
        )
    if SCHEMA not in names or not all(_NAME.fullmatch(name) for name in names):
        raise InvalidModel(f"model.skops must hold {SCHEMA} and arrays (.npy), and nothing else")
    if any(info.flag_bits & _ENCRYPTED or info.compress_type not in _METHODS for info in members):
        raise InvalidModel("model.skops has a member that is encrypted, or neither stored nor deflated")
    inflated = sum(info.file_size for info in members)
    if inflated > MAX_INFLATED_BYTES or archive.getinfo(SCHEMA).file_size > MAX_SCHEMA_BYTES:
        raise InvalidModel(f"model.skops would inflate to {inflated:,} bytes; {MAX_INFLATED_BYTES:,} are allowed")
    if inflated > MAX_RATIO * packed_bytes:
        raise InvalidModel(f"model.skops would inflate to {inflated // packed_bytes} times its size: a zip bomb")


def _check_array(content: bytes) -> None:
    """Check that an array has no Python objects and exactly the bytes that its header announces."""
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    if version != (1, 0):
        raise InvalidModel(f"model.skops holds an array of format {version}; only (1, 0) is read")
    _check_literal(content)
    shape, _, dtype = np.lib.format.read_array_header_1_0(file, max_header_size=_MAX_HEADER_BYTES)
    if dtype.hasobject:
        raise InvalidModel("model.skops holds an array of Python objects")
    announced = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or announced != len(content) - file.tell():
        raise InvalidModel("model.skops holds an array whose size is not what its header says")


def _check_literal(content: bytes) -> None:
    """Check that an array's header is a Python literal.

    NumPy takes another header for one of Python 2 and mends it with the tokenizer, whose errors are of many kinds.
    """
    (length,) = struct.unpack_from("<H", content, _LENGTH_AT)
    if length > _MAX_HEADER_BYTES:
        raise InvalidModel(f"model.skops holds an array with a header of {length:,} bytes")
    ast.literal_eval(content[_LENGTH_AT + 2 :][:length].decode("latin1"))
