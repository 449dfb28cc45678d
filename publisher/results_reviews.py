"""`reviewmill results reviews`: outcomes of review messages, each key once a partition."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cloud.objects import Objects
from publisher.console import DONE, Unusable, finish, say
from publisher.doors import open_bucket
from publisher.formats import (
    PREDICTION_COLUMNS,
    REJECTION_COLUMNS,
    field_names,
    rows_as_mappings,
    show_rows,
)
from publisher.options import add_showing, new_parser
from publisher.receipts import read_receipt
from publisher.stored_reviews import StoredReviews
from publisher.when import days_between, point_in_time
from schemas.outcomes import Prediction, Receipt, Rejection
from worker.core.naming import parse_time, partition
from worker.core.pack import Kind
from worker.core.reading import Outcome, deduplicate
from worker.settings import Settings, load_settings

PROG = "reviewmill results reviews"
_MOST_DAYS = 100
"""Beyond this many days the whole bucket is listed once instead of every day."""
_LATE = timedelta(hours=1)
"""A review can wait in the publisher's queue past the end of the hour that names its partition."""


def _parser() -> argparse.ArgumentParser:
    parser = new_parser(
        PROG,
        "Show what became of published reviews: predictions, or with --rejections why reviews were not scored.\n"
        "A review that was stored more than once is shown once. Times are those of publishing, in UTC.",
        [f"{PROG} --since 15m", f"{PROG} --receipt reviews.p20260301T101500Zabc123.receipt.jsonl --format csv"],
    )
    parser.add_argument(
        "--since", metavar="TIME", help="from this time, or this long ago (90s, 15m, 2h, 7d); 24h if not given"
    )
    parser.add_argument("--until", metavar="TIME", help="before this time; now when not given")
    parser.add_argument("--id", metavar="ID", action="extend", nargs="+", help="only reviews with these ids")
    parser.add_argument("--receipt", metavar="FILE", type=Path, help="only reviews of this receipt")
    add_showing(parser)
    return parser


def main(argv: list[str]) -> int:
    """Run the command."""
    options = _parser().parse_args(argv)
    return finish(PROG, lambda: _run(options, load_settings(os.environ)))


def _run(options: argparse.Namespace, settings: Settings) -> int:
    kind: Kind = "rejections" if options.rejections else "reviews"
    receipt = None if options.receipt is None else list(read_receipt(options.receipt))
    with open_bucket(settings.results, settings) as results:
        partitions = _partitions(options, receipt, results, kind)
        asked_for = _asked_for(options, receipt)
        rows = filter(_in_window(options, receipt), read_once(StoredReviews(results), partitions, kind, asked_for))
        shown = show_rows(
            rows_as_mappings(rows),
            style=options.format,
            columns=field_names(Rejection if options.rejections else Prediction),
            table_columns=REJECTION_COLUMNS if options.rejections else PREDICTION_COLUMNS,
            limit=options.limit,
        )
    if not shown:
        other = (
            "predictions, without --rejections" if options.rejections else "reviews that were not scored, --rejections"
        )
        say(f"There are none. To see {other}; to look further back than a day, --since.")
    return DONE


def _window(options: argparse.Namespace) -> tuple[datetime, datetime]:
    now = datetime.now(UTC)
    since = point_in_time(options.since or "24h", now=now)
    until = point_in_time(options.until, now=now) if options.until else datetime.max.replace(tzinfo=UTC)
    if since >= until:
        raise Unusable(f"--since {options.since} is not before --until {options.until}. Exchange them.")
    return since, until


def _partitions(options: argparse.Namespace, receipt: list[Receipt] | None, results: Objects, kind: Kind) -> list[str]:
    """Return the partitions that can hold what is asked for."""
    if receipt is not None:
        return sorted({partition(line.enqueued_at, "") for line in receipt})
    since, until = _window(options)
    begin = max(since, datetime.min.replace(tzinfo=UTC) + _LATE) - _LATE
    end = min(until, datetime.now(UTC) + _LATE)
    exist = StoredReviews(results).partitions(days_between(begin, end, most=_MOST_DAYS), kind)
    first, last = partition(f"{begin:%Y-%m-%dT%H:%M:%SZ}", ""), partition(f"{end:%Y-%m-%dT%H:%M:%SZ}", "")
    return [where for where in exist if first <= where <= last]


def _asked_for(options: argparse.Namespace, receipt: list[Receipt] | None) -> Callable[[str], bool]:
    """Return the test that a row's key must pass."""
    ids = None if options.id is None else set(options.id)
    sent = None if receipt is None else {line.id for line in receipt} | {f"m:{line.message_id}" for line in receipt}
    return lambda key: (ids is None or key in ids) and (sent is None or key in sent)


def _in_window(options: argparse.Namespace, receipt: list[Receipt] | None) -> Callable[[Outcome], bool]:
    """Return the test that a row's time of publishing must pass; a receipt alone asks for no time."""
    if receipt is not None and not options.since and not options.until:
        return lambda _row: True
    since, until = _window(options)

    def wanted(row: Outcome) -> bool:
        published = parse_time(row.publish_time or "")
        return published is None or since <= published < until

    return wanted


def read_once(
    stored: StoredReviews, partitions: Iterable[str], kind: Kind, asked_for: Callable[[str], bool]
) -> Iterator[Outcome]:
    """Yield each key that is asked for once a partition, and tell its conflicts on stderr.

    Holds the rows of one partition that are asked for in memory.
    """
    for where in partitions:
        outcomes = (outcome for _, outcome in stored.fresh([where], [kind]))
        reading = deduplicate(outcome for outcome in outcomes if asked_for(outcome.key))
        for conflict in reading.conflicts:
            say(
                f"conflict in {where}: {len(conflict.digests)} different texts have the id {conflict.key}; one is shown"
            )
        yield from reading.rows
