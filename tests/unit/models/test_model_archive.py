"""The limits of the zip archive around a skops model."""

from __future__ import annotations

import contextlib
import io
import struct
import zipfile
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.compiled_errors import InvalidModel
from worker.model_archive import MAX_MEMBERS, read_schema


def archive(members: Mapping[str, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as made:
        for name, content in members.items():
            made.writestr(name, content)
    return target.getvalue()


def array(value: object) -> bytes:
    target = io.BytesIO()
    np.save(target, np.asarray(value), allow_pickle=True)
    return target.getvalue()


def announced(shape: str, dtype: str = "<f8", content: bytes = b"\0" * 8) -> bytes:
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + content


SOUND = {"schema.json": b'{"a": 1}', "0.npy": array([1.0, 2.0])}


def test_a_sound_archive_gives_its_schema() -> None:
    assert read_schema(archive(SOUND)) == {"a": 1}


HARMFUL = [
    (b"", "not a zip archive"),
    (b"PK\x03\x04 but no more", "not a zip archive"),
    (archive({}), "must hold schema.json"),
    (archive({"0.npy": array([1.0])}), "must hold schema.json"),
    (archive({**SOUND, "evil.py": b""}), "nothing else"),
    (archive({**SOUND, "../0.npy": b""}), "nothing else"),
    (archive({**SOUND, **{f"{i}.npy": b"" for i in range(1, MAX_MEMBERS + 1)}}), "members"),
    (archive({"schema.json": b" " * 4_000_000}), "zip bomb"),
    (archive({"schema.json": b"{" * 10}), "not JSON"),
    (archive({"schema.json": b"[" * 100_000}, method=zipfile.ZIP_STORED), "nested too deeply"),
    (archive({"schema.json": b"\xff\xfe{"}), "not JSON"),
    (archive(SOUND, method=zipfile.ZIP_BZIP2), "neither stored nor deflated"),
    (archive({**SOUND, "1.npy": array([{}])}), "Python objects"),
    (archive({**SOUND, "1.npy": announced("(1000000000000,)")}), "not what its header says"),
    (archive({**SOUND, "1.npy": announced("(-1,)")}), "model.skops"),
    (archive({**SOUND, "1.npy": announced("(1,)", content=b"")}), "not what its header says"),
    (archive({**SOUND, "1.npy": announced("(1,)", dtype="nonsense")}), "damaged"),
    (archive({**SOUND, "1.npy": b"\x80\x04pickle"}), "damaged"),
    (archive({**SOUND, "1.npy": announced("(1,")}), "damaged"),
    (archive({**SOUND, "1.npy": announced("(1L,)")}), "damaged"),
    (archive({**SOUND, "1.npy": announced('("x,')}), "damaged"),
    (archive({**SOUND, "1.npy": announced("(1,)" + " " * 20_000)}), "header of 20,"),
]


@pytest.mark.parametrize(("data", "sentence"), HARMFUL)
def test_what_could_do_harm_is_refused(data: bytes, sentence: str) -> None:
    with pytest.raises(InvalidModel, match=sentence):
        read_schema(data)


def test_a_member_that_stands_twice_is_refused() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as made:
        made.writestr("schema.json", b"{}")
        with pytest.warns(UserWarning, match="Duplicate name"):
            made.writestr("schema.json", b'{"other": 1}')
    with pytest.raises(InvalidModel, match="one of them twice"):
        read_schema(target.getvalue())


def test_a_false_size_is_found_out() -> None:
    data = bytearray(archive({"schema.json": b" " * 5_000 + b"{}"}))
    entry = data.index(b"PK\x01\x02")  # the central directory; the uncompressed size is at 24
    assert struct.unpack_from("<L", data, entry + 24) == (5_002,)
    struct.pack_into("<L", data, entry + 24, 2)
    with pytest.raises(InvalidModel, match="damaged"):
        read_schema(bytes(data))


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_one_changed_byte_is_refused_or_harmless(place: int, value: int) -> None:
    data = bytearray(archive(SOUND))
    data[place % len(data)] = value
    with contextlib.suppress(InvalidModel):
        assert read_schema(bytes(data)) == {"a": 1}


@given(st.integers(0, 10_000))
def test_a_cut_archive_is_refused(length: int) -> None:
    data = archive(SOUND)
    with pytest.raises(InvalidModel):
        read_schema(data[: length % len(data)])
