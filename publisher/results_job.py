"""`reviewmill results job JOB_OR_URI`: the results of one CSV job."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator

from publisher.console import DONE, NOT_DONE, NotDone, finish, say
from publisher.doors import open_bucket
from publisher.formats import REJECTION_COLUMNS, Row, field_names, rows_as_mappings, show_rows
from publisher.options import add_showing, add_wait, new_parser
from publisher.results_replay import replay_option, show_replay
from publisher.stored_jobs import StoredJob, which_job
from publisher.wait_job import the_job_goes_on, wait_for_job
from schemas.jobs import JobManifest, JobSpec
from schemas.outcomes import Rejection
from worker.core.csv_header import column_index
from worker.core.output_lines import RESULT_COLUMNS
from worker.core.output_options import kept_columns
from worker.settings import Settings, load_settings

PROG = "reviewmill results job"

_ROW, _, _PROBABILITY, _, _ = range(-len(RESULT_COLUMNS), 0)
"""Where the job's own columns stand in a record of predictions."""


def _parser() -> argparse.ArgumentParser:
    parser = new_parser(
        PROG,
        "Show the predictions of a CSV job, or with --rejections the rows that were not scored and why.\n"
        "With --replay VERSION: the rows that another version labels otherwise, once 'reviewmill replay' was run.\n"
        "Only a job whose manifest is written is read; --wait shows how far it is and waits for that.",
        [f"{PROG} reviews-0123456789abcdef", f"{PROG} gs://reviewmill-uploads/reviews.csv --format csv > scored.csv"],
    )
    parser.add_argument("job", metavar="JOB_OR_URI", help="id of the job, or gs:// URI of the upload or of the job")
    add_showing(parser)
    parser.add_argument(
        "--replay",
        metavar="VERSION",
        type=replay_option,
        help="show instead which labels 'reviewmill replay' with this version changed; MODEL@VERSION of another model",
    )
    add_wait(parser, "the job is done", 600)
    return parser


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = _parser()
    options = parser.parse_args(argv)
    if options.replay is not None and options.rejections:
        parser.error("--replay and --rejections show different rows: give one of them")
    return finish(PROG, lambda: _run(options, load_settings(os.environ)))


def _run(options: argparse.Namespace, settings: Settings) -> int:
    with open_bucket(settings.results, settings) as results:
        job = StoredJob(results, which_job(options.job, settings))
        if options.replay is not None:
            return show_replay(job, options.replay, style=options.format, limit=options.limit)
        if options.wait is None:
            manifest = finished(job)
        else:
            with the_job_goes_on(job.job):
                manifest = wait_for_job(job, seconds=options.wait)
        if options.rejections:
            show_rows(
                rows_as_mappings(job.rejections()),
                style=options.format,
                columns=field_names(Rejection),
                table_columns=("row", "line", *REJECTION_COLUMNS),
                limit=options.limit,
            )
        elif options.limit is None and job.predictions_name().endswith(f".{options.format}"):
            _copy(job)
        else:
            _show_predictions(job, options)
    return _status(job, manifest)


def finished(job: StoredJob) -> JobManifest:
    """Return the job's manifest; raises NotDone when there is none."""
    manifest = job.manifest()
    if manifest is not None:
        return manifest
    if job.spec() is None:
        raise NotDone(f"There is no job {job.job}, or no worker has begun it. Is a worker running?")
    raise NotDone(
        f"The job {job.job} has no manifest: it is not done. See that a worker is running, and wait with: reviewmill "
        f"results job {job.job} --wait"
    )


def _copy(job: StoredJob) -> None:
    """Print the predictions as they are stored."""
    sys.stdout.flush()
    for chunk in job.chunks(job.predictions_name()):
        sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()


def _show_predictions(job: StoredJob, options: argparse.Namespace) -> None:
    records = job.predictions()
    header = next(records, None)
    if header is None:
        return
    show_rows(
        # A CSV repeats the cells as they are stored.
        _texts(header, records) if options.format == "csv" else _values(header, records),
        style=options.format,
        columns=header,
        # The job's own columns come last; a name that the upload has itself is longer there.
        table_columns=[*_id_column(job.spec(), header), *header[-len(RESULT_COLUMNS) :]],
        limit=options.limit,
    )


def _texts(header: list[str], records: Iterator[list[str]]) -> Iterator[Row]:
    for record in records:
        yield dict(zip(header, record, strict=True))


def _values(header: list[str], records: Iterator[list[str]]) -> Iterator[Row]:
    """Yield rows whose number and probability are numbers, whatever format they are stored in."""
    row_name, probability_name = header[_ROW], header[_PROBABILITY]
    for texts in _texts(header, records):
        probability = texts[probability_name]
        yield {**texts, row_name: int(texts[row_name]), probability_name: float(probability) if probability else None}


def _id_column(spec: JobSpec | None, header: list[str]) -> list[str]:
    """Return the name that the rows' ids have in the predictions, where the job has ids and they are repeated there."""
    if spec is None:
        return []
    columns, name = spec.header.columns, spec.dialect.id_column
    if name is not None:
        place = column_index(name, "id", columns, spec.dialect)
    elif spec.dialect.format == "jsonl" and "id" in columns:
        place = columns.index("id")
    else:
        return []
    kept = kept_columns(spec.output, spec.header)
    return [header[kept.index(place)]] if place in kept else []


def _status(job: StoredJob, manifest: JobManifest) -> int:
    if manifest.state == "done":
        return DONE
    came_to = "these are the rows it had come to." if manifest.counts.rows else "no row was scored."
    say(f"The job {job.job} has failed; {came_to} {manifest.reason or 'No reason is given.'}")
    return NOT_DONE
