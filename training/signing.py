"""Signatures of model versions: made once, and looked at as a worker will."""

from __future__ import annotations

from collections.abc import Mapping

from cloud.objects import ContentConflict, Objects, TransientError
from cloud.once import put_once
from cloud.signature_bundle import SIGNATURE, SignatureRefused
from cloud.signatures import SignatureVerifier, Signer
from cloud.signed_folder import verified_copy
from schemas.models import ModelManifest
from training.registry import checked_files, load_manifest
from worker.core.compiled_errors import InvalidModel
from worker.core.model_files import MANIFEST, check_all_signed, sha256
from worker.core.naming import model_file

_BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"


def sign_stored(objects: Objects, model: str, version: str, signer: Signer) -> bool:
    """Sign a stored version, once its files are whole and its golden examples are reproduced; see `sign`.

    Raises InvalidInput for an unknown version and InvalidModel for a damaged one, too.
    """
    manifest, digest = load_manifest(objects, model, version)
    data, _ = objects.get(model_file(model, version, MANIFEST))
    if sha256(data) != digest:
        raise TransientError(f"The manifest of version {version} of {model} was replaced while it was read.")
    return sign(objects, manifest, {**checked_files(objects, manifest), MANIFEST: data}, signer)


def sign(objects: Objects, manifest: ModelManifest, files: Mapping[str, bytes], signer: Signer) -> bool:
    """Store a version's signature over `files`: all that it has, its manifest among them. False where it has one.

    What is signed is what the caller vouches for, not what the bucket holds by now. A signature is never replaced:
    raises ContentConflict where there is one that the signer's key does not verify. Raises TransientError.
    """
    name, version = manifest.name, manifest.version
    try:
        check_signature(objects, manifest, signer.verifier)
    except SignatureRefused as refused:
        if refused.code != "signature_missing":
            raise ContentConflict(
                f"Version {version} of {name} has a {SIGNATURE} already, and {refused}. Signatures are never replaced: "
                f"look at it, delete {objects.uri}/{model_file(name, version, SIGNATURE)} by hand, and sign again."
            ) from None
    else:
        return False
    signature = signer.sign(files, name=f"{name}-{version}")
    put_once(objects, model_file(name, version, SIGNATURE), signature, content_type=_BUNDLE)
    return True


def check_signature(objects: Objects, manifest: ModelManifest, signatures: SignatureVerifier) -> None:
    """Raise SignatureRefused unless the key signed the stored version, with every file that the manifest lists."""
    folder = model_file(manifest.name, manifest.version, "")
    with verified_copy(objects, folder, signatures) as copy:
        signed = {info.name.removeprefix(folder) for info in copy.listing(folder)}
    try:
        check_all_signed(manifest, signed)
    except InvalidModel as error:
        raise SignatureRefused("signature_mismatch", error.reason) from None
