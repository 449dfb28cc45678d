"""The signed files of one folder of a bucket, copied and verified before anything reads them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import Final

from cloud.folder import FolderObjects
from cloud.objects import ObjectInfo, ObjectNotFound, Objects, TransientError
from cloud.signature_bundle import MAX_SIGNATURE_BYTES, SIGNATURE, SignatureBundle, SignatureRefused, decode_bundle
from cloud.signatures import SignatureVerifier

MAX_COPY_BYTES: Final = 1024**3
"""Of all files of a folder together: nothing is known of them before the copy is verified."""


@contextmanager
def verified_copy(objects: Objects, folder: str, verifier: SignatureVerifier) -> Iterator[Objects]:
    """Give the block a private local copy of the files that `folder/model.sig` covers, under their own names.

    The bytes that were verified are the bytes that the block reads, whatever happens to the bucket meanwhile. Files
    that are not signed are not in the copy. It costs disk for all signed files while the block runs (where /tmp is
    memory, memory). Blocks for the downloads. Raises SignatureRefused, TransientError and ValueError for the folder.
    """
    if folder.startswith("/") or not folder.endswith("/") or ".." in PurePosixPath(folder).parts:
        raise ValueError(f"{folder!r} is no folder of a bucket")
    bundle = decode_bundle(_signature(objects, folder))
    verifier.check_key(bundle)
    with ExitStack() as stack:
        try:
            place = tempfile.TemporaryDirectory(prefix="reviewmill-verify-", ignore_cleanup_errors=True)
            scratch = Path(stack.enter_context(place))
            copies = scratch / "bucket" / folder
            copies.mkdir(parents=True)
            _copy_all(objects, folder, bundle, copies)
            verifier.check_files(copies, bundle, scratch)
        except OSError as error:
            # No room, or no temporary folder: nothing that the files are to blame for.
            raise TransientError(f"{folder} could not be copied to be verified: {error.strerror}") from None
        yield FolderObjects(scratch / "bucket")


def _signature(objects: Objects, folder: str) -> bytes:
    name = folder + SIGNATURE
    try:
        info = objects.info(name)
        if info.size > MAX_SIGNATURE_BYTES:
            raise SignatureRefused("signature_unreadable", f"{SIGNATURE} has {info.size:,} bytes")
        return objects.get(name, generation=info.generation)[0]
    except ObjectNotFound:
        raise SignatureRefused(
            "signature_missing", f"there is no {SIGNATURE} beside its files ('reviewmill models sign' makes one)"
        ) from None


def _copy_all(objects: Objects, folder: str, bundle: SignatureBundle, copies: Path) -> None:
    infos = {file: _info(objects, folder, file) for file in bundle.digests}
    if sum(info.size for info in infos.values()) > MAX_COPY_BYTES:
        raise SignatureRefused("signature_mismatch", f"its files have more than {MAX_COPY_BYTES:,} bytes")
    for file, info in infos.items():
        with (copies / file).open("wb") as target:
            target.writelines(_pieces(objects, info))


def _info(objects: Objects, folder: str, file: str) -> ObjectInfo:
    try:
        return objects.info(folder + file)
    except ObjectNotFound:
        raise SignatureRefused("signature_mismatch", f"{file} was signed and is missing") from None


def _pieces(objects: Objects, info: ObjectInfo) -> Iterator[bytes]:
    try:
        yield from objects.stream(info.name, generation=info.generation)
    except ObjectNotFound:
        raise TransientError(f"{objects.uri}/{info.name} was replaced while it was read") from None
