"""Signatures over a set of files, by OpenSSF's model-signing with a local elliptic-curve key.

Nothing here uses a network. The library belongs to the extra `signing` and takes a second to import, so it is imported
when a key is opened.
https://sigstore.github.io/model-transparency/
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cloud.objects import CloudSetupError
from cloud.signature_bundle import SIGNATURE, SignatureBundle, SignatureRefused

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from model_signing import hashing

CURVES: Final = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
"""What the library signs and verifies with."""

_MAX_KEY_BYTES = 10_000


class KeyUnusable(CloudSetupError):  # noqa: N818 - a fact
    """A key file, or the library that it is for, cannot be used; the message says what to do."""


class SignatureVerifier:
    """Checks files against signatures of one public key. Threads may share it."""

    def __init__(self, key: EllipticCurvePublicKey) -> None:
        self._pem = _public_pem(key)
        self.key_id: Final = hashlib.sha256(self._pem).hexdigest()
        """SHA-256 of the key's PEM, in hex, as signatures name their key."""

    def check_key(self, bundle: SignatureBundle) -> None:
        """Raise SignatureRefused when the signature itself says that it is another key's."""
        if bundle.key_id != self.key_id:
            raise SignatureRefused(
                "signature_other_key",
                f"{SIGNATURE} is of the key {bundle.key_id[:16]}…, and the one asked for is {self.key_id[:16]}…",
            )

    def check_files(self, folder: Path, bundle: SignatureBundle, scratch: Path) -> None:
        """Raise SignatureRefused unless the key signed exactly the files in `folder`. `scratch` is a private folder."""
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - only where signatures are asked for
        from model_signing import verifying  # noqa: PLC0415 - as above

        key, signature = scratch / "key.pem", scratch / SIGNATURE
        key.write_bytes(self._pem)
        signature.write_bytes(bundle.data)
        try:
            config = verifying.Config().use_elliptic_key_verifier(public_key=key)
            config.set_hashing_config(_whole_files()).verify(folder, signature)
        except InvalidSignature:
            raise SignatureRefused(
                "signature_invalid", f"{SIGNATURE} was not made with this key, or was changed since"
            ) from None
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            # The library's words for "other files", and what its parsers raise for a statement that is none.
            raise SignatureRefused("signature_mismatch", _difference(folder, bundle, error)) from None


class Signer:
    """Signs files with one private key."""

    def __init__(self, path: Path, verifier: SignatureVerifier) -> None:
        self._path = path
        self.verifier: Final = verifier
        """Accepts what this signer signs."""

    def sign(self, files: Mapping[str, bytes], *, name: str) -> bytes:
        """Return the signature over the files; `name` tells people of what. Two calls give two different signatures."""
        from model_signing import signing  # noqa: PLC0415 - only where signatures are made

        with tempfile.TemporaryDirectory(prefix="reviewmill-signing-") as scratch:
            folder, signature = Path(scratch, name), Path(scratch, SIGNATURE)
            folder.mkdir()
            for file, data in files.items():
                (folder / file).write_bytes(data)
            config = signing.Config().use_elliptic_key_signer(private_key=self._path)
            config.set_hashing_config(_whole_files()).sign(folder, signature)
            return signature.read_bytes()


def open_verifier(path: str) -> SignatureVerifier | None:
    """Return what checks signatures against the public key in a PEM file; None for no path: nobody asks for them.

    Raises KeyUnusable, so that a process that could check nothing does not start.
    """
    path = path.strip()
    if not path:
        return None
    _require_library("REVIEWMILL_MODEL_PUBLIC_KEY is set")
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - only where signatures are asked for
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - as above

    try:
        key = serialization.load_pem_public_key(_read(Path(path)))
    except (ValueError, UnsupportedAlgorithm):
        raise KeyUnusable(
            f"{path} holds no public key in PEM. Write it with 'openssl ec -in KEY.pem -pubout -out PUBLIC.pem'."
        ) from None
    return SignatureVerifier(_supported(key, path))


def open_signer(path: str) -> Signer:
    """Return what signs with the private key in a PEM file. Raises KeyUnusable."""
    _require_library("Signing was asked for")
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - only where signatures are made
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - as above

    try:
        key = serialization.load_pem_private_key(_read(Path(path)), password=None)
    except TypeError:
        raise KeyUnusable(f"{path} is encrypted, and keys are read without a password. Decrypt it first.") from None
    except (ValueError, UnsupportedAlgorithm):
        raise KeyUnusable(
            f"{path} holds no private key in PEM. Make one with "
            "'openssl ecparam -name prime256v1 -genkey -noout -out KEY.pem'."
        ) from None
    return Signer(Path(path), SignatureVerifier(_supported(key.public_key(), path)))


def _require_library(asked: str) -> None:
    try:
        import model_signing  # noqa: F401, PLC0415 - the whole of it, now: a part that is missing shows here
    except ImportError as error:
        raise KeyUnusable(
            f"{asked}, but the package model-signing cannot be imported here ({error.name} is missing). "
            "Install it: pip install 'reviewmill[signing]', or 'make setup' in a checkout."
        ) from None


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_KEY_BYTES)
    except OSError as error:
        raise KeyUnusable(f"The key {path} cannot be read: {error.strerror}.") from None


def _supported(key: object, path: str) -> EllipticCurvePublicKey:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey  # noqa: PLC0415 - as above

    if isinstance(key, EllipticCurvePublicKey) and key.curve.name in CURVES:
        return key
    raise KeyUnusable(
        f"{path} is no key on one of the curves that model-signing takes: {', '.join(CURVES.values())}. Make one with "
        "'openssl ecparam -name prime256v1 -genkey -noout -out KEY.pem'."
    )


def _public_pem(key: EllipticCurvePublicKey) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415 - as above

    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _whole_files() -> hashing.Config:
    """Return how files are hashed: whole, with SHA-256, on one thread (a worker's cores score)."""
    from model_signing import hashing  # noqa: PLC0415 - only where signatures are asked for

    return hashing.Config().use_file_serialization(hashing_algorithm="sha256", max_workers=1)


def _difference(folder: Path, bundle: SignatureBundle, error: Exception) -> str:
    there = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    other = sorted(file for file, digest in bundle.digests.items() if there.get(file) != digest)
    if other:
        return f"not as it was signed: {', '.join(other)}"
    return f"{SIGNATURE} does not fit the files ({type(error).__name__})"
