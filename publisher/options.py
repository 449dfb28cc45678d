"""Command line options that several commands share."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from publisher.console import Unusable
from publisher.formats import FORMATS
from schemas.errors import InvalidInput
from schemas.jobs import Dialect
from schemas.names import MODEL_NAMES, VERSION_NAME, canonical_model
from worker.core.csv_dialect import is_utf_16
from worker.core.rejection_limit import rejection_limit

_TAB_SUFFIXES = {".tsv", ".tab"}
_TAB_NAMES = {"tab", "\\t", "\t"}


def new_parser(prog: str, description: str, examples: Sequence[str]) -> argparse.ArgumentParser:
    """Return a parser whose help ends with examples."""
    return argparse.ArgumentParser(
        prog=prog,
        description=description,
        epilog="examples:\n" + "\n".join(f"  {example}" for example in examples),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def add_model(parser: argparse._ActionsContainer) -> None:
    """Add --model and --version."""
    parser.add_argument(
        "--model",
        metavar="MODEL",
        help=f"classifier: {', '.join(MODEL_NAMES)}, or its scikit-learn name; the first when not given",
    )
    parser.add_argument(
        "--version",
        metavar="VERSION",
        type=version_name,
        help="version of the model; the current one when not given",
    )


def known_model(name: str | None) -> str | None:
    """Return the stored name of the model that an option names; raises Unusable for an unknown one."""
    if name is None:
        return None
    try:
        return canonical_model(name)
    except InvalidInput as error:
        raise Unusable(f"--model {name}: {error.reason}") from None


def add_wait(parser: argparse._ActionsContainer, what: str, seconds: float) -> None:
    """Add --wait [SECONDS]."""
    parser.add_argument(
        "--wait",
        metavar="SECONDS",
        nargs="?",
        type=_seconds_to_wait,
        const=seconds,
        help=f"wait until {what}, for {seconds:g} s when no time is given",
    )


def add_dialect(parser: argparse.ArgumentParser) -> None:
    """Add how a CSV is to be read."""
    group = parser.add_argument_group("how a CSV is read")
    group.add_argument(
        "--text-column", metavar="NAME", help="column of the texts: text when not given; its number with --no-header"
    )
    group.add_argument("--id-column", metavar="NAME", help="column of the rows' ids")
    group.add_argument("--delimiter", metavar="CHAR", help="a comma when not given, for .tsv files a TAB (write: tab)")
    group.add_argument(
        "--quote", metavar="CHAR", help='a double quote when not given; "none", as for .tsv files: quotes are text'
    )
    group.add_argument("--no-header", action="store_true", help="the first line is a row and names no columns")
    group.add_argument("--encoding", metavar="NAME", help="character encoding: utf-8 when not given")


def dialect_metadata(options: argparse.Namespace) -> dict[str, str]:
    """Return what the options say of the CSV, in the keys of an uploaded file's metadata."""
    said = {
        "text-column": options.text_column,
        "id-column": options.id_column,
        "delimiter": options.delimiter,
        "quote": options.quote,
        "header": "false" if options.no_header else None,
        "encoding": options.encoding,
    }
    return {key: value for key, value in said.items() if value is not None}


def dialect_arguments(options: argparse.Namespace) -> list[str]:
    """Return the arguments that say how rows given back out of a CSV are to be read; those out of UTF-16 are UTF-8."""
    said = dialect_metadata(options)
    if is_utf_16(said.get("encoding", "")):
        del said["encoding"]
    without_header = said.pop("header", None) is not None
    return [word for key, value in said.items() for word in (f"--{key}", value)] + ["--no-header"] * without_header


def dialect_of(options: argparse.Namespace, suffix: str) -> Dialect:
    """Return how a local file with this suffix is read: as an uploaded one by worker/core/job_options.py."""
    tabs = suffix.lower() in _TAB_SUFFIXES
    delimiter = options.delimiter or ("\t" if tabs else ",")
    quote = options.quote or ("none" if tabs else '"')
    return Dialect(
        delimiter="\t" if delimiter.lower() in _TAB_NAMES else delimiter,
        text_column=options.text_column or "text",
        id_column=options.id_column,
        encoding=options.encoding or "utf-8",
        quote=None if quote.lower() == "none" else quote,
        header=not options.no_header,
    )


def add_showing(parser: argparse.ArgumentParser) -> None:
    """Add what results are shown, and how."""
    parser.add_argument("--rejections", action="store_true", help="show rejections instead of predictions")
    parser.add_argument("--format", choices=FORMATS, default="table", help="default: table")
    parser.add_argument("--limit", metavar="N", type=at_least_one, help="show at most so many rows")


def positive(text: str) -> float:
    """Read a positive number of seconds, for argparse."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return number


def _seconds_to_wait(text: str) -> float:
    """Read the value of --wait, which takes whatever stands behind it: also what was meant for the command."""
    try:
        return positive(text)
    except argparse.ArgumentTypeError as error:
        hint = f"; put {text!r} before --wait, or write --wait=60, if it is no time"
        raise argparse.ArgumentTypeError(f"{error}{hint}") from None


def rejections(text: str) -> str:
    """Check a limit of rejections, for argparse, as the job's workers will."""
    try:
        rejection_limit(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} {error}") from None
    return text


def version_name(text: str) -> str:
    """Check a version's name, for argparse, as the job's workers will."""
    if not re.fullmatch(VERSION_NAME, text):
        raise argparse.ArgumentTypeError(
            f"{text[:80]!r} cannot be a version: those are up to 64 of A-Z, a-z, 0-9, '.', '_' and '-'"
        )
    return text


def at_least_one(text: str) -> int:
    """Read a whole number from 1 on, for argparse."""
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def suffix_of(name: str) -> str:
    """Return the suffix of a file that an argument names; none for standard input."""
    return "" if name == "-" else Path(name).suffix.lower()
