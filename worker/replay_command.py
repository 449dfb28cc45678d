"""`reviewmill replay JOB --version V`: what another version of the model says of a past CSV job."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial

from cloud.connect import open_objects, require_reachable
from cloud.objects import CloudSetupError, ContentConflict, ObjectNotFound, Objects, TransientError
from cloud.signatures import open_verifier
from schemas.errors import InvalidInput
from schemas.names import canonical_model
from worker.core.named_job import job_of, named_job
from worker.csv_job import JobPlaces
from worker.kernel_cache import KernelCache
from worker.kernel_folder import default_folder
from worker.models import ModelStore
from worker.replay import NOT_DONE, ReplayRules, replay_job
from worker.replay_show import show_replay
from worker.settings import InvalidSettings, Settings, load_settings

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
        return 1 if error.code == NOT_DONE else 2
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
            "changed row under jobs/<id>/replays/<version>/ in the results bucket; 'reviewmill results job JOB "
            "--replay VERSION' shows them. The job itself stays as it is. "
            "The upload must still be there. Exit status: 0 done; 1 it could not be finished now; 2 it cannot be done."
        ),
        epilog=(
            "examples:\n"
            "  reviewmill replay reviews-0123456789abcdef --version v7\n"
            "  reviewmill replay gs://reviewmill-uploads/reviews.csv"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "job",
        metavar="JOB_OR_URI",
        help="id of the job ('reviewmill jobs' lists them), or gs:// URI of the upload or of the job",
    )
    parser.add_argument(
        "--model",
        metavar="MODEL",
        help="where rows name models: replay those of this one (default: the job's own, of rows that name none)",
    )
    parser.add_argument("--version", metavar="VERSION", help="version to compare with (default: the current one)")
    return parser


def _run(options: argparse.Namespace, settings: Settings) -> int:
    named = named_job(options.job, results=settings.results, uploads=settings.uploads)
    model = None if options.model is None else canonical_model(options.model)
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
        job = job_of(named, uploads.uri, partial(_generation, uploads))
        summary = replay_job(job, options.version, JobPlaces(uploads, results, store), rules, model=model)
        show_replay(summary, results)
    return 0


def _generation(uploads: Objects, name: str) -> int | None:
    try:
        return uploads.info(name).generation
    except ObjectNotFound:
        return None


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
