"""`reviewmill publish csv FILE`: uploads a file to be scored as one job, and follows the job."""

from __future__ import annotations

import argparse
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from cloud.crc import Checksum
from cloud.objects import ObjectInfo, Objects, PreconditionFailed
from publisher.console import DONE, NotDone, Unusable, finish
from publisher.doors import open_bucket
from publisher.report import say_id_conflicts
from publisher.stored_jobs import StoredJob, job_of_upload
from publisher.upload_options import PROG, job_metadata, upload_parser
from publisher.wait_job import print_job, the_job_goes_on, wait_for_job
from schemas.errors import InvalidInput
from schemas.jobs import Dialect
from worker.core.id_conflicts import IdConflicts, IdTexts
from worker.core.job_options import job_options
from worker.core.output_options import output_options
from worker.core.plain_bytes import HEAD_BYTES
from worker.core.row_models import model_place
from worker.core.rows import Place, Row, RowReader, open_rows
from worker.parquet.reading import ParquetBytes, open_parquet, parquet_rows
from worker.settings import Settings, load_settings

_CHUNK_BYTES = 1024 * 1024
_CONTENT_TYPES = {
    "jsonl": "application/x-ndjson",
    "ndjson": "application/x-ndjson",
    "gz": "application/gzip",
    "parquet": "application/vnd.apache.parquet",
    "pq": "application/vnd.apache.parquet",
}
_ANY_LIMIT = 1.0
"""Looking at a file does not come to its limit of rejections."""


def main(argv: list[str]) -> int:
    """Run the command."""
    options = upload_parser().parse_args(argv)
    return finish(PROG, lambda: _run(options, load_settings(os.environ)))


def _run(options: argparse.Namespace, settings: Settings) -> int:
    path = Path(options.file)
    metadata = job_metadata(options)
    try:
        dialect = None if options.no_check else _look(path, options.name or path.name, metadata)
        digest, checksum = _digests(path)
    except OSError as error:
        raise Unusable(f"{path} cannot be read: {error.strerror}. Name a file of reviews.") from None
    name = _content_name(path, digest, metadata) if options.name is None else options.name
    with open_bucket(settings.uploads, settings) as uploads:
        info = put_once_file(uploads, name, path, checksum, metadata)
    job = job_of_upload(settings.uploads, info)
    if options.wait is None:
        _print_upload(settings, info, job)
        return DONE
    with the_job_goes_on(job):
        _print_upload(settings, info, job)
        # While the worker is at it.
        conflicts = None if dialect is None else _conflicts(path, dialect)
        with open_bucket(settings.results, settings) as results:
            stored = StoredJob(results, job)
            status = print_job(stored, wait_for_job(stored, seconds=options.wait))
    say_id_conflicts(conflicts)
    return status


def _print_upload(settings: Settings, info: ObjectInfo, job: str) -> None:
    uri = f"{settings.uploads.rstrip('/')}/{info.name}#{info.generation}"
    print(f"{'upload':<12}{uri}\n{'job':<12}{job}", flush=True)


def _look(path: Path, name: str, metadata: dict[str, str]) -> Dialect:
    """Return how the job's workers will read the file; raises Unusable where they could not, or not as asked."""
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
        stream.seek(0)
        try:
            dialect = job_options(name, metadata, max_rejections=_ANY_LIMIT, head=head).dialect
            if dialect.format == "parquet":
                dialect, header = open_parquet(_ranges(stream), dialect, metadata)
            else:
                header = open_rows(_chunks(stream), dialect).header
            model_place(dialect, header)
            output_options(metadata, header)
        except InvalidInput as error:
            raise Unusable(f"The file cannot be scored as asked ({error.code}). {error.reason}") from None
    return dialect


def _digests(path: Path) -> tuple[str, str]:
    """Return the file's SHA-256 in hex and its CRC32C."""
    digest, checksum = hashlib.sha256(), Checksum()
    with path.open("rb") as stream:
        for chunk in _chunks(stream):
            digest.update(chunk)
            checksum.update(chunk)
    return digest.hexdigest(), checksum.text()


def _conflicts(path: Path, dialect: Dialect) -> IdConflicts | None:
    """Return the ids of the file that stand for several texts; takes 24 bytes of memory a row."""
    if dialect.id_column is None and dialect.format != "jsonl":
        return None
    ids = IdTexts()
    try:
        with path.open("rb") as stream:
            for row in _rows(stream, dialect):
                if isinstance(row, Row) and row.id is not None:
                    ids.note(row.row, row.id, row.text)
    except (InvalidInput, OSError):  # the job's own reason says more, and a file that is gone was uploaded before
        return None
    return ids.conflicts()


def _rows(stream: BinaryIO, dialect: Dialect) -> RowReader:
    if dialect.format != "parquet":
        return open_rows(_chunks(stream), dialect)
    data = _ranges(stream)
    _, header = open_parquet(data, dialect, ["text-column"])
    return parquet_rows(data, dialect, header, place=Place(), kept=[])


def _ranges(stream: BinaryIO) -> ParquetBytes:
    def read(start: int, length: int) -> bytes:
        stream.seek(start)
        return stream.read(length)

    return ParquetBytes(read, stream.seek(0, os.SEEK_END))


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: stream.read(_CHUNK_BYTES), b"")


def _content_name(path: Path, digest: str, metadata: dict[str, str]) -> str:
    """Return a name that the same file with the same options gets again, and no other."""
    asked = "".join(f"\n{key}={value}" for key, value in sorted(metadata.items()))
    short = hashlib.sha256(f"{digest}{asked}".encode()).hexdigest()[:16]
    name, compressed = (path.name[:-3], ".gz") if path.name.lower().endswith(".gz") else (path.name, "")
    inner = Path(name)
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", inner.stem).strip("-.")[:100] or "upload"
    suffix = inner.suffix.lower() if re.fullmatch(r"\.[A-Za-z0-9]{1,8}", inner.suffix) else ".csv"
    return f"{stem}-{short}{suffix}{compressed}"


def put_once_file(uploads: Objects, name: str, path: Path, checksum: str, metadata: dict[str, str]) -> ObjectInfo:
    """Upload a file under a name that is new, or holds the same file with the same options already.

    Raises NotDone when the name is taken by something else: nothing is overwritten.
    """
    try:
        return uploads.put_file(name, path, content_type=_content_type(name), if_generation=0, metadata=metadata)
    except PreconditionFailed:
        there = uploads.info(name)
    except ValueError as error:
        raise Unusable(f"The file cannot be uploaded: {error}. Give another --name.") from None
    if (there.size, there.crc32c) != (path.stat().st_size, checksum):
        raise NotDone(f"{uploads.uri}/{name} holds another file. Nothing was overwritten; give another --name.")
    if dict(there.metadata) != metadata:
        raise NotDone(
            f"{uploads.uri}/{name} holds this file with other options {dict(there.metadata)}. "
            "Nothing was overwritten; give another --name."
        )
    print("This file is there already with these options; it is not uploaded again.")
    return there


def _content_type(name: str) -> str:
    """Return what tools may show of the file; workers do not look at it."""
    ending = name.lower().rpartition(".")[2]
    return _CONTENT_TYPES.get(ending, "text/csv")
