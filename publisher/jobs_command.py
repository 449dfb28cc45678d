"""`reviewmill jobs`: lists CSV jobs with how they stand."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from itertools import islice

from publisher.console import DONE, finish, say
from publisher.doors import open_bucket
from publisher.formats import FORMATS, Row, show_rows
from publisher.job_list import STATES, JobState, find_jobs, job_states
from publisher.options import at_least_one, new_parser
from worker.core.report_summary import lasted
from worker.settings import Settings, load_settings

PROG = "reviewmill jobs"
_TABLE_COLUMNS = ("job", "state", "rows", "rejections", "begun", "duration", "reason")
_REASON_CHARS = 60


def _parser() -> argparse.ArgumentParser:
    parser = new_parser(
        PROG,
        "List the CSV jobs in the results bucket, the newest first: state, rows, rejections and duration.\n"
        "A job is running while it has no manifest, whether a worker is at it or not; it is done or failed afterwards.",
        [PROG, f"{PROG} --state failed --format jsonl"],
    )
    parser.add_argument("--state", choices=STATES, help="only jobs in this state")
    parser.add_argument("--limit", metavar="N", type=at_least_one, default=20, help="at most so many (default: 20)")
    parser.add_argument("--format", choices=FORMATS, default="table", help="default: table")
    return parser


def main(argv: list[str]) -> int:
    """Run the command."""
    options = _parser().parse_args(argv)
    return finish(PROG, lambda: _run(options, load_settings(os.environ)))


def _run(options: argparse.Namespace, settings: Settings) -> int:
    with open_bucket(settings.results, settings) as results:
        found = find_jobs(results)
        # Whether a job has ended shows in the listing, so that the others need not be read.
        if options.state is not None:
            found = [one for one in found if (one.ended is None) == (options.state == "running")]
        states = job_states(results, found, now=time.time())
        wanted = (state for state in states if options.state in {None, state.state})
        shown = list(islice(wanted, options.limit))
        more = next(wanted, None) is not None
    show_rows(
        _rows(shown, table=options.format == "table"),
        style=options.format,
        columns=list(JobState.__slots__),
        table_columns=_TABLE_COLUMNS,
        limit=None if options.format != "table" else options.limit,
    )
    if more:
        say(f"There are more than {options.limit:,}; --limit shows more.")
    if not shown:
        say("There are no such jobs. 'reviewmill publish csv FILE' begins one.")
    return DONE


def _rows(states: list[JobState], *, table: bool) -> Iterator[Row]:
    for state in states:
        row = state.as_row()
        if table:
            row["duration"] = lasted(state.duration_s)
            row["rows"], row["rejections"] = f"{state.rows:,}", f"{state.rejections:,}"
            row["reason"] = _beginning(state.reason or "")
        yield row


def _beginning(reason: str) -> str:
    """Return what a table has room for, with a mark where there is more."""
    return reason if len(reason) <= _REASON_CHARS else f"{reason[: _REASON_CHARS - 1].rstrip()}…"
