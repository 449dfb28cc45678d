"""`reviewmill publish csv FILE`: uploads a file to be scored as one job, and follows the job."""

from __future__ import annotations

import argparse
import hashlib
import os
import re
from pathlib import Path

from cloud.crc import Checksum
from cloud.objects import CloudSetupError, ObjectInfo, Objects, PreconditionFailed, TransientError
from publisher.console import DONE, NotDone, Unusable, finish
from publisher.doors import open_bucket
from publisher.report import say_id_conflicts
from publisher.stored_jobs import StoredJob, job_of_upload
from publisher.upload_look import file_chunks, id_conflicts, look
from publisher.upload_model import check_model
from publisher.upload_options import PROG, job_metadata, upload_parser
from publisher.wait_job import print_job, the_job_goes_on, wait_for_job
from worker.settings import Settings, load_settings

_CONTENT_TYPES = {
    "jsonl": "application/x-ndjson",
    "ndjson": "application/x-ndjson",
    "gz": "application/gzip",
    "parquet": "application/vnd.apache.parquet",
    "pq": "application/vnd.apache.parquet",
}


def main(argv: list[str]) -> int:
    """Run the command."""
    options = upload_parser().parse_args(argv)
    return finish(PROG, lambda: _run(options, load_settings(os.environ)))


def _run(options: argparse.Namespace, settings: Settings) -> int:
    path = Path(options.file)
    metadata = job_metadata(options)
    try:
        asked = None if options.no_check else look(path, options.name or path.name, metadata)
        digest, checksum = _digests(path)
    except OSError as error:
        raise Unusable(f"{path} cannot be read: {error.strerror}. Name a file of reviews.") from None
    name = _content_name(path, digest, metadata) if options.name is None else options.name
    with open_bucket(settings.uploads, settings) as uploads:
        if asked is not None:
            check_model(asked.model, asked.version, settings)
        info, is_new = put_once_file(uploads, name, path, checksum, metadata)
    job = job_of_upload(settings.uploads, info)
    if not is_new:
        _say_there_already(settings, job)
    if options.wait is None:
        _print_upload(settings, info, job)
        return DONE
    with the_job_goes_on(job):
        _print_upload(settings, info, job)
        # While the worker is at it.
        conflicts = None if asked is None else id_conflicts(path, asked.dialect)
        with open_bucket(settings.results, settings) as results:
            stored = StoredJob(results, job)
            status = print_job(stored, wait_for_job(stored, seconds=options.wait))
    say_id_conflicts(conflicts)
    return status


def _say_there_already(settings: Settings, job: str) -> None:
    """Say that nothing is uploaded; and how to begin anew where the job is not done, as its message may be lost."""
    said = "This file is there already with these options; it is not uploaded again."
    if not _may_be_done(settings, job):
        said += (
            " Its job is not done: if no worker is at it, begin anew with another --name, which is a job of its own."
        )
    print(said)


def _may_be_done(settings: Settings, job: str) -> bool:
    """Say whether the job has a manifest; also where that cannot be read, as who uploads need not read results."""
    try:
        with open_bucket(settings.results, settings) as results:
            return StoredJob(results, job).manifest() is not None
    except (NotDone, Unusable, TransientError, CloudSetupError):
        return True


def _print_upload(settings: Settings, info: ObjectInfo, job: str) -> None:
    uri = f"{settings.uploads.rstrip('/')}/{info.name}#{info.generation}"
    print(f"{'upload':<12}{uri}\n{'job':<12}{job}", flush=True)


def _digests(path: Path) -> tuple[str, str]:
    """Return the file's SHA-256 in hex and its CRC32C."""
    digest, checksum = hashlib.sha256(), Checksum()
    with path.open("rb") as stream:
        for chunk in file_chunks(stream):
            digest.update(chunk)
            checksum.update(chunk)
    return digest.hexdigest(), checksum.text()


def _content_name(path: Path, digest: str, metadata: dict[str, str]) -> str:
    """Return a name that the same file with the same options gets again, and no other."""
    asked = "".join(f"\n{key}={value}" for key, value in sorted(metadata.items()))
    short = hashlib.sha256(f"{digest}{asked}".encode()).hexdigest()[:16]
    name, compressed = (path.name[:-3], ".gz") if path.name.lower().endswith(".gz") else (path.name, "")
    inner = Path(name)
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", inner.stem).strip("-.")[:100] or "upload"
    suffix = inner.suffix.lower() if re.fullmatch(r"\.[A-Za-z0-9]{1,8}", inner.suffix) else ".csv"
    return f"{stem}-{short}{suffix}{compressed}"


def put_once_file(
    uploads: Objects, name: str, path: Path, checksum: str, metadata: dict[str, str]
) -> tuple[ObjectInfo, bool]:
    """Upload a file under a name that is new, or holds the same file with the same options already.

    Returns what is known of the object, and whether it is new.

    Raises NotDone when the name is taken by something else: nothing is overwritten.
    """
    try:
        return (
            uploads.put_file(name, path, content_type=_content_type(name), if_generation=0, metadata=metadata),
            True,
        )
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
    return there, False


def _content_type(name: str) -> str:
    """Return what tools may show of the file; workers do not look at it."""
    ending = name.lower().rpartition(".")[2]
    return _CONTENT_TYPES.get(ending, "text/csv")
