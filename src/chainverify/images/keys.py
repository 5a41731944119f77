"""Public keys of a policy that may sign images, and their one question: did this key sign these bytes?

The hash is derived from the key (images reference 3a.3): what `cosign verify` gets wrong for P-384 and Ed25519 keys.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from chainverify.errors import PolicyError
from chainverify.images import ed25519ph
from chainverify.model.images import ImageKey

PublicKey: TypeAlias = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey

MIN_RSA_BITS: Final = 2048
MAX_RSA_BITS: Final = 16384
MAX_KEY_BYTES: Final = 64 << 10
MAX_SIGNATURE_BYTES: Final = 4096
"""The largest signature that is read; that of an RSA key of 16384 bits has 2048 bytes."""

_CURVE_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "secp256r1": hashes.SHA256(),
    "secp384r1": hashes.SHA384(),
    "secp521r1": hashes.SHA512(),
}
_PEM: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----")
_PADDING: Final = padding.PKCS1v15()


class TrustedKey(NamedTuple):
    """A key of a trust stanza, decoded: `name` as the policy writes it, `fingerprint` of its SPKI, SHA-256 in hex."""

    name: str
    fingerprint: str
    key: PublicKey

    @property
    def hint(self) -> str:
        """What cosign writes as a bundle's hint for this key: base64 of the SHA-256 of its SPKI."""
        return base64.b64encode(bytes.fromhex(self.fingerprint)).decode()


def load(keys: Sequence[ImageKey]) -> tuple[TrustedKey, ...]:
    """The keys of one stanza.

    Raises `PolicyError`, with the key's place, for a file that is not one usable public key in PEM, and for a key that is
    there twice: a threshold counts distinct keys.
    """
    loaded: dict[str, TrustedKey] = {}
    for material in keys:
        trusted = _load(material)
        if trusted.fingerprint in loaded:
            raise _refused(
                material,
                f"{material.name} is the same key as {loaded[trusted.fingerprint].name}",
                "name each key once: a threshold counts distinct keys",
            )
        loaded[trusted.fingerprint] = trusted
    return tuple(loaded.values())


def well_formed(signature: bytes) -> bool:
    """Whether `signature` could be one of any key: ECDSA's DER, 64 bytes of Ed25519, or RSA's length."""
    if len(signature) == 64 or MIN_RSA_BITS // 8 <= len(signature) <= MAX_RSA_BITS // 8:
        return True
    return _is_der(signature)


def signed(trusted: TrustedKey, signature: bytes, message: bytes) -> bool:
    """Whether `signature` over `message` was made by the key.

    ECDSA: the curve's hash, then SHA-256 (older clients). RSA: PKCS #1 v1.5 with SHA-256. Ed25519: pure, then Ed25519ph.
    """
    key = trusted.key
    if isinstance(key, rsa.RSAPublicKey):
        return _accepted(lambda: key.verify(signature, message, _PADDING, hashes.SHA256()))
    if isinstance(key, ed25519.Ed25519PublicKey):
        if len(signature) != 64:
            return False
        if _accepted(lambda: key.verify(signature, message)):
            return True
        raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return ed25519ph.verifies(raw, signature, message)
    if not _is_der(signature):
        return False
    own = _CURVE_HASHES[key.curve.name]
    if _accepted(lambda: key.verify(signature, message, ec.ECDSA(own))):
        return True
    return own.name != "sha256" and _accepted(lambda: key.verify(signature, message, ec.ECDSA(hashes.SHA256())))


def _accepted(check: Callable[[], None]) -> bool:
    """Whether a check of `cryptography` passes: it raises where it does not."""
    try:
        check()
    except (InvalidSignature, ValueError, UnsupportedAlgorithm):
        return False
    return True


def _is_der(signature: bytes) -> bool:
    try:
        decode_dss_signature(signature)
    except ValueError:
        return False
    return True


def _load(material: ImageKey) -> TrustedKey:
    labels = _PEM.findall(material.pem[:MAX_KEY_BYTES])
    if len(material.pem) > MAX_KEY_BYTES or labels != [b"PUBLIC KEY"]:
        got = " and ".join(sorted({label.decode().lower() for label in labels})) or "no PEM at all"
        if any(b"PRIVATE" in label for label in labels):
            got += " (a secret: it does not belong beside a policy)"
        raise _refused(
            material,
            f"{material.name} holds {got}, expected one PEM block 'PUBLIC KEY'",
            "the .pub file of `cosign generate-key-pair`, or `cosign public-key --key cosign.key`",
        )
    try:
        key = serialization.load_pem_public_key(material.pem)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _refused(material, f"{material.name} is not a public key that can be read", "make it again") from error
    if isinstance(key, rsa.RSAPublicKey):
        if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
            raise _refused(
                material,
                f"{material.name} is an RSA key of {key.key_size} bits, expected {MIN_RSA_BITS} to {MAX_RSA_BITS}",
                "sign with a stronger key: cosign generate-key-pair",
            )
    elif isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.name not in _CURVE_HASHES:
            raise _refused(material, f"{material.name} is on the curve {key.curve.name}, expected P-256, P-384 or P-521", "")
    elif not isinstance(key, ed25519.Ed25519PublicKey):
        raise _refused(material, f"{material.name} is neither ECDSA, RSA nor Ed25519", "")
    spki = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return TrustedKey(material.name, hashlib.sha256(spki).hexdigest(), key)


def _refused(material: ImageKey, message: str, hint: str) -> PolicyError:
    return PolicyError(message, key=material.key, source=material.source, line=material.line, hint=hint)
