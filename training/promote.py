"""Which version is current: promotion and rollback, after the checks that a worker will run."""

from __future__ import annotations

from cloud.objects import Objects
from cloud.signatures import SignatureVerifier
from schemas.errors import InvalidInput
from schemas.models import Alias
from training.registry import checked_files, current, load_manifest, point
from training.signing import check_signature


def promote(objects: Objects, model: str, version: str, signatures: SignatureVerifier | None = None) -> Alias:
    """Make a stored version the current one, once its files are whole and its golden examples are reproduced.

    With `signatures`, it must be signed, too. Raises InvalidInput for an unknown version, InvalidModel for a damaged
    one, SignatureRefused, AliasMoved and TransientError.
    """
    manifest, digest = load_manifest(objects, model, version)
    if signatures is not None:
        check_signature(objects, manifest, signatures)
    checked_files(objects, manifest)
    return point(objects, model, version, digest)


def rollback(objects: Objects, model: str, signatures: SignatureVerifier | None = None) -> Alias:
    """Make the version current again that was so before the present one; twice in a row returns to where one was.

    The alias itself holds that version's name, so the rule needs no other record. Raises as `promote`.
    """
    alias, _ = current(objects, model)
    if alias is None or alias.previous is None:
        raise InvalidInput(
            "nothing_to_roll_back",
            f"No other version of {model} was current before this one. "
            f"Name one: 'reviewmill models promote {model} VERSION'.",
        )
    return promote(objects, model, alias.previous, signatures)
