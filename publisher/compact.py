"""`reviewmill compact`: seals hours of results, so that a reader finds few objects instead of many."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from cloud.objects import ContentConflict, Objects, TransientError
from publisher.compact_run import Compactor, Report, is_workers
from publisher.console import DONE, NOT_DONE, NotDone, Unusable, finish, say
from publisher.doors import open_bucket
from publisher.options import new_parser
from publisher.sealed import Partition, SealedReader
from publisher.stored_reviews import KINDS
from publisher.when import point_in_time
from worker.core.naming import parse_time, reviews_folder
from worker.settings import load_settings

PROG = "reviewmill compact"
UNDATED = "dt=unknown/hr=unknown"
_PARTITION = re.compile(r"dt=(\d{4}-\d\d-\d\d)/hr=(\d\d)", re.ASCII)


def _parser() -> argparse.ArgumentParser:
    parser = new_parser(
        PROG,
        "Seal the results of past hours: merge the many small objects that workers wrote into few, keep each outcome\n"
        "once, write a manifest, and delete the objects that the manifest lists.\n\n"
        "Readers see the same rows before, during and after. Rows that arrive later are sealed by a later run, as the\n"
        "hour's next sequence. Run it hourly, from one place or from several; a run that was killed is made good by\n"
        "the next. It needs to delete in the results bucket, which workers must not be able to.\n\n"
        "Exits 0 when those hours are sealed, 1 when something could not be read or done.",
        [PROG, f"{PROG} --dry-run --until 1d", f"{PROG} --partition dt=2026-03-01/hr=10 --keep"],
    )
    parser.add_argument(
        "--until",
        metavar="TIME",
        default="1h",
        help="hours that ended before this time, or this long ago (90s, 15m, 2h, 7d); default: 1h, for late workers",
    )
    parser.add_argument(
        "--partition", metavar="PARTITION", action="extend", nargs="+", help="only these, such as dt=2026-03-01/hr=10"
    )
    parser.add_argument("--keep", action="store_true", help="delete no worker's object; a run without --keep does")
    parser.add_argument("--dry-run", action="store_true", help="show what would be sealed, and change nothing")
    return parser


def main(argv: list[str]) -> int:
    """Run the command."""
    options = _parser().parse_args(argv)
    return finish(PROG, lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    settings = load_settings(os.environ)
    until = _until(options.until)
    named = None if options.partition is None else [_named(where, until) for where in options.partition]
    with open_bucket(settings.results, settings) as results:
        partitions = list(_partitions(results, named, until))
        if not partitions:
            say("There is nothing to seal. Hours that are not over stay as they are; see --until.")
        if options.dry_run:
            return _show_plan(results, partitions, keep=options.keep)
        compactor = Compactor(results, keep=options.keep)
        # A list: what hinders one hour must not keep the others from being sealed.
        done = [_compact(compactor, partition) for partition in partitions]
    return DONE if all(done) else NOT_DONE


def _until(text: str) -> datetime:
    """Return the end of the last hour that may be sealed; never later than now."""
    now = datetime.now(UTC)
    return min(point_in_time(text, now=now), now)


def _named(where: str, until: datetime) -> str:
    if where != UNDATED and _ended(where) is None:
        raise Unusable(
            f"--partition {where}: a partition is written dt=YYYY-MM-DD/hr=HH. Take it from an object's name."
        )
    if not _may_be_sealed(where, until) and where != UNDATED:
        raise Unusable(
            f"--partition {where}: the hour had not ended by {until:%Y-%m-%dT%H:%M:%SZ}. Wait, or see --until."
        )
    return where


def _ended(where: str) -> datetime | None:
    """Return when the hour of a partition ended; None for a partition without a time."""
    found = _PARTITION.fullmatch(where)
    moment = parse_time(f"{found[1]}T{found[2]}:00:00Z") if found else None
    try:
        return moment and moment + timedelta(hours=1)
    except OverflowError:
        return None


def _may_be_sealed(where: str, until: datetime) -> bool:
    ended = _ended(where)
    return ended is not None and ended <= until


def _partitions(results: Objects, named: list[str] | None, until: datetime) -> Iterator[Partition]:
    """Yield what is to be sealed: what was named, or each past hour that has objects of workers."""
    for kind in KINDS:
        root = reviews_folder(kind)
        found = {"/".join(info.name.removeprefix(root).split("/")[:2]) for info in results.listing(root)}
        wanted = {where for where in found if _may_be_sealed(where, until)} if named is None else set(named)
        yield from (Partition(kind, where) for where in sorted(wanted))


def _show_plan(results: Objects, partitions: list[Partition], *, keep: bool) -> int:
    reader = SealedReader(results)
    for partition in partitions:
        written = list(results.listing(partition.folder))
        sealed = reader.look(partition)
        waiting = [info for info in written if not sealed.holds(info) and is_workers(info)]
        delete = 0 if keep else len(waiting) + sum(map(sealed.holds, written))
        print(
            f"{partition}: would seal {len(waiting):,} objects of {sum(info.size for info in waiting):,} bytes after "
            f"{len(sealed.sequences):,} sealed sequences, and delete {delete:,}",
            flush=True,
        )
    return DONE


def _compact(compactor: Compactor, partition: Partition) -> bool:
    """Seal one partition and tell; False where something is left that should not be."""
    try:
        report = compactor.compact(partition)
    except (NotDone, TransientError, ContentConflict) as error:
        say(f"{partition}: {error}")
        return False
    _tell(partition, report)
    return not report.damaged


def _tell(partition: Partition, report: Report) -> None:
    for manifest in report.sealed:
        counts = manifest.counts
        print(
            f"{partition}: sequence {manifest.sequence} sealed, {len(manifest.sources):,} objects into "
            f"{len(manifest.objects):,}; rows read {counts.read:,} = kept {counts.rows:,} + repeats {counts.repeats:,}",
            flush=True,
        )
        if counts.conflicts:
            say(f"{partition}: conflicts, ids with different texts: {counts.conflicts:,}; all their rows are kept")
    if report.deleted or report.strays:
        print(f"{partition}: deleted {report.deleted:,} sealed objects, {report.strays:,} leftovers", flush=True)
    for reason in report.damaged.values():
        say(f"{partition}: left as it is. {reason}")
    for name in report.foreign:
        say(f"{partition}: {name} is not named as workers name objects; it is left as it is, and read.")
