"""`reviewmill publish csv FILE`: uploads a CSV to be scored as one job, and follows the job."""

from __future__ import annotations

import argparse
import hashlib
import os
import re
from pathlib import Path

from cloud.crc import Checksum
from cloud.objects import ObjectInfo, Objects, PreconditionFailed
from publisher.console import DONE, NotDone, Unusable, finish
from publisher.doors import open_bucket
from publisher.options import (
    add_dialect,
    add_model,
    add_wait,
    dialect_metadata,
    dialect_of,
    known_model,
    new_parser,
    rejection_limit,
    suffix_of,
)
from publisher.sources import check_csv
from publisher.stored_jobs import StoredJob, job_of_upload
from publisher.wait_job import print_job, wait_for_job
from worker.settings import Settings, load_settings

PROG = "reviewmill publish csv"
_CSV_TYPE = "text/csv"
_CHUNK_BYTES = 1024 * 1024


def _parser() -> argparse.ArgumentParser:
    parser = new_parser(
        PROG,
        "Upload a CSV file. A worker scores it as one job: predictions.csv has every row with its label,\n"
        "rejections.jsonl every row that could not be scored and why, manifest.json, written last, the counts.\n\n"
        "The same file with the same options is uploaded once; its job is named again.",
        [f"{PROG} reviews.csv --text-column review --wait", f"{PROG} reviews.tsv --no-header --text-column 2"],
    )
    parser.add_argument("file", metavar="FILE", help="the CSV")
    add_model(parser)
    parser.add_argument("--name", metavar="OBJECT", help="name to upload under; made from the content when not given")
    parser.add_argument(
        "--max-rejections",
        metavar="LIMIT",
        type=rejection_limit,
        help="the job stops when more rows are rejected: a share below 1, or a count",
    )
    parser.add_argument(
        "--no-check", action="store_true", help="upload without looking whether the header has the text column"
    )
    add_wait(parser, "the job is done", 600)
    add_dialect(parser)
    return parser


def main(argv: list[str]) -> int:
    """Run the command."""
    options = _parser().parse_args(argv)
    return finish(PROG, lambda: _run(options, load_settings(os.environ)))


def _run(options: argparse.Namespace, settings: Settings) -> int:
    path = Path(options.file)
    metadata = _metadata(options)
    digest, checksum = _read(path, options)
    name = _content_name(path, digest, metadata) if options.name is None else options.name
    with open_bucket(settings.uploads, settings) as uploads:
        info = put_once_file(uploads, name, path, checksum, metadata)
    job = job_of_upload(settings.uploads, info)
    print(f"{'upload':<12}{settings.uploads.rstrip('/')}/{name}#{info.generation}\n{'job':<12}{job}", flush=True)
    if options.wait is None:
        return DONE
    with open_bucket(settings.results, settings) as results:
        stored = StoredJob(results, job)
        return print_job(stored, wait_for_job(stored, size_bytes=info.size, seconds=options.wait))


def _metadata(options: argparse.Namespace) -> dict[str, str]:
    """Return what the job's workers are told, in the keys that they read."""
    said = {
        "model": known_model(options.model),
        "version": options.version,
        "max-rejections": options.max_rejections,
    }
    return {key: value for key, value in said.items() if value is not None} | dialect_metadata(options)


def _read(path: Path, options: argparse.Namespace) -> tuple[str, str]:
    """Return the file's SHA-256 in hex and its CRC32C; raises Unusable for a file that no worker could read."""
    digest, checksum = hashlib.sha256(), Checksum()
    try:
        with path.open("rb") as stream:
            if not options.no_check:
                check_csv(stream, dialect_of(options, suffix_of(path.name)))
                stream.seek(0)
            while chunk := stream.read(_CHUNK_BYTES):
                digest.update(chunk)
                checksum.update(chunk)
    except OSError as error:
        raise Unusable(f"{path} cannot be read: {error.strerror}. Name a CSV file.") from None
    return digest.hexdigest(), checksum.text()


def _content_name(path: Path, digest: str, metadata: dict[str, str]) -> str:
    """Return a name that the same file with the same options gets again, and no other."""
    asked = "".join(f"\n{key}={value}" for key, value in sorted(metadata.items()))
    short = hashlib.sha256(f"{digest}{asked}".encode()).hexdigest()[:16]
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("-.")[:100] or "upload"
    suffix = path.suffix.lower() if re.fullmatch(r"\.[A-Za-z0-9]{1,8}", path.suffix) else ".csv"
    return f"{stem}-{short}{suffix}"


def put_once_file(uploads: Objects, name: str, path: Path, checksum: str, metadata: dict[str, str]) -> ObjectInfo:
    """Upload a file under a name that is new, or holds the same file with the same options already.

    Raises NotDone when the name is taken by something else: nothing is overwritten.
    """
    try:
        return uploads.put_file(name, path, content_type=_CSV_TYPE, if_generation=0, metadata=metadata)
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
