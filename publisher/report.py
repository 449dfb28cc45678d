"""Prints accounts: the six counts, and which rows are at fault."""

from __future__ import annotations

from publisher.console import say
from worker.core.ledger import Account

_COUNTS = ("read", "predicted", "rejected", "missing", "doubled", "unexpected")


def print_account(account: Account) -> None:
    """Print the counts on stdout, one a line, and the findings on stderr."""
    for name in _COUNTS:
        print(f"{name:<11}{getattr(account, name):>12,}")
    for finding in account.findings:
        say(f"  {finding.fault}: {finding.key}: {finding.detail}")
    named = len(account.findings)
    faults = account.missing + account.doubled + account.unexpected
    if faults > named:
        say(f"  … and {faults - named:,} more")
