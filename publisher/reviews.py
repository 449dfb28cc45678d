"""`reviewmill publish reviews FILE|-`."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from publisher.console import DONE, NOT_DONE, Unusable, finish, say
from publisher.doors import open_bucket, open_reviews_topic
from publisher.failures import FailuresFile
from publisher.options import (
    add_dialect,
    add_model,
    add_wait,
    dialect_arguments,
    dialect_of,
    known_model,
    new_parser,
    positive,
    suffix_of,
)
from publisher.progress import Progress
from publisher.receipts import ReceiptFile, new_receipt_id, read_receipt
from publisher.report import print_account, print_run
from publisher.run import Counts, Run
from publisher.sources import Entry, csv_rows, json_lines
from publisher.wait_reviews import wait_for_reviews
from worker.settings import Settings, load_settings

PROG = "reviewmill publish reviews"
_CSV_SUFFIXES = {".csv", ".tsv", ".tab"}


def _parser() -> argparse.ArgumentParser:
    parser = new_parser(
        PROG,
        "Publish a file of reviews, one message each.\n\n"
        'JSON Lines: one object a line, {"text": "…", "id": "…", "model": "…", "version": "…"}; all but text may be\n'
        "left out. CSV: a column of texts; columns named id, model and version are used where they are there.\n\n"
        "What Pub/Sub accepted is written to a receipt, which 'reviewmill verify' holds the results against. What\n"
        "could not be published is written to a failures file that is input for this command again; rows of a CSV\n"
        "that could not be read to a CSV of their own, as they stand. Exits 1 on any failure.",
        [f"{PROG} reviews.jsonl --wait", f"head -100 reviews.csv | {PROG} - --format csv --model linear_svc"],
    )
    parser.add_argument("file", metavar="FILE", help="the file, or - for standard input")
    add_model(parser)
    parser.add_argument("--format", choices=("jsonl", "csv"), help="by the file's suffix when not given, else jsonl")
    parser.add_argument(
        "--receipt",
        metavar="FILE",
        type=Path,
        help="receipt to write, or to continue (default: FILE's stem, the run's id and .receipt.jsonl, in this folder)",
    )
    parser.add_argument("--failures", metavar="FILE", type=Path, help="failures file (default: named like the receipt)")
    add_wait(parser, "every outcome is stored", 120)
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=positive,
        default=60.0,
        help="how long Pub/Sub may take to accept a message (default: 60)",
    )
    add_dialect(parser)
    return parser


def main(argv: list[str]) -> int:
    """Run the command."""
    options = _parser().parse_args(argv)
    return finish(PROG, lambda: _run(options, load_settings(os.environ)))


@dataclass(frozen=True, slots=True)
class _Paths:
    receipt: Path
    failures: Path


def _run(options: argparse.Namespace, settings: Settings) -> int:
    receipt = new_receipt_id(datetime.now(UTC))
    paths = _paths(options, receipt)
    model = known_model(options.model)
    with (
        _opened(options.file) as stream,
        ReceiptFile(paths.receipt) as receipts,
        _failures_file(paths.failures, options) as failures,
        open_reviews_topic(settings) as topic,
    ):
        run = Run(
            topic,
            receipt,
            model=model,
            version=options.version,
            receipts=receipts,
            failures=failures,
            timeout_s=options.timeout,
        )
        try:
            _publish(run, options, stream)
        finally:
            print_run(run.counts, paths.receipt, failures)
            if failures.written:
                _say_how_to_feed_again(paths.receipt, failures, options)
    if options.wait is None or not run.counts.accepted:
        return NOT_DONE if run.counts.failed else DONE
    balanced = _wait(settings, paths.receipt, options.wait)
    return DONE if balanced and not run.counts.failed else NOT_DONE


def _paths(options: argparse.Namespace, receipt: str) -> _Paths:
    stem = "stdin" if options.file == "-" else Path(options.file).stem
    failures = options.failures or Path(f"{stem}.{receipt}.failures.jsonl")
    made = _failures_file(failures, options)
    for path in (made.path, made.rows_path, made.faults_path):
        if path.exists():
            raise Unusable(f"{path} exists already. Name another file with --failures, so that nothing is overwritten.")
    paths = _Paths(options.receipt or Path(f"{stem}.{receipt}.receipt.jsonl"), failures)
    _require_writable(paths.receipt, "--receipt")
    _require_writable(paths.failures, "--failures")
    return paths


def _is_csv(options: argparse.Namespace) -> bool:
    style = options.format or ("csv" if suffix_of(options.file) in _CSV_SUFFIXES else "jsonl")
    return bool(style == "csv")


def _failures_file(path: Path, options: argparse.Namespace) -> FailuresFile:
    if not _is_csv(options):
        return FailuresFile(path)
    suffix = suffix_of(options.file)
    # The suffix says how a file is read, so rows that are fed again need the one of theirs.
    return FailuresFile(path, rows_suffix=suffix if suffix in _CSV_SUFFIXES else ".csv", unit="row")


def _require_writable(path: Path, option: str) -> None:
    """Raise Unusable before anything is published that could then not be accounted for."""
    new = not path.exists()
    try:
        path.open("ab").close()
        if new:
            path.unlink()
    except OSError as error:
        raise Unusable(f"{path} cannot be written: {error.strerror}. Name another file with {option}.") from None


@contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    if name == "-":
        yield sys.stdin.buffer
        return
    with ExitStack() as stack:
        try:
            stream = stack.enter_context(Path(name).open("rb"))
        except OSError as error:
            raise Unusable(f"{name} cannot be read: {error.strerror}. Name a file, or - for standard input.") from None
        yield stream


def _entries(options: argparse.Namespace, stream: BinaryIO) -> Iterator[Entry]:
    return csv_rows(stream, dialect_of(options, suffix_of(options.file))) if _is_csv(options) else json_lines(stream)


def _publish(run: Run, options: argparse.Namespace, stream: BinaryIO) -> None:
    size = os.fstat(stream.fileno()).st_size if options.file != "-" else None
    with Progress("publishing", size or None) as progress:

        def tell(counts: Counts) -> None:
            done = 0 if size is None else stream.tell()
            progress.show(done, f"{counts.read:,} read, {counts.accepted:,} accepted, {counts.failed:,} failed")

        run.publish(_entries(options, stream), tell)


def _say_how_to_feed_again(receipt: Path, failures: FailuresFile, options: argparse.Namespace) -> None:
    say("When mended, feed them again:")
    asked = [
        word for name in ("model", "version") if (value := getattr(options, name)) for word in (f"--{name}", value)
    ]
    for path in failures.written:
        reading = dialect_arguments(options) if path == failures.rows_path else []
        say(f"  {shlex.join([*PROG.split(), str(path), '--receipt', str(receipt), *asked, *reading])}")


def _wait(settings: Settings, receipt: Path, seconds: float) -> bool:
    """Wait for every line of the receipt, print its account, and say whether it is balanced."""
    with open_bucket(settings.results, settings) as results:
        account = wait_for_reviews(results, read_receipt(receipt), seconds=seconds).account()
    print_account(account, results=["reviews", "--receipt", str(receipt)])
    if account.missing:
        say(f"Some have no outcome after {seconds:g} s. Look again later with: reviewmill verify {receipt}")
    return account.balanced
