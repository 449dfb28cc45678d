"""Parquet files that are damaged or made to do harm: a failed job that says so, in bounded memory and time."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cloud.objects import TransientError
from schemas.errors import InvalidInput
from schemas.jobs import Dialect
from tests.integration.parquet.conftest import MIB, Cloud, parquet
from worker.core.parquet_frames import FAILURE, FILE, Failure, FileOffered, Plan
from worker.core.rows import Place
from worker.parquet.pipes import PipeClosed, Pipes
from worker.parquet.reading import ParquetBytes, open_parquet, parquet_rows

ROOT = Path(__file__).parents[3]
GOOD = parquet({"id": [f"r{row}" for row in range(100)], "text": [f"text {row}" for row in range(100)]})
FOOTER = int.from_bytes(GOOD[-8:-4], "little") + 8


def read_all(data: bytes) -> int:
    """Return how many rows there are."""
    source = ParquetBytes(lambda start, length: data[start : start + length], len(data))
    dialect, header = open_parquet(source, Dialect(format="parquet"), ())
    return sum(1 for _ in parquet_rows(source, dialect, header, place=Place(), kept=range(len(header.columns))))


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


DAMAGED: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"PAR1",
    "no footer": lambda: GOOD[:-FOOTER],
    "cut in the footer": lambda: GOOD[: -FOOTER // 2],
    "cut in the data, footer kept": lambda: GOOD[:50] + GOOD[-FOOTER:],
    "text with the mark": lambda: b"PAR1,text\n1,good\nPAR1",
    "footer longer than the file": lambda: GOOD[:-8] + (1 << 31).to_bytes(4, "little") + b"PAR1",
    "footer of nothing": lambda: GOOD[:-8] + bytes(4) + b"PAR1",
    "footer of another": lambda: GOOD[:-FOOTER] + b"\xff" * (FOOTER - 8) + GOOD[-8:],
    "encrypted": lambda: GOOD[:-4] + b"PARE",
    "first page's header": lambda: flipped(GOOD, 4),
    "first page's data": lambda: flipped(flipped(GOOD, 40), 44),
}


def test_a_file_of_too_many_columns_is_refused_before_any_is_decoded() -> None:
    with pytest.raises(InvalidInput, match="1,001 columns; 1,000 are read at most") as caught:
        read_all(parquet({"text": ["good"], **{f"c{number}": [None] for number in range(1_000)}}))
    assert caught.value.code == "too_many_columns"


@pytest.mark.parametrize("name", list(DAMAGED))
def test_a_damaged_file_is_a_failed_read(name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_all(DAMAGED[name]())
    assert caught.value.code in {"broken_parquet", "unsupported_parquet", "missing_column", "too_large_inflated"}
    assert "Parquet" in caught.value.reason


def varint(number: int) -> bytes:
    """Return a whole number as Thrift's compact protocol writes it: zigzag, seven bits a byte."""
    number *= 2
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def huge_page() -> bytes:
    """Return a file whose only page says that it unpacks to 1.5 GiB."""
    data = parquet({"text": ["good" * 10]}, compression="gzip", use_dictionary=False, write_statistics=False)
    about = pq.ParquetFile(io.BytesIO(data)).metadata.row_group(0).column(0)
    # The page's header: field 1, its type; field 2, the size unpacked; field 3, the size packed.
    assert data[4:7:2] == b"\x15\x15"
    end = next(at for at in range(7, 20) if data[at] < 0x80) + 1
    size = varint(3 << 29)
    longer = len(size) - (end - 7)
    # The footer says how long the page is with its header.
    old, packed = varint(about.total_uncompressed_size), about.total_compressed_size
    before = b"\x16" + old + b"\x16" + varint(packed)
    assert data.count(before) == 1
    footer = data[-int.from_bytes(data[-8:-4], "little") - 8 : -8]
    said = footer.replace(before, b"\x16" + old + b"\x16" + varint(packed + longer))
    return data[:7] + size + data[end : -len(footer) - 8] + said + len(said).to_bytes(4, "little") + b"PAR1"


def one_value_very_often(rows: int) -> bytes:
    """Return a file that says one long text many times, in little more than its length."""
    out = io.BytesIO()
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 1000, pa.int32()), pa.array(["good film " * 1000]))
    table = pa.table({"text": text})
    with pq.ParquetWriter(out, table.schema, compression="zstd") as writer:
        for _ in range(rows // 1000):
            writer.write_table(table)
    return out.getvalue()


def claims_many_rows() -> bytes:
    """Return a file whose footer says that its group has 100,000 times the rows that are there."""
    out = parquet({"text": ["good"] * 3})
    # Zigzag varints of 3 rows, in the file's and in the group's metadata, and of 3 values in the column's.
    footer = out[-int.from_bytes(out[-8:-4], "little") - 8 : -8].replace(b"\x16\x06", b"\x16\xc0\x8d\x24")
    return out[: -len(footer) - 8] + footer + len(footer).to_bytes(4, "little") + b"PAR1"


@pytest.mark.parametrize(
    ("make", "codes"),
    [
        (huge_page, {"too_large_inflated"}),
        (lambda: one_value_very_often(40_000), {"too_large_inflated"}),
        (claims_many_rows, {"broken_parquet"}),
    ],
    ids=["a page of 1.5 GiB", "one value very often", "rows that are not there"],
)
def test_a_bomb_ends_its_job_alone(cloud: Cloud, make: Callable[[], bytes], codes: set[str]) -> None:
    data = make()
    assert len(data) < MIB
    upload = cloud.upload(data)
    job = [cloud.uploads.uri, cloud.results.uri, upload.name, str(upload.generation), "1000000"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.integration.csv_job.one_job", *job],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    state, _, decoder_mb = done.stdout.split()
    assert state == "failed"
    (stored,) = [info.name for info in cloud.results.listing("jobs/") if info.name.endswith("/manifest.json")]
    assert json.loads(cloud.results.get(stored)[0])["reason"].partition(":")[0] in codes
    assert float(decoder_mb) < 800, "the decoder is bounded, whatever the file says"


def test_what_was_read_before_the_damage_is_kept(cloud: Cloud) -> None:
    table = {"text": [f"text number {row} of the file" for row in range(3_000)]}
    data = parquet(table, row_group_size=1_000, compression="gzip", use_dictionary=False)
    second = pq.ParquetFile(io.BytesIO(data)).metadata.row_group(1).column(0).data_page_offset
    manifest = cloud.run(cloud.upload(data[: second + 100] + bytes(200) + data[second + 300 :]), chunk_rows=400)
    assert (manifest.state, str(manifest.reason).partition(":")[0]) == ("failed", "broken_parquet")
    assert manifest.counts.predictions == 800


def decoder(folder: Path) -> tuple[subprocess.Popen[bytes], Pipes]:
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "worker.parquet.decoder"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    return process, Pipes(process.stdout.fileno(), process.stdin.fileno(), max_bytes=MIB)


def test_without_the_extra_the_fix_is_named(tmp_path: Path) -> None:
    (tmp_path / "pyarrow.py").write_text("raise ImportError('it is not installed')\n")
    process, pipes = decoder(tmp_path)
    with process:
        letter, data = pipes.receive()
        assert letter == FAILURE
        failure = msgspec.msgpack.decode(data, type=Failure)
        assert failure.code == "parquet_not_installed"
        assert "pip install 'reviewmill[parquet]'" in failure.reason


def test_a_decoder_ends_with_the_one_that_asked(tmp_path: Path) -> None:
    process, pipes = decoder(tmp_path)
    with process:
        pipes.send(FILE, msgspec.msgpack.encode(FileOffered(1_000)))
        pipes.receive()  # it asks for bytes
        assert process.stdin is not None
        process.stdin.close()
        with pytest.raises(PipeClosed):
            pipes.receive()
        assert process.wait(60) == 1


@pytest.mark.parametrize(
    ("number", "error"),
    [(signal.SIGKILL, TransientError), (signal.SIGTERM, TransientError), (signal.SIGSEGV, InvalidInput)],
)
def test_only_a_crash_is_the_files_fault(number: signal.Signals, error: type[Exception]) -> None:
    source = ParquetBytes(lambda start, length: GOOD[start : start + length], len(GOOD))
    with source.open() as file:
        file.shape()
        file._process.send_signal(number)
        file._process.wait(60)
        with pytest.raises(error):
            list(file.rows(Plan([0], 0)))


def test_reading_that_is_given_up_leaves_no_process() -> None:
    source = ParquetBytes(lambda start, length: GOOD[start : start + length], len(GOOD))
    with source.open() as file:
        file.shape()
        next(file.rows(Plan([0], 0)))
        process = file._process
        assert process.poll() is None or process.returncode == 0
    assert process.returncode is not None
