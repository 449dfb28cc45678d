"""Prints accounts: what became of the lines that were published, and of the rows that were verified."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from publisher.console import say
from publisher.failures import FailuresFile
from publisher.run import Counts
from worker.core.id_conflicts import IdConflicts
from worker.core.ledger import Account

_COUNTS = ("read", "predicted", "rejected", "missing", "doubled", "unexpected")


def print_run(counts: Counts, receipt: Path, failures: FailuresFile) -> None:
    """Print the counts of one publishing run, and the files that it wrote."""
    sums = f"accepted {counts.accepted:,} + failed {counts.failed:,} + repeats {counts.repeats:,}"
    print(f"read {counts.read:,} = {sums}", flush=True)
    if counts.accepted:
        print(f"receipt  {receipt}", flush=True)
    for path in failures.written:
        print(f"failures {path}", flush=True)
    if counts.failed:
        print(f"reasons  {failures.faults_path}", flush=True)


def print_account(account: Account, *, results: Sequence[str]) -> None:
    """Print the counts on stdout, one a line, and the findings on stderr.

    `results` are the arguments of `reviewmill results` that show these rows.
    """
    for name in _COUNTS:
        print(f"{name:<11}{getattr(account, name):>12,}")
    if account.rejected:
        say_where_rejections_are(results)
    for finding in account.findings:
        say(f"  {finding.fault}: {finding.key}: {finding.detail}")
    named = len(account.findings)
    faults = account.missing + account.doubled + account.unexpected
    if faults > named:
        say(f"  … and {faults - named:,} more")


def say_where_rejections_are(results: Sequence[str]) -> None:
    """Print the command that shows why rows were rejected."""
    say(f"Why some were rejected: {shlex.join(['reviewmill', 'results', *results, '--rejections'])}")


def say_id_conflicts(conflicts: IdConflicts | None) -> None:
    """Say which ids stand for several texts, if any do."""
    if conflicts is not None:
        say(f"note: {conflicts.sentence()}. Results are kept by row: tell them apart by row, not by id.")
