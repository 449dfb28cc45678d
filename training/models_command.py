"""`reviewmill models`: what the models bucket holds, and which version is current."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from cloud.objects import Objects
from cloud.signature_bundle import SignatureRefused
from schemas.errors import InvalidInput
from schemas.models import Alias, ModelManifest
from schemas.names import MODEL_NAMES, canonical_model
from training.console import DONE, NOT_DONE, finish, open_bucket, say
from worker.settings import Settings, load_settings

if TYPE_CHECKING:
    from cloud.signatures import SignatureVerifier

_EXAMPLES = """\
examples:
  reviewmill models list --models ./models
  reviewmill models show linear_svc                  (the current version)
  reviewmill models promote linear_svc 20260131-0123456789ab
  reviewmill models rollback linear_svc              (to the version that was current before)
  reviewmill models sign linear_svc --key KEY.pem    (the current version; needs the extra 'signing')
"""


def parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    made = argparse.ArgumentParser(
        prog="reviewmill models",
        description="List, show and sign the model versions in the models bucket, and choose which one is current: the "
        "one that requests get when they name no version. Running workers follow within seconds.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = made.add_subparsers(dest="action", required=True, metavar="ACTION")
    _add(actions, "list", "list the versions of every model; * marks the current ones")
    show = _add(actions, "show", "show one version: scores, data, files, and what code scores it and why")
    show.add_argument("model", metavar="MODEL", type=_model, help=f"one of {', '.join(MODEL_NAMES)}")
    show.add_argument("version", metavar="VERSION", nargs="?", help="a stored version (default: the current one)")
    promote = _add(actions, "promote", "make a version current, after checking its files and golden examples")
    promote.add_argument("model", metavar="MODEL", type=_model, help=f"one of {', '.join(MODEL_NAMES)}")
    promote.add_argument("version", metavar="VERSION", help="a stored version")
    rollback = _add(
        actions,
        "rollback",
        "make the version current that was so before the present one; twice returns to where you were",
    )
    rollback.add_argument("model", metavar="MODEL", type=_model, help=f"one of {', '.join(MODEL_NAMES)}")
    sign = _add(actions, "sign", "sign a version with a private key, after checking its files and golden examples")
    sign.add_argument("model", metavar="MODEL", type=_model, help=f"one of {', '.join(MODEL_NAMES)}")
    sign.add_argument("version", metavar="VERSION", nargs="?", help="a stored version (default: the current one)")
    sign.add_argument(
        "--key", metavar="KEY.pem", required=True, help="private key (P-256, P-384 or P-521), not encrypted"
    )
    return made


def _add(
    actions: argparse._SubParsersAction[argparse.ArgumentParser], name: str, summary: str
) -> argparse.ArgumentParser:
    made = actions.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    made.add_argument("--models", metavar="WHERE", help="gs://bucket or folder (default: REVIEWMILL_MODELS)")
    return made


def main(argv: list[str]) -> int:
    """Run the command; returns its exit status."""
    options = parser().parse_args(argv)
    return finish(f"reviewmill models {options.action}", lambda: _run(options, load_settings(os.environ)))


def _run(options: argparse.Namespace, settings: Settings) -> int:
    objects = open_bucket(options.models or settings.models, settings)
    if options.action == "list":
        return _list(objects)
    if options.action == "sign":
        return _sign(objects, options)
    from cloud.signatures import open_verifier  # noqa: PLC0415 - not for --help

    signatures = open_verifier(settings.model_public_key)
    if options.action == "show":
        return _show(objects, options.model, options.version, signatures)
    return _move(objects, options, signatures)


def _list(objects: Objects) -> int:
    from rich.console import Console  # noqa: PLC0415 - imported where a table is printed

    from training.registry import current, load_manifest, versions  # noqa: PLC0415
    from training.report import version_table  # noqa: PLC0415

    rows = []
    for model in MODEL_NAMES:
        alias, _ = current(objects, model)
        for version in versions(objects, model):
            manifest, _ = load_manifest(objects, model, version)
            rows.append((manifest, alias is not None and alias.version == version))
    if not rows:
        say(f"{objects.uri} holds no models. Train some with 'reviewmill train'.")
        return NOT_DONE
    Console().print(version_table(rows))
    return DONE


def _show(objects: Objects, model: str, version: str | None, signatures: SignatureVerifier | None) -> int:
    from training.registry import load_manifest  # noqa: PLC0415 - as above
    from training.report import details  # noqa: PLC0415

    alias, wanted = _wanted(objects, model, version)
    manifest, _ = load_manifest(objects, model, wanted)
    rows = details(manifest, alias)
    if signatures is not None:
        rows.append(("signature", _signature(objects, manifest, signatures)))
    for name, value in rows:
        print(f"{name + ':':<28}{value}")
    return DONE


def _wanted(objects: Objects, model: str, version: str | None) -> tuple[Alias | None, str]:
    """Return the alias, and the version that was named, else the current one. Raises InvalidInput."""
    from training.registry import current  # noqa: PLC0415 - as above

    alias, _ = current(objects, model)
    wanted = version or (alias.version if alias else None)
    if wanted is None:
        raise InvalidInput(
            "no_current_version", f"{objects.uri} has no current version of {model}. Train or promote one."
        )
    return alias, wanted


def _signature(objects: Objects, manifest: ModelManifest, signatures: SignatureVerifier) -> str:
    from training.signing import check_signature  # noqa: PLC0415 - as above

    try:
        check_signature(objects, manifest, signatures)
    except SignatureRefused as refused:
        said = "not signed" if refused.code == "signature_missing" else "invalid"
        return f"{said}: {refused.reason} ({refused.code})"
    return f"signed with the key {signatures.key_id}"


def _sign(objects: Objects, options: argparse.Namespace) -> int:
    from cloud.signatures import open_signer  # noqa: PLC0415 - as above
    from training.signing import sign_stored  # noqa: PLC0415

    signer = open_signer(options.key)
    _, version = _wanted(objects, options.model, options.version)
    new = sign_stored(objects, options.model, version, signer)
    said = "is signed now" if new else "was signed already"
    print(f"{options.model}: version {version} {said}, with the key {signer.verifier.key_id}.")
    return DONE


def _move(objects: Objects, options: argparse.Namespace, signatures: SignatureVerifier | None) -> int:
    from training.promote import promote, rollback  # noqa: PLC0415 - as above

    if options.action == "promote":
        alias = promote(objects, options.model, options.version, signatures)
    else:
        alias = rollback(objects, options.model, signatures)
    before = f" (before: {alias.previous})" if alias.previous else ""
    print(f"{options.model}: version {alias.version} is current{before}.")
    return DONE


def _model(name: str) -> str:
    try:
        return canonical_model(name)
    except InvalidInput as error:
        raise argparse.ArgumentTypeError(error.reason) from None
