"""`reviewmill verify JOB|RECEIPT`: proves from the stored objects alone that every row is accounted for."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from publisher.console import DONE, NOT_DONE, Unusable, finish, say
from publisher.doors import open_bucket
from publisher.options import new_parser
from publisher.receipts import read_receipt
from publisher.report import print_account
from publisher.stored_jobs import which_job
from publisher.stored_reviews import StoredReviews
from publisher.verify_job import verify_job
from worker.core.ledger import Account
from worker.core.ledger_messages import ReceiptLedger
from worker.settings import Settings, load_settings

PROG = "reviewmill verify"


def _parser() -> argparse.ArgumentParser:
    parser = new_parser(
        PROG,
        "Recount what was sent against what is stored.\n\n"
        "For a CSV job: the rows of the upload, read again, against predictions.csv and rejections.jsonl, and both\n"
        "against the manifest. For messages: the receipt that 'reviewmill publish reviews' wrote, against the stored\n"
        "predictions and rejections. No worker is asked.\n\n"
        "Prints how many rows were read, predicted, rejected, are missing, are doubled (have two different outcomes),\n"
        "and how many stored outcomes are unexpected. Exits 0 only if the last three are zero and the manifest says\n"
        "the same; also for a job that failed, whose reason is shown then.",
        [f"{PROG} reviews-0123456789abcdef", f"{PROG} reviews.p20260301T101500Zabc123.receipt.jsonl"],
    )
    parser.add_argument(
        "subject", metavar="JOB|RECEIPT", help="receipt file, id of a job, or gs:// URI of an upload or a job"
    )
    return parser


def main(argv: list[str]) -> int:
    """Run the command."""
    options = _parser().parse_args(argv)
    return finish(PROG, lambda: _run(options.subject, load_settings(os.environ)))


def _run(subject: str, settings: Settings) -> int:
    if subject.startswith("gs://") or not _is_file(subject):
        return _verify_job(subject, settings)
    account = verify_receipt(Path(subject), settings)
    print_account(account, results=["reviews", "--receipt", subject])
    return _verdict(balanced=account.balanced)


def _is_file(subject: str) -> bool:
    try:
        return Path(subject).is_file()
    except OSError:  # longer than any file's name, for one
        return False


def verify_receipt(path: Path, settings: Settings) -> Account:
    """Return the account of a receipt file; raises Unusable where it is none."""
    ledger = ReceiptLedger(read_receipt(path))
    with open_bucket(settings.results, settings) as results:
        for where, outcome in StoredReviews(results).fresh(ledger.partitions):
            ledger.add(where, outcome)
    return ledger.account()


def _verify_job(subject: str, settings: Settings) -> int:
    if subject.endswith(".jsonl"):
        raise Unusable(f"There is no receipt file {subject}. Name one that is there, or a job.")
    job = _which_job(subject, settings)
    recount = verify_job(job, settings)
    print_account(recount.account, results=["job", job])
    for fault in recount.faults:
        say(f"  {fault}")
    balanced = recount.account.balanced and not recount.faults
    if recount.failure is not None and not balanced:
        say(f"  The job has failed: {recount.failure}")
    return _verdict(balanced=balanced, failure=recount.failure)


def _which_job(subject: str, settings: Settings) -> str:
    try:
        return which_job(subject, settings)
    except Unusable as error:
        said = str(error)
        joined = said[:1].lower() + said[1:] if said.startswith("There ") else said
        raise Unusable(f"There is no file of that name, and {joined}") from None


def _verdict(*, balanced: bool, failure: str | None = None) -> int:
    if not balanced:
        said = "NOT verified: see above"
    elif failure is None:
        said = "verified: every row is accounted for"
    else:
        said = f"verified: every row that it came to is accounted for; the job failed: {failure}"
    print(said, flush=True)
    return DONE if balanced else NOT_DONE
