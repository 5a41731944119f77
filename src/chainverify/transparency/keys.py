"""Public keys of a Sigstore trust root (`PublicKeyDetails` of protobuf-specs): did this key sign these bytes?"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from chainverify.formats.sshwire import damaged

PublicKey: TypeAlias = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey

MIN_RSA_BITS: Final = 2048
MAX_RSA_BITS: Final = 16384

_CURVES: Final[dict[str, tuple[str, hashes.HashAlgorithm]]] = {
    "PKIX_ECDSA_P256_SHA_256": ("secp256r1", hashes.SHA256()),
    "PKIX_ECDSA_P384_SHA_384": ("secp384r1", hashes.SHA384()),
    "PKIX_ECDSA_P521_SHA_512": ("secp521r1", hashes.SHA512()),
}
_RSA_PKIX: Final = frozenset({
    "PKIX_RSA_PKCS1V15_2048_SHA256", "PKIX_RSA_PKCS1V15_3072_SHA256", "PKIX_RSA_PKCS1V15_4096_SHA256", "PKIX_RSA_PKCS1V5",
})  # fmt: skip
_RSA_PKCS1: Final = "PKCS1_RSA_PKCS1V5"
_ED25519: Final = "PKIX_ED25519"


class TrustedKey(NamedTuple):
    """A key with the one hash that it is used with, None for Ed25519, which has its own."""

    key: PublicKey
    hash: hashes.HashAlgorithm | None


def load(data: bytes, details: str, what: str) -> TrustedKey:
    """The key in `data`, encoded as `details` says. Raises `Malformed` where it is not such a key, `what` names it there."""
    if details not in {*_CURVES, *_RSA_PKIX, _RSA_PKCS1, _ED25519}:
        raise damaged(f"{what} is a key of the kind {details[:60]!r}, which is not supported")
    try:
        # this reader takes both SubjectPublicKeyInfo and the bare RSAPublicKey of PKCS #1
        key = serialization.load_der_public_key(data)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise damaged(f"{what} is not a public key") from error
    if isinstance(key, ed25519.Ed25519PublicKey) and details == _ED25519:
        return TrustedKey(key, None)
    if isinstance(key, ec.EllipticCurvePublicKey) and details in _CURVES and key.curve.name == _CURVES[details][0]:
        return TrustedKey(key, _CURVES[details][1])
    if isinstance(key, rsa.RSAPublicKey) and (details in _RSA_PKIX or details == _RSA_PKCS1):
        if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
            raise damaged(f"{what} is an RSA key of {key.key_size} bits, expected {MIN_RSA_BITS} to {MAX_RSA_BITS}")
        if _encoded(key, pkcs1=details == _RSA_PKCS1) == data:
            return TrustedKey(key, hashes.SHA256())
    raise damaged(f"{what} is not the {details} that it says")


def signed(trusted: TrustedKey, signature: bytes, message: bytes) -> bool:
    """Whether the key made `signature` over `message`."""
    key = trusted.key
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, message)
        elif trusted.hash is None:
            return False
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, message, ec.ECDSA(trusted.hash))
        else:
            key.verify(signature, message, padding.PKCS1v15(), trusted.hash)
    except InvalidSignature:
        return False
    return True


def spki(trusted: TrustedKey) -> bytes:
    """The key's SubjectPublicKeyInfo in DER."""
    return _encoded(trusted.key, pkcs1=False)


def _encoded(key: PublicKey, *, pkcs1: bool) -> bytes:
    form = serialization.PublicFormat.PKCS1 if pkcs1 else serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(serialization.Encoding.DER, form)
