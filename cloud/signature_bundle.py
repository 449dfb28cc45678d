"""The file that model-signing writes: a Sigstore bundle with an in-toto statement, read strictly.

Formats: bundle v0.3 of https://github.com/sigstore/protobuf-specs, envelope of https://github.com/secure-systems-lab/dsse,
statement of https://github.com/ossf/model-signing-spec. Everything here may come from an attacker: nothing is verified
yet. What is not needed is dropped, so that the library reads only what was read here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Literal, TypeVar

import msgspec

from schemas.nesting import nests_too_deep

SIGNATURE: Final = "model.sig"
"""The name of the signature among the files that it covers; it cannot cover itself."""

MAX_SIGNATURE_BYTES: Final = 100_000
MAX_FILES: Final = 16

Code = Literal[
    "signature_missing", "signature_unreadable", "signature_other_key", "signature_invalid", "signature_mismatch"
]

_T = TypeVar("_T")
_Hex = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
_Name = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]


class SignatureRefused(Exception):  # noqa: N818 - a fact about the files
    """The files of a folder are not proven to be the signer's; `code` is stable, `reason` is for a person."""

    def __init__(self, code: Code, reason: str) -> None:
        super().__init__(f"its signature is refused ({code}): {reason}")
        self.code = code
        self.reason = reason


class _PublicKey(msgspec.Struct):
    hint: _Hex


class _Material(msgspec.Struct, rename="camel"):
    public_key: _PublicKey


class _Signature(msgspec.Struct):
    sig: bytes
    keyid: str = ""


class _Envelope(msgspec.Struct, rename="camel"):
    payload: bytes
    payload_type: Literal["application/vnd.in-toto+json"]
    signatures: Annotated[list[_Signature], msgspec.Meta(min_length=1, max_length=1)]


class _Bundle(msgspec.Struct, rename="camel"):
    media_type: Literal["application/vnd.dev.sigstore.bundle.v0.3+json"]
    verification_material: _Material
    dsse_envelope: _Envelope


class _Resource(msgspec.Struct):
    name: _Name
    algorithm: Literal["sha256"]
    digest: _Hex


class _Serialization(msgspec.Struct):
    method: Literal["files"]


class _Predicate(msgspec.Struct):
    serialization: _Serialization
    resources: Annotated[list[_Resource], msgspec.Meta(min_length=1, max_length=MAX_FILES)]


class _Statement(msgspec.Struct, rename="camel"):
    predicate_type: Literal["https://model_signing/signature/v1.0"]
    predicate: _Predicate


@dataclass(frozen=True, slots=True)
class SignatureBundle:
    """What a signature says of itself. Not verified."""

    key_id: str
    """SHA-256, in hex, of the public key's PEM."""
    digests: dict[str, str]
    """File → SHA-256 in hex."""
    data: bytes
    """The bundle written anew, from what was read of it."""


def decode_bundle(data: bytes) -> SignatureBundle:
    """Return the content of a signature file. Raises SignatureRefused("signature_unreadable"), and nothing else."""
    if len(data) > MAX_SIGNATURE_BYTES:
        raise _unreadable(f"it has {len(data):,} bytes instead of {MAX_SIGNATURE_BYTES:,} at most")
    bundle = _decode(data, _Bundle)
    statement = _decode(bundle.dsse_envelope.payload, _Statement)
    digests = {one.name: one.digest for one in statement.predicate.resources}
    if len(digests) < len(statement.predicate.resources) or SIGNATURE in digests:
        raise _unreadable("it names a file twice, or itself")
    return SignatureBundle(bundle.verification_material.public_key.hint, digests, msgspec.json.encode(bundle))


def _decode(data: bytes, kind: type[_T]) -> _T:
    if nests_too_deep(data):
        raise _unreadable("it is nested too deeply")
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        # msgspec names fields and expectations, never content.
        raise _unreadable(str(error) if isinstance(error, msgspec.DecodeError) else type(error).__name__) from None


def _unreadable(detail: str) -> SignatureRefused:
    return SignatureRefused(
        "signature_unreadable", f"{SIGNATURE} is not what model-signing writes for a local key ({detail})"
    )
