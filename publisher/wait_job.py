"""Follows a CSV job until its manifest is there, and says what became of it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from cloud.connect import require_reachable
from cloud.objects import CloudSetupError, TransientError
from publisher.console import DONE, NOT_DONE, NotDone, say
from publisher.progress import Progress
from publisher.report import say_where_rejections_are
from publisher.stored_jobs import StoredJob
from publisher.stored_parts import StoredParts
from schemas.jobs import JobManifest
from worker.core.naming import MANIFEST

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 2.0


def wait_for_job(job: StoredJob, *, seconds: float) -> JobManifest:
    """Return the manifest once it is there, and show on the way how far the stored parts are.

    Raises NotDone when the time is over, and where storage does not answer any more.
    """
    try:
        return _followed(job, seconds)
    except TransientError as error:
        raise NotDone(f"{_no_answer(job)} {_goes_on(job.job)}") from error


def _followed(job: StoredJob, seconds: float) -> JobManifest:
    deadline = time.monotonic() + seconds
    pause_s = _FIRST_PAUSE_S
    stored = StoredParts(job)
    with Progress("scoring", None) as progress:
        while True:
            manifest = job.manifest()
            if manifest is not None:
                return manifest
            if stored.look():
                note = f"{stored.rows:,} rows in {stored.parts:,} parts, {stored.rejections:,} rejected"
                progress.show(stored.done_bytes(), note, total=stored.total_bytes)
                pause_s = _FIRST_PAUSE_S
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise NotDone(
                    f"The job {job.job} is not done after {seconds:g} s: {stored.parts:,} parts with {stored.rows:,} "
                    f"rows are there. {'' if stored.parts else 'Is a worker running? '}Look later with: reviewmill "
                    f"results job {job.job}"
                )
            time.sleep(min(pause_s, left_s))
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def _no_answer(job: StoredJob) -> str:
    """Return the sentence for storage that is away: what its client library says is cut off and for programmers."""
    if job.in_cloud:
        try:
            require_reachable(os.environ, "storage")
        except CloudSetupError as error:
            return str(error)
    return f"Storage does not answer ({job.uri(MANIFEST)} cannot be read): see that it and the network are up."


def _goes_on(job: str) -> str:
    return f"Only the waiting has ended, the job {job} goes on. Look again with: reviewmill results job {job} --wait"


@contextmanager
def the_job_goes_on(job: str) -> Iterator[None]:
    """Say, where the block is interrupted, that this ends the waiting and not the job."""
    try:
        yield
    except KeyboardInterrupt:
        say(f"\nInterrupted. {_goes_on(job)}")
        raise


def print_job(job: StoredJob, manifest: JobManifest) -> int:
    """Print counts and places of a job's results; return the exit status that they deserve."""
    counts = manifest.counts
    print(f"rows {counts.rows:,} = predictions {counts.predictions:,} + rejections {counts.rejections:,}")
    for name in (item.name.rpartition("/")[2] for item in manifest.objects):
        print(f"{name.partition('.')[0]:<12}{job.uri(name)}")
    print(f"{'manifest':<12}{job.uri(MANIFEST)}", flush=True)
    if counts.rejections:
        say_where_rejections_are(["job", job.job])
    if manifest.state == "done":
        return DONE
    say(f"The job {job.job} has failed: {manifest.reason or 'no reason is given'}")
    return NOT_DONE
