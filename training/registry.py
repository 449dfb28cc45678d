"""The models bucket as a registry: store versions, list them, move the alias."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from cloud.objects import MAX_PUT_BYTES, ObjectNotFound, Objects, PreconditionFailed
from cloud.once import crc32c, expect_same, put_once, replace_once
from schemas.codec import decode, encode
from schemas.errors import InvalidInput
from schemas.models import Alias, ModelManifest
from training.errors import AliasMoved
from training.export import Export
from worker.core.compiled import unpack
from worker.core.compiled_errors import InvalidModel
from worker.core.model_files import CANONICAL, COMPILED, MANIFEST, check_file, check_scorer, read_manifest, sha256
from worker.core.naming import model_alias, model_file, model_folder

_MAX_ALIAS_BYTES = 10_000
_JSON = "application/json"
_BINARY = "application/octet-stream"


def store(objects: Objects, export: Export) -> bool:
    """Write a version's files, the manifest last; False where the same version was there already.

    Safe to call again after a crash: files are create-only and equal bytes count as written. Raises TransientError,
    and ContentConflict where the version exists with other content.
    """
    name, version = export.manifest.name, export.manifest.version
    manifest = model_file(name, version, MANIFEST)
    new = not exists(objects, manifest)
    for file, data in export.files.items():
        _put(objects, model_file(name, version, file), data)
    put_once(objects, manifest, export.manifest_bytes, content_type=_JSON)
    return new


def exists(objects: Objects, name: str) -> bool:
    """Say whether an object is there."""
    try:
        objects.info(name)
    except ObjectNotFound:
        return False
    return True


def versions(objects: Objects, model: str) -> Iterator[str]:
    """Yield the complete versions of a model (those with a manifest), by ascending name and so by date."""
    prefix = f"{model_folder(model)}/versions/"
    for info in objects.listing(prefix):
        version, _, file = info.name[len(prefix) :].partition("/")
        if file == MANIFEST:
            yield version


def load_manifest(objects: Objects, model: str, version: str) -> tuple[ModelManifest, str]:
    """Return a version's manifest and its SHA-256. Raises InvalidInput for an unknown version, and InvalidModel."""
    try:
        data, _ = objects.get(model_file(model, version, MANIFEST))
    except ObjectNotFound:
        raise InvalidInput(
            "unknown_version",
            f"{objects.uri} holds no version {version!r} of {model}. List them with 'reviewmill models list'.",
        ) from None
    return read_manifest(data, name=model, version=version, expected_sha256=None), sha256(data)


def checked_files(objects: Objects, manifest: ModelManifest) -> dict[str, bytes]:
    """Return the files of a stored version, each as its manifest says. Raises InvalidModel.

    A version without a compiled form is checked by its digest alone; the worker's gate opens it.
    """
    files = {}
    for file in sorted({CANONICAL, *manifest.files}):
        try:
            data, _ = objects.get(model_file(manifest.name, manifest.version, file))
        except ObjectNotFound:
            raise InvalidModel(f"{file} is missing") from None
        check_file(manifest, file, data)
        if file == COMPILED:
            check_scorer(manifest, unpack(data))
        files[file] = data
    return files


def current(objects: Objects, model: str) -> tuple[Alias | None, int]:
    """Return the alias of a model and its generation; None and 0 where it has none. Raises InvalidInput."""
    try:
        data, info = objects.get(model_alias(model))
    except ObjectNotFound:
        return None, 0
    return decode(data, Alias, max_bytes=_MAX_ALIAS_BYTES), info.generation


def point(objects: Objects, model: str, version: str, manifest_sha256: str) -> Alias:
    """Make a version the current one, and return the alias; does nothing where it is already. Raises AliasMoved."""
    before, generation = current(objects, model)
    if before is not None and (before.version, before.manifest_sha256) == (version, manifest_sha256):
        return before
    alias = Alias(version=version, manifest_sha256=manifest_sha256, previous=before.version if before else None)
    try:
        replace_once(objects, model_alias(model), encode(alias), content_type=_JSON, if_generation=generation)
    except PreconditionFailed:
        raise AliasMoved(
            f"Another process changed the current version of {model} at the same moment; nothing was changed here. "
            "Look with 'reviewmill models list' and run the command again."
        ) from None
    return alias


def _put(objects: Objects, name: str, data: bytes) -> None:
    """`put_once` for files of any size."""
    if len(data) <= MAX_PUT_BYTES:
        put_once(objects, name, data, content_type=_BINARY)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(data)
        try:
            objects.put_file(name, path, content_type=_BINARY, if_generation=0)
        except PreconditionFailed:
            expect_same(objects, name, size=len(data), crc32c=crc32c(data))
