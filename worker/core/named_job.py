"""Which CSV job an argument of a command means: a job's id, a URI in its folder, or the URI of its upload."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from schemas.errors import InvalidInput
from worker.core.naming import job_id

_JOB = re.compile(r"[a-z0-9][a-z0-9-]*-[0-9a-f]{16}")
_IN_JOBS = re.compile(r"jobs/([^/]+)(?:/.*)?")


@dataclass(frozen=True, slots=True)
class NamedUpload:
    """An upload that an argument names, whose job follows from its generation."""

    name: str
    generation: int | None
    """None for the current one, which the bucket knows."""


def named_job(argument: str, *, results: str, uploads: str) -> str | NamedUpload:
    """Return the id of the job that an argument means, or the upload whose job it means.

    A job id; the URI of the job's folder or of anything in it; the URI of the upload, with `#generation` behind for
    another than the current one. `results` and `uploads` are the URIs of the buckets. For anything else, raises
    InvalidInput("invalid_job").
    """
    results_root, uploads_root = results.rstrip("/") + "/", uploads.rstrip("/") + "/"
    if argument.startswith(results_root):
        return _in_results(argument.removeprefix(results_root), results)
    if argument.startswith(uploads_root):
        return _upload(argument.removeprefix(uploads_root), uploads_root)
    if not _JOB.fullmatch(argument):
        raise _invalid(
            f"{argument[:200]!r} is neither a job id such as reviews-0123456789abcdef, nor a URI under {results} (a "
            f"job) or {uploads} (an upload). Name one; 'reviewmill publish csv' prints them, and 'reviewmill jobs' "
            "lists the jobs."
        )
    return argument


def bucket_name(uri: str) -> str:
    """Return a bucket's name as events give it: that of `gs://bucket`, or a folder's own name."""
    return uri.rstrip("/").rpartition("/")[2]


def job_of(named: str | NamedUpload, uploads: str, current: Callable[[str], int | None]) -> str:
    """Return the id of the job that was named, also by its upload.

    `current` is asked for the generation of an upload that was named without one, and returns None for an upload that
    is gone. For such a one, raises InvalidInput("invalid_job").
    """
    if isinstance(named, str):
        return named
    generation = current(named.name) if named.generation is None else named.generation
    if generation is None:
        raise _invalid(
            f"There is no upload {uploads.rstrip('/')}/{named.name} (any more). Name its job, or the upload with the "
            "#generation that 'reviewmill publish csv' printed behind it, or upload it again."
        )
    return job_id(bucket_name(uploads), named.name, generation)


def _in_results(name: str, results: str) -> str:
    match = _IN_JOBS.fullmatch(name)
    if match is None:
        raise _invalid(f"{results}/{name} is not in a job's folder. Name one: {results}/jobs/ID.")
    return match[1]


def _upload(name: str, root: str) -> NamedUpload:
    """Read `name#generation`. The last # counts, and only before a number: names may hold that sign themselves."""
    before, _, generation = name.rpartition("#")
    has_generation = before and generation.isascii() and generation.isdigit()
    upload = NamedUpload(before, int(generation)) if has_generation else NamedUpload(name, None)
    if upload.name.endswith("/"):
        raise _invalid(f"{root}{upload.name} marks a folder, and a folder is no job. Name a file in it.")
    return upload


def _invalid(reason: str) -> InvalidInput:
    return InvalidInput("invalid_job", reason)
