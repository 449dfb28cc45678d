"""`reviewmill train`: a CSV or TSV of labelled texts to classifiers in the models bucket."""

from __future__ import annotations

import argparse
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from schemas.errors import InvalidInput
from schemas.jobs import Dialect
from schemas.names import MODEL_NAMES, canonical_model
from training.columns import Wanted
from training.console import DONE, finish, open_bucket, require_writable, say
from training.source import SAMPLE, open_source
from worker.settings import Settings, load_settings

if TYPE_CHECKING:
    from cloud.signatures import Signer

_EXAMPLES = """\
examples:
  reviewmill train --models ./models
      train the three classifiers on the sample that ships with the program, into a folder
  reviewmill train reviews.csv --text-column body --label-column stars --classifier linear_svc
  reviewmill train gs://my-data/reviews.tsv --no-header --label-column 1 --text-column 2
"""


def parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    made = argparse.ArgumentParser(
        prog="reviewmill train",
        description="Train classifiers on labelled texts, judge them on rows that were held out, store them as new "
        "versions in the models bucket, and make them current. Says what became of every row.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "data",
        metavar="DATA",
        nargs="?",
        default=str(SAMPLE),
        help="CSV or TSV file, or gs://bucket/object (default: the sample that ships with the program)",
    )
    made.add_argument(
        "--models", metavar="WHERE", help="gs://bucket or folder that gets the models (default: REVIEWMILL_MODELS)"
    )
    made.add_argument(
        "--classifier",
        metavar="NAME",
        action="append",
        type=_classifier,
        help=f"one of {', '.join(MODEL_NAMES)}; may be repeated (default: all)",
    )
    made.add_argument("--no-promote", action="store_true", help="store the versions without making them current")
    made.add_argument(
        "--sign-key",
        metavar="KEY.pem",
        help="private key (P-256, P-384 or P-521, not encrypted) to sign the versions with; needs the extra 'signing'",
    )
    made.add_argument("--seed", type=_seed, default=0, help="seed of the split and of the classifiers (default: 0)")
    _add_data_options(made)
    return made


def _add_data_options(made: argparse.ArgumentParser) -> None:
    group = made.add_argument_group("how the data is read")
    group.add_argument("--text-column", metavar="COLUMN", help="name, or number from 1 (default: found, and said)")
    group.add_argument("--label-column", metavar="COLUMN", help="name, or number from 1 (default: found, and said)")
    group.add_argument("--no-header", action="store_true", help="the first line is data (default: found, and said)")
    group.add_argument("--delimiter", metavar="CHARACTER", help="'tab' or a character (default: tab for .tsv, else ,)")
    group.add_argument(
        "--quote", metavar="CHARACTER", help="'none' or a character (default: none with tabs, where quotes are text)"
    )
    group.add_argument("--encoding", default="utf-8", help="of the file (default: utf-8)")


def main(argv: list[str]) -> int:
    """Run the command; returns its exit status."""
    options = parser().parse_args(argv)
    return finish("reviewmill train", lambda: _run(options, load_settings(os.environ)))


def _run(options: argparse.Namespace, settings: Settings) -> int:
    place = options.models or settings.models
    require_writable(place)
    signer = _signer(options, settings)
    say(f"Reading {options.data}")
    source = open_source(options.data, lambda uri: open_bucket(uri, settings))
    objects = open_bucket(place, settings)

    # scikit-learn takes seconds to import: --help and wrong arguments are answered without it.
    from training.load import load  # noqa: PLC0415
    from training.report import account, table  # noqa: PLC0415
    from training.train import prepare, train  # noqa: PLC0415

    loaded = load(source, _dialect(options), _wanted(options))
    prepared = prepare(loaded, source.name, seed=options.seed)
    account(loaded, prepared)
    today = datetime.now(UTC).date()
    trained = []
    for name in dict.fromkeys(options.classifier or MODEL_NAMES):
        say(f"Training {name}")
        trained.append(
            train(
                objects,
                name,
                prepared,
                seed=options.seed,
                today=today,
                set_current=not options.no_promote,
                signer=signer,
            )
        )
    table(trained, objects.uri)
    return DONE


def _signer(options: argparse.Namespace, settings: Settings) -> Signer | None:
    """Return what signs the versions. Raises InvalidInput where the workers' key would then refuse what is current."""
    from cloud.signatures import open_signer, open_verifier  # noqa: PLC0415 - not for --help

    signer = open_signer(options.sign_key) if options.sign_key else None
    asked = open_verifier(settings.model_public_key)
    if asked is not None and signer is None and not options.no_promote:
        raise InvalidInput(
            "not_signed",
            "REVIEWMILL_MODEL_PUBLIC_KEY is set, so what is current must be signed. Give --sign-key KEY.pem, or "
            "--no-promote and sign the versions later with 'reviewmill models sign'.",
        )
    if asked is not None and signer is not None and asked.key_id != signer.verifier.key_id:
        raise InvalidInput(
            "other_key",
            f"{options.sign_key} is not the private key of {settings.model_public_key}, which "
            "REVIEWMILL_MODEL_PUBLIC_KEY names: the signatures would be refused.",
        )
    return signer


def _dialect(options: argparse.Namespace) -> Dialect:
    delimiter = {"tab": "\t", "\\t": "\t", None: None}.get(options.delimiter, options.delimiter)
    if delimiter is None:
        delimiter = "\t" if options.data.lower().endswith((".tsv", ".tab")) else ","
    quote = options.quote or ("none" if delimiter == "\t" else '"')
    return Dialect(delimiter=delimiter, quote=None if quote == "none" else quote, encoding=options.encoding)


def _wanted(options: argparse.Namespace) -> Wanted:
    return Wanted(options.text_column, options.label_column, False if options.no_header else None)


def _classifier(name: str) -> str:
    try:
        return canonical_model(name)
    except InvalidInput as error:
        raise argparse.ArgumentTypeError(error.reason) from None


def _seed(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to {2**32 - 1}")
    return int(text)
