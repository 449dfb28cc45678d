"""`reviewmill replay JOB --version V`: what another version of the model says of a past CSV job."""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from cloud.connect import open_objects, require_reachable
from cloud.objects import CloudSetupError, ContentConflict, Objects, TransientError
from cloud.signatures import open_verifier
from schemas.errors import InvalidInput
from schemas.replays import ReplaySummary
from worker.csv_job import JobPlaces
from worker.kernel_cache import KernelCache
from worker.kernel_folder import default_folder
from worker.models import ModelStore
from worker.replay import ReplayRules, replay_job
from worker.settings import InvalidSettings, Settings, load_settings

_JOB = re.compile(r"(?:.*/jobs/)?([a-z0-9][a-z0-9-]*-[0-9a-f]{16})(?:/.*)?")
_SHOWN = 20
_TELL_EVERY_S = 5.0
_KERNEL_WAIT_S = 60.0
"""For the compiled kernel: a job that is worth a replay is slow without it."""


def main(argv: list[str]) -> int:
    """Replay a job; 0 done, 1 when it could not be finished, 2 for what cannot be replayed."""
    options = _parser().parse_args(argv)
    try:
        return _run(options, load_settings(os.environ))
    except InvalidInput as error:
        print(f"reviewmill replay: {options.job}: {error.reason}", file=sys.stderr)
        return 2
    except (InvalidSettings, CloudSetupError, ValueError) as error:
        print(f"reviewmill replay: {error}", file=sys.stderr)
        return 2
    except (TransientError, ContentConflict) as error:
        print(f"reviewmill replay: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="reviewmill replay",
        description=(
            "Score a past CSV job again with another version of its model, show which labels change, and store every "
            "changed row under jobs/<id>/replays/<version>/ in the results bucket. The job itself stays as it is. "
            "The upload must still be there. Exit status: 0 done; 1 it could not be finished now; 2 it cannot be done."
        ),
        epilog=(
            "examples:\n"
            "  reviewmill replay reviews-0123456789abcdef --version v7\n"
            "  reviewmill replay gs://reviewmill-results/jobs/reviews-0123456789abcdef/manifest.json"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("job", metavar="JOB", help="id of the job ('reviewmill jobs' lists them), or its gs:// URI")
    parser.add_argument("--version", metavar="VERSION", help="version to compare with (default: the current one)")
    return parser


def _run(options: argparse.Namespace, settings: Settings) -> int:
    match = _JOB.fullmatch(options.job)
    if match is None:
        raise InvalidInput("invalid_job", "This is no job's id. 'reviewmill jobs' lists the jobs.")
    with (
        _bucket(settings.uploads, settings) as uploads,
        _bucket(settings.results, settings) as results,
        _bucket(settings.models, settings) as models,
        closing(KernelCache(default_folder(os.environ))) as kernel,
    ):
        kernel.wait(_KERNEL_WAIT_S)
        store = ModelStore(
            models,
            check_every_s=settings.model_check_s,
            now=time.monotonic,
            kernel=kernel,
            signatures=open_verifier(settings.model_public_key),
        )
        rules = ReplayRules(threads=settings.threads or os.cpu_count() or 1, progress=_Teller())
        summary = replay_job(match[1], options.version, JobPlaces(uploads, results, store), rules)
        _show(summary, results.uri.rstrip("/"))
    return 0


@contextmanager
def _bucket(uri: str, settings: Settings) -> Iterator[Objects]:
    if uri.startswith("gs://"):
        require_reachable(os.environ, "storage")
    objects = open_objects(uri, timeout_s=settings.storage_timeout_s)
    try:
        yield objects
    finally:
        objects.close()


class _Teller:
    """Says on stderr, every few seconds, how far the replay is."""

    def __init__(self) -> None:
        self._next = time.monotonic() + _TELL_EVERY_S

    def __call__(self, rows: int, of: int) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _TELL_EVERY_S
            print(f"replaying: {rows:,} of {of:,} rows", file=sys.stderr, flush=True)


def _show(summary: ReplaySummary, results: str) -> None:
    share = 100 * summary.changed / summary.rows if summary.rows else 0.0
    print(f"job       {summary.job}")
    print(f"model     {summary.model}: {summary.before} → {summary.after}")
    print(f"rows      {summary.rows:,}, of which {summary.changed:,} have another label ({share:.2f} %)")
    for change in summary.changes[:_SHOWN]:
        print(f"{change.rows:>12,}  {_printable(change.before)} → {_printable(change.after)}")
    if len(summary.changes) > _SHOWN:
        print(f"              and {len(summary.changes) - _SHOWN:,} more kinds of change")
    for stored in summary.objects:
        print(f"changes   {results}/{stored.name}")


def _printable(label: str | None) -> str:
    """Return a label as it may be shown on a terminal."""
    if label is None:
        return "(not scored)"
    return "".join(character if character.isprintable() else " " for character in label)
