"""Keys made for one test, as PEM files, and signatures that no honest signer makes."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from cloud.signature_bundle import SIGNATURE
from cloud.signatures import SignatureVerifier, Signer, open_signer, open_verifier

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class Keys:
    """A pair of keys in a folder of its own."""

    def __init__(
        self, folder: Path, name: str, key: PrivateKey | None = None, *, password: bytes | None = None
    ) -> None:
        made = key or ec.generate_private_key(ec.SECP256R1())
        self.private, self.public = folder / f"{name}.pem", folder / f"{name}.pub.pem"
        protection = BestAvailableEncryption(password) if password else NoEncryption()
        self.private.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection))
        self.public.write_bytes(made.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        self.key = made

    def signer(self) -> Signer:
        return open_signer(str(self.private))

    def verifier(self) -> SignatureVerifier:
        made = open_verifier(str(self.public))
        assert made is not None
        return made

    def sign_payload(self, bundle: dict[str, Any], payload: bytes) -> bytes:
        """Return the bundle over another payload, with a true signature of this key: what only its holder can make."""
        assert isinstance(self.key, ec.EllipticCurvePrivateKey)
        envelope = bundle["dsseEnvelope"]
        signed = b"DSSEv1 %d %s %d %s" % (
            len(envelope["payloadType"]),
            envelope["payloadType"].encode(),
            len(payload),
            payload,
        )
        envelope["payload"] = base64.b64encode(payload).decode()
        signature = self.key.sign(signed, ec.ECDSA(hashes.SHA256()))
        envelope["signatures"][0]["sig"] = base64.b64encode(signature).decode()
        return json.dumps(bundle).encode()


def payload_of(signature: bytes) -> dict[str, Any]:
    statement: dict[str, Any] = json.loads(base64.b64decode(json.loads(signature)["dsseEnvelope"]["payload"]))
    return statement


def write_files(folder: Path, files: dict[str, bytes], signature: bytes) -> Path:
    """Write a version as someone who downloads it has it, and return the path of its signature."""
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    path = folder.parent / SIGNATURE
    path.write_bytes(signature)
    return path
