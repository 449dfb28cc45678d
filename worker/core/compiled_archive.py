"""Named arrays to the bytes of a zip archive of `.npy` members and back, with bounds and without pickle.

NumPy's own reader inflates what an archive declares and accepts any member; this one checks names, counts, types and
declared sizes first, so that a small hostile file can neither fill the memory nor smuggle in an object.
"""

import io
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from worker.core.compiled_errors import InvalidModel

_MEMBERS: Final[Mapping[str, tuple[str, ...]]] = {
    "settings": ("|u1",),
    "labels_bytes": ("|u1",),
    "labels_offsets": ("<i8",),
    "vocabulary_bytes": ("|u1",),
    "vocabulary_offsets": ("<i8",),
    "stop_words_bytes": ("|u1",),
    "stop_words_offsets": ("<i8",),
    "idf": ("<f8", "<f4"),
    "coefficients": ("<f8", "<f4"),
    "intercepts": ("<f8", "<f4"),
    "slopes": ("<f8",),
    "offsets": ("<f8",),
    "tree_left": ("<i8",),
    "tree_right": ("<i8",),
    "tree_feature": ("<i8",),
    "tree_threshold": ("<f8",),
    "tree_values": ("<f8",),
}
"""The members that an archive may have, with the element types of each."""

_MAX_DIRECTORY_BYTES: Final = 16 * 1024
_END_RECORD: Final = struct.Struct("<4s4H2LH")  # "end of central directory" without a comment, APPNOTE.TXT 4.3.16
_HEADER: Final = re.compile(
    rb"\x93NUMPY\x01\x00.."
    rb"\{'descr': '(?P<type>[<|][a-z]\d)', 'fortran_order': False, 'shape': "
    rb"\((?P<shape>(?:\d{1,12}, ?){0,3}\d{0,12})\), \} {0,128}\n",
    re.DOTALL,
)
"""The header as NumPy writes it (NEP 1). NumPy's own reader takes any Python literal, which can be made to fail in ways
that no list of exceptions holds."""

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # the earliest date that a zip archive can hold

_READ_FAULTS: Final = (
    zipfile.BadZipFile,  # structure or checksum
    zlib.error,  # broken deflate data
    EOFError,  # member ends early
    NotImplementedError,  # compression or version unknown to zipfile
    RuntimeError,  # encrypted member
    struct.error,  # a record ends early
    ValueError,  # member name that cannot be decoded, offset outside the archive
    OverflowError,  # a 64-bit size
    OSError,  # an offset outside the archive
)


def write(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return the archive's bytes. Members are sorted and have a fixed date, so equal arrays give equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(arrays):
            member = io.BytesIO()
            npy.write_array(member, arrays[name], version=(1, 0), allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy", date_time=_EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, member.getvalue())
    return buffer.getvalue()


def read(data: bytes, *, max_bytes: int) -> dict[str, NDArray[Any]]:
    """Return the arrays of an archive, read-only. Raises InvalidModel for what `write` would not have written."""
    if len(data) > max_bytes:
        raise InvalidModel(f"the model has {len(data)} bytes; at most {max_bytes} are allowed")
    _check_directory(data)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            _check_members(infos, max_bytes)
            return {info.filename.removesuffix(".npy"): _read_member(archive, info) for info in infos}
    except InvalidModel:
        raise
    except _READ_FAULTS as fault:
        raise InvalidModel(f"the model's archive cannot be read: {fault}") from fault


def _check_directory(data: bytes) -> None:
    """Refuse a central directory that would cost memory merely by being listed."""
    if len(data) < _END_RECORD.size:
        raise InvalidModel("the model is no zip archive: too short")
    signature, *_, count, directory_bytes, _offset, comment = _END_RECORD.unpack(data[-_END_RECORD.size :])
    if signature != b"PK\x05\x06" or comment:
        raise InvalidModel("the model is no zip archive: it does not end with an end record")
    if count > len(_MEMBERS) or directory_bytes > _MAX_DIRECTORY_BYTES:
        raise InvalidModel("the model's archive lists more members than a model has")


def _check_members(infos: list[zipfile.ZipInfo], max_bytes: int) -> None:
    """Refuse unknown or repeated members and declared sizes over the limit, before anything is inflated."""
    names = [info.filename for info in infos]
    unknown = sorted(set(names) - {f"{name}.npy" for name in _MEMBERS})
    if unknown:
        raise InvalidModel(f"the model's archive holds an unknown member {unknown[0][:80]!r}")
    if len(set(names)) != len(names):
        raise InvalidModel("the model's archive holds a member twice")
    total = sum(info.file_size for info in infos)
    if total > max_bytes:
        raise InvalidModel(f"the model inflates to {total} bytes; at most {max_bytes} are allowed")
    if any(info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for info in infos):
        raise InvalidModel("the model's archive uses a compression other than deflate")


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray[Any]:
    """Return one array; zipfile never inflates more than the declared size, and checks the checksum."""
    name = info.filename.removesuffix(".npy")
    body = archive.read(info)
    header = _HEADER.match(body)
    if header is None:
        raise InvalidModel(f"array {name} has no header of a plain array")
    element_type, extents = header["type"].decode(), header["shape"].decode()
    if element_type not in _MEMBERS[name]:
        raise InvalidModel(f"array {name} has the element type {element_type}; expected {' or '.join(_MEMBERS[name])}")
    shape = tuple(int(extent) for extent in extents.split(",") if extent.strip())
    dtype = np.dtype(element_type)
    if header.end() + math.prod(shape) * dtype.itemsize != len(body):
        raise InvalidModel(f"array {name} does not hold what its header declares")
    return np.frombuffer(body, dtype=dtype, offset=header.end()).reshape(shape)
