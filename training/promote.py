"""Which version is current: promotion and rollback, after the checks that a worker will run."""

from __future__ import annotations

from cloud.objects import ObjectNotFound, Objects
from schemas.errors import InvalidInput
from schemas.models import Alias, ModelManifest
from training.registry import current, load_manifest, point
from worker.core.compiled import unpack
from worker.core.compiled_errors import InvalidModel
from worker.core.model_files import CANONICAL, COMPILED, check_file, check_scorer
from worker.core.naming import model_file


def promote(objects: Objects, model: str, version: str) -> Alias:
    """Make a stored version the current one, once its files are whole and its golden examples are reproduced.

    Raises InvalidInput for an unknown version, InvalidModel for a damaged one, AliasMoved and TransientError.
    """
    manifest, digest = load_manifest(objects, model, version)
    verify(objects, manifest)
    return point(objects, model, version, digest)


def rollback(objects: Objects, model: str) -> Alias:
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
    return promote(objects, model, alias.previous)


def verify(objects: Objects, manifest: ModelManifest) -> None:
    """Raise InvalidModel unless every file of a version is as its manifest says.

    A version without a compiled form is checked by its digest alone; the worker's gate opens it.
    """
    for file in sorted({CANONICAL, *manifest.files}):
        try:
            data, _ = objects.get(model_file(manifest.name, manifest.version, file))
        except ObjectNotFound:
            raise InvalidModel(f"{file} is missing") from None
        check_file(manifest, file, data)
        if file == COMPILED:
            check_scorer(manifest, unpack(data))
