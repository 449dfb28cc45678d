"""`reviewmill score`: scores a local file through the same core as the worker, without queue or bucket."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from cloud.connect import open_objects, require_reachable
from cloud.objects import CloudSetupError, TransientError
from cloud.signatures import open_verifier
from schemas.errors import InvalidInput
from schemas.names import MODEL_NAMES, canonical_model
from schemas.outcomes import Rejection
from worker.core.job_options import job_options
from worker.kernel_cache import KernelCache
from worker.kernel_folder import default_folder
from worker.models import ModelStore
from worker.score_input import Reviews, csv_reviews, head_of, jsonl_reviews
from worker.score_output import Format, open_writer
from worker.score_report import Report
from worker.score_rows import Wanted, score_rows
from worker.settings import load_settings

_JSONL_ENDINGS = {".jsonl", ".ndjson", ".json"}
_LOCAL_MODELS = Path("models")


class Unusable(Exception):  # noqa: N818 - a fact about the call
    """What was asked for cannot be done; the sentence says why and what to do."""


def main(argv: list[str]) -> int:
    """Score a file; 0 done, 1 with --strict when a row was rejected, 2 for what cannot be scored at all."""
    options = _parser().parse_args(argv)
    try:
        return _run(options)
    except (Unusable, CloudSetupError, TransientError, ValueError) as error:
        print(f"reviewmill score: {error}", file=sys.stderr)
    except InvalidInput as error:
        print(f"reviewmill score: {options.file}: {error.reason}", file=sys.stderr)
    except BrokenPipeError:
        raise  # the reader of stdout has gone: the console's affair
    except OSError as error:
        print(f"reviewmill score: {error.filename or options.file}: {error.strerror}.", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="reviewmill score",
        description=(
            "Score a local file: CSV, TSV (quotes are text there) or JSON lines, also in gzip. "
            "Nothing is sent anywhere; only the model is read, from a folder or a bucket. Every row ends in the "
            "predictions or in the rejections, and the counts are printed; wholly blank lines are no rows. "
            "Exit status: 0 done; 1 --strict was given, and a row was rejected or an id stands for several texts; "
            "2 the file, the model or an option cannot be used."
        ),
        epilog=(
            "examples:\n"
            "  reviewmill score reviews.csv --text-column review\n"
            "  reviewmill score reviews.jsonl --model linear_svc --output scored.jsonl --rejections bad.jsonl"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="the reviews; .jsonl, .ndjson and .json are JSON lines")
    parser.add_argument("--model", metavar="MODEL", help=f"one of {', '.join(MODEL_NAMES)} (default: the first)")
    parser.add_argument("--version", metavar="VERSION", help="version of the model (default: the current one)")
    parser.add_argument(
        "--models", metavar="WHERE", help="folder or gs://bucket of models (default: REVIEWMILL_MODELS, else ./models)"
    )
    parser.add_argument(
        "--format", choices=("csv", "jsonl", "table"), help="default: by the ending of --output, else table or csv"
    )
    parser.add_argument("--output", metavar="FILE", type=Path, help="where the predictions go (default: stdout)")
    parser.add_argument("--rejections", metavar="FILE", type=Path, help="where the rejections go, as JSON lines")
    parser.add_argument(
        "--keep-formulas", action="store_true", help="leave cells of a CSV alone that a spreadsheet would run"
    )
    parser.add_argument(
        "--strict", action="store_true", help="exit with 1 when a row was rejected, or an id stands for several texts"
    )
    reading = parser.add_argument_group("how the file is read")
    reading.add_argument(
        "--text-column",
        metavar="NAME",
        help="column of the texts (default: text, review, comment …, told by the header)",
    )
    reading.add_argument("--id-column", metavar="NAME", help="column of the rows' ids (default: none)")
    reading.add_argument(
        "--delimiter", metavar="CHARACTER", help="default: told by the header; TAB for .tsv and .tab; or 'tab'"
    )
    reading.add_argument("--quote", metavar="CHARACTER", help="default: \"; 'none' where quotes are text")
    reading.add_argument("--encoding", metavar="NAME", help="default: utf-8")
    reading.add_argument("--no-header", action="store_true", help="columns have numbers, from 1")
    return parser


def _run(options: argparse.Namespace) -> int:
    _refuse_overwriting(options)
    canonical_model(options.model)
    place = _models_place(options, os.environ)
    settings = load_settings(os.environ)
    if place.startswith("gs://"):
        require_reachable(os.environ, "storage")
    wanted = Wanted(options.model, options.version, settings.threads or os.cpu_count() or 1)
    with ExitStack() as stack:
        kernel = stack.enter_context(closing(KernelCache(default_folder(os.environ))))
        bucket = open_objects(place, timeout_s=settings.storage_timeout_s)
        signatures = open_verifier(settings.model_public_key)
        models = ModelStore(bucket, check_every_s=3600, now=time.monotonic, kernel=kernel, signatures=signatures)
        source = stack.enter_context(options.file.open("rb"))
        reviews = _reviews(source, options)
        if options.model or options.version or not _is_jsonl(options.file):
            models.resolve(options.model, options.version)
        predictions = stack.enter_context(_sink(options.output))
        writer = open_writer(_format(options), reviews.columns, predictions, keep_formulas=options.keep_formulas)
        rejections = stack.enter_context(_sink(options.rejections)) if options.rejections else None
        report = Report(rejections)
        for outcome in score_rows(reviews.items, models, wanted):
            if isinstance(outcome, Rejection):
                report.rejected(outcome)
            else:
                report.predicted(outcome)
                writer.write(outcome)
        writer.finish()
    in_order = report.show()
    return 1 if options.strict and not in_order else 0


def _reviews(stream: BufferedReader, options: argparse.Namespace) -> Reviews:
    said = {
        "text-column": options.text_column,
        "id-column": options.id_column,
        "delimiter": options.delimiter,
        "quote": options.quote,
        "encoding": options.encoding,
        "header": "false" if options.no_header else None,
        "format": "jsonl" if _is_jsonl(options.file) else None,
    }
    metadata = {key: value for key, value in said.items() if value is not None}
    asked = job_options(options.file.name, metadata, max_rejections=1.0, head=head_of(stream))
    lines = asked.dialect.format == "jsonl"
    return jsonl_reviews(stream, asked.dialect) if lines else csv_reviews(stream, asked.dialect)


def _is_jsonl(path: Path) -> bool:
    return Path(path.name.lower().removesuffix(".gz")).suffix in _JSONL_ENDINGS


def _format(options: argparse.Namespace) -> Format:
    if options.format is not None:
        chosen: Format = options.format
        return chosen
    if options.output is not None:
        return "jsonl" if _is_jsonl(options.output) else "csv"
    if sys.stdout.isatty():
        return "table"
    return "jsonl" if _is_jsonl(options.file) else "csv"


def _models_place(options: argparse.Namespace, environ: Mapping[str, str]) -> str:
    place = options.models or environ.get("REVIEWMILL_MODELS") or (str(_LOCAL_MODELS) if _LOCAL_MODELS.is_dir() else "")
    if not place:
        raise Unusable(
            "there are no models here. Make some with 'reviewmill train DATA --models ./models', or name a folder or "
            "bucket with --models or REVIEWMILL_MODELS."
        )
    if "://" not in place and not Path(place).is_dir():
        raise Unusable(f"there is no folder {place}. Make models with 'reviewmill train DATA --models {place}'.")
    return str(place)


def _refuse_overwriting(options: argparse.Namespace) -> None:
    paths = [path.resolve() for path in (options.file, options.output, options.rejections) if path is not None]
    if len(set(paths)) < len(paths):
        raise Unusable("FILE, --output and --rejections must be different files.")


@contextmanager
def _sink(path: Path | None) -> Iterator[BinaryIO]:
    """Open a file that appears under its name only when it is whole, or stdout."""
    if path is None:
        yield sys.stdout.buffer
        return
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        with unfinished.open("wb") as stream:
            yield stream
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
