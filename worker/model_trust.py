"""Where the files of a model version are read from: the bucket, or a copy whose signature was verified."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

from cloud.objects import ObjectNotFound, Objects
from cloud.signature_bundle import SignatureRefused
from cloud.signatures import SignatureVerifier
from cloud.signed_folder import verified_copy
from schemas.errors import InvalidInput
from schemas.names import VERSION_NAME
from worker.core.compiled_errors import InvalidModel
from worker.core.model_files import MANIFEST
from worker.core.naming import model_file

_log = logging.getLogger("reviewmill.models")


@contextmanager
def trusted_files(objects: Objects, name: str, version: str, signatures: SignatureVerifier | None) -> Iterator[Objects]:
    """Give the block what it may read the version from.

    Raises InvalidModel where its signature is not accepted, and InvalidInput("unknown_version") for a version that is
    not stored at all, which is no fault of a signature.
    """
    if signatures is None:
        yield objects
        return
    manifest = model_file(name, version, MANIFEST)
    _require_stored(objects, name, version)
    try:
        with verified_copy(objects, model_file(name, version, ""), signatures) as copy:
            if manifest not in {info.name for info in copy.listing(manifest)}:
                raise SignatureRefused("signature_mismatch", f"{MANIFEST} was not signed")
            yield copy
    except SignatureRefused as refused:
        _log.error("model %s version %s: %s", name, version, refused)
        raise InvalidModel(str(refused)) from None


def _require_stored(objects: Objects, name: str, version: str) -> None:
    try:
        objects.info(model_file(name, version, MANIFEST))
    except ObjectNotFound:
        raise unknown_version(name, version) from None


def unknown_version(name: str, version: str) -> InvalidInput:
    """Return the error for a version that is not stored. What could not be a version's name is not repeated."""
    wanted = f"version {version}" if re.fullmatch(VERSION_NAME, version) else "such version"
    return InvalidInput(
        "unknown_version",
        f"{name} has no {wanted}. Name one that 'reviewmill models list' shows, or none for the current one.",
    )


def file_names(objects: Objects, name: str, version: str) -> set[str]:
    """Return the names of a version's files, without their folder."""
    folder = model_file(name, version, "")
    return {info.name.removeprefix(folder) for info in objects.listing(folder)}
