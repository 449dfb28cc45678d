"""The options of `reviewmill publish csv`: what the workers of the job are told, in the metadata of the upload."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from publisher.options import add_model, add_wait, known_model, new_parser, rejections

PROG = "reviewmill publish csv"

_KEYS: Mapping[str, str] = {
    "version": "version",
    "model_column": "model-column",
    "format": "format",
    "delimiter": "delimiter",
    "quote": "quote",
    "encoding": "encoding",
    "text_column": "text-column",
    "id_column": "id-column",
    "output": "output",
    "columns": "columns",
    "formulas": "formulas",
    "max_rejections": "max-rejections",
}
"""Options that are told as they were given: their name here, and their key in the metadata."""


def upload_parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = new_parser(
        PROG,
        "Upload a file of reviews: CSV, TSV or JSON lines, also in gzip, or Parquet. A worker scores it as one job:\n"
        "predictions has every row with its label, rejections.jsonl every row that could not be scored and why,\n"
        "report.html what an analyst wants to see, manifest.json, written last, the counts.\n\n"
        "What is not said below is told by the file's name and its first bytes, here as in the worker; the file is\n"
        "looked at before it is uploaded. The same file with the same options is uploaded once; its job is named\n"
        "again.",
        [
            f"{PROG} reviews.csv --text-column review --wait",
            f"{PROG} reviews.tsv --no-header --text-column 2",
            f"{PROG} reviews.csv.gz --id-column id --columns id --output jsonl --max-rejections 0.01",
        ],
    )
    parser.add_argument("file", metavar="FILE", help="the file")
    _add_upload(parser.add_argument_group("uploading and waiting"))
    _add_models(parser.add_argument_group("which model"))
    _add_reading(parser.add_argument_group("how the file is read"))
    _add_output(parser.add_argument_group("what is written"))
    return parser


def _add_upload(group: argparse._ArgumentGroup) -> None:
    add_wait(group, "the job is done, and name ids that stand for several texts", 600)
    group.add_argument("--name", metavar="OBJECT", help="name to upload under; made from the content when not given")
    group.add_argument(
        "--no-check",
        action="store_true",
        help="upload without looking whether the file can be read and its model is there",
    )


def _add_models(group: argparse._ArgumentGroup) -> None:
    add_model(group)
    group.add_argument(
        "--model-column",
        metavar="NAME",
        help="column in which each row may name its model; rows that name none are scored by --model",
    )


def _add_reading(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--format",
        choices=("csv", "jsonl", "parquet"),
        help="by the file's name or first bytes when not given, else csv",
    )
    group.add_argument(
        "--text-column",
        metavar="NAME",
        help="column of the texts: text, review, comment … by the header when not given; its number with --no-header",
    )
    group.add_argument("--id-column", metavar="NAME", help="column of the rows' ids; none when not given")
    group.add_argument(
        "--delimiter",
        metavar="CHAR",
        help="by the header when not given: , ; | or a TAB (write: tab), as in .tsv files",
    )
    group.add_argument(
        "--quote", metavar="CHAR", help='a double quote when not given; "none", as for .tsv files: quotes are text'
    )
    group.add_argument("--no-header", action="store_true", help="the first line is a row and names no columns")
    group.add_argument(
        "--encoding", metavar="NAME", help="utf-8 when not given, or utf-16 by its mark; others must be said: cp1252"
    )


def _add_output(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--output", choices=("csv", "jsonl", "parquet"), help="format of the predictions: csv when not given"
    )
    group.add_argument(
        "--columns",
        metavar="NAMES",
        help="columns of the file that predictions repeat: all when not given, none, or names with commas between",
    )
    group.add_argument(
        "--formulas",
        choices=("safe", "keep"),
        help="whether cells that a spreadsheet would run get an apostrophe in front: safe when not given",
    )
    group.add_argument(
        "--max-rejections",
        metavar="LIMIT",
        type=rejections,
        help="the job fails when more rows are rejected: a share of them (5%%), or a number; default: the worker's",
    )


def job_metadata(options: argparse.Namespace) -> dict[str, str]:
    """Return what the job's workers are told, in the keys that they read (worker/core/job_options.py)."""
    given = {key: getattr(options, name) for name, key in _KEYS.items()}
    given |= {"model": known_model(options.model), "header": "false" if options.no_header else None}
    return {key: value for key, value in given.items() if value is not None}
