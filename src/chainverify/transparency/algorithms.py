"""The signature algorithms of X.509 and CMS over the cryptographic library: keys decoded, one signature checked.

An algorithm is accepted where it stands in a table here, with exactly the parameters that its specification gives it and by a key
of its kind (RFC 4055, 5754, 5758, 8410). Everything else is refused, not passed on.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from chainverify.errors import Malformed, SignatureError
from chainverify.formats import der
from chainverify.formats.der import DerReader

LibraryKey: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey

MIN_RSA_BITS: Final = 2048
MAX_RSA_BITS: Final = 16384
"""The largest RSA modulus that OpenSSL handles."""
MIN_RSA_EXPONENT: Final = 3

SHA1: Final = "1.3.14.3.2.26"
SHA512: Final = "2.16.840.1.101.3.4.2.3"
HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "2.16.840.1.101.3.4.2.1": hashes.SHA256(),
    "2.16.840.1.101.3.4.2.2": hashes.SHA384(),
    SHA512: hashes.SHA512(),
}
"""The digest algorithms that are accepted."""
WEAK: Final[dict[str, str]] = {
    SHA1: "SHA-1", "1.2.840.113549.2.5": "MD5", "1.2.840.113549.2.2": "MD2", "2.16.840.1.101.3.4.2.4": "SHA-224",
    "1.3.36.3.2.1": "RIPEMD-160",
}  # fmt: skip
"""Digest algorithms that are known, and too weak or too rare to accept; SHA-1 may have been good enough once."""

ED25519: Final = "1.3.101.112"
_RSA: Final = "1.2.840.113549.1.1.1"
_PSS: Final = "1.2.840.113549.1.1.10"
_MGF1: Final = "1.2.840.113549.1.1.8"
_RSA_WITH: Final[dict[str, str]] = {
    "1.2.840.113549.1.1.5": SHA1,
    "1.2.840.113549.1.1.11": "2.16.840.1.101.3.4.2.1",
    "1.2.840.113549.1.1.12": "2.16.840.1.101.3.4.2.2",
    "1.2.840.113549.1.1.13": SHA512,
}
_ECDSA_WITH: Final[dict[str, str]] = {
    "1.2.840.10045.4.1": SHA1,
    "1.2.840.10045.4.3.2": "2.16.840.1.101.3.4.2.1",
    "1.2.840.10045.4.3.3": "2.16.840.1.101.3.4.2.2",
    "1.2.840.10045.4.3.4": SHA512,
}
_WEAK_SIGNATURES: Final = {
    "1.2.840.113549.1.1.4": "MD5 with RSA", "1.2.840.113549.1.1.2": "MD2 with RSA", "1.2.840.113549.1.1.14": "SHA-224 with RSA",
    "1.2.840.10045.4.3.1": "SHA-224 with ECDSA",
}  # fmt: skip
_CURVES: Final = ("secp256r1", "secp384r1", "secp521r1")
_PRIME: Final = (1 << 255) - 19
_ORDER_8: Final = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD83D3D706A17C7
_SMALL_ORDER: Final = frozenset({0, 1, _PRIME - 1, _ORDER_8, _PRIME - _ORDER_8})
"""The y coordinates of Ed25519's points of small order: with such a key one signature fits many messages."""


class Key(NamedTuple):
    """A key ready to verify with: `name` for people, such as `rsa3072`."""

    name: str
    library: LibraryKey


def decode(spki: bytes, what: str) -> Key:
    """The key in a SubjectPublicKeyInfo (DER). `what` names it in errors.

    Raises `SignatureError` with code `WEAK_KEY` for RSA of too few or too many bits, `UNSUPPORTED` for keys of other kinds (keys
    for PSS alone among them, whose restrictions the library drops), and `Malformed` for one that is no valid key.
    """
    algorithm, _ = identifier(DerReader(spki, what).enter(der.SEQUENCE).element(der.SEQUENCE))
    try:
        key = serialization.load_der_public_key(spki)
    except UnsupportedAlgorithm as error:
        raise _unsupported(f"{what} is a key of the kind {algorithm}, expected RSA, ECDSA on a NIST curve or Ed25519") from error
    except ValueError as error:
        raise Malformed(f"{what} is not a valid key", rule="signature-bad") from error
    if isinstance(key, rsa.RSAPublicKey) and algorithm == _RSA:
        if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
            raise SignatureError(
                f"{what} is RSA with {key.key_size} bits, expected {MIN_RSA_BITS} to {MAX_RSA_BITS}",
                code="WEAK_KEY",
                rule="algorithm-forbidden",
                hint="get a new certificate for a stronger key",
            )
        if key.public_numbers().e < MIN_RSA_EXPONENT:
            raise Malformed(f"{what} is not a valid key", rule="signature-bad")
        return Key(f"rsa{key.key_size}", key)
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return Key(f"nistp{key.key_size}", key)
    if isinstance(key, ed25519.Ed25519PublicKey):
        if (int.from_bytes(key.public_bytes_raw(), "little") & (1 << 255) - 1) % _PRIME in _SMALL_ORDER:
            raise Malformed(f"{what} is not a valid key", rule="signature-bad")
        return Key("ed25519", key)
    raise _unsupported(f"{what} is a key of the kind {algorithm}, expected RSA, ECDSA on a NIST curve or Ed25519")


def identifier(data: bytes) -> tuple[str, bytes]:
    """Algorithm and DER of the parameters of an AlgorithmIdentifier. Raises `Malformed`."""
    outer = DerReader(data, "algorithm")
    reader = outer.enter(der.SEQUENCE)
    outer.end()
    oid = reader.oid()
    parameters = reader.element() if reader.more else b""
    reader.end()
    return oid, parameters


def check(  # noqa: PLR0917
    key: Key, oid: str, parameters: bytes, signature: bytes, data: bytes, digest: str | None = None, *, sha1: bool = False
) -> str:
    """The name of the algorithm, once `signature` proves to be one by `key` over `data`.

    `oid` and `parameters` (DER, or empty) are the algorithm. `digest` is the digest algorithm that a CMS signature names beside
    it: the two must agree, and where the algorithm says no more than RSA it decides. SHA-1 is accepted where `sha1` is set.

    Raises `InvalidSignature` where the signature does not fit, and `SignatureError` (`WEAK_HASH`, `UNSUPPORTED`) or `Malformed`
    for algorithms and parameters that are not accepted, or that do not agree with each other.
    """
    library = key.library
    if oid in _WEAK_SIGNATURES:
        raise _weak(_WEAK_SIGNATURES[oid])
    if oid == ED25519:
        if not isinstance(library, ed25519.Ed25519PublicKey):
            raise _disagree("Ed25519", key)
        # RFC 8419 section 2.3 asks for SHA-512 over the content
        if parameters or digest not in {None, SHA512}:
            raise _unsupported("Ed25519 is used with parameters, or with another digest than SHA-512")
        library.verify(signature, data)
        return "ed25519"
    if oid in {_RSA, _PSS, *_RSA_WITH}:
        if not isinstance(library, rsa.RSAPublicKey):
            raise _disagree("RSA", key)
        return _rsa(library, oid, parameters, signature, data, digest, sha1=sha1)
    if oid in _ECDSA_WITH:
        if not isinstance(library, ec.EllipticCurvePublicKey):
            raise _disagree("ECDSA", key)
        if parameters:
            raise _unsupported("ECDSA is used with parameters")
        hashing = accepted_hash(_agreed(_ECDSA_WITH[oid], digest), sha1=sha1)
        _strict_ecdsa(signature)
        library.verify(signature, data, ec.ECDSA(hashing))
        return f"ecdsa/{hashing.name}"
    raise _unsupported(f"signature algorithm is {oid}, expected RSA, ECDSA or Ed25519")


def accepted_hash(oid: str, *, sha1: bool = False) -> hashes.HashAlgorithm:
    """The digest algorithm. Raises `SignatureError` with code `WEAK_HASH` or `UNSUPPORTED`."""
    found = HASHES.get(oid)
    if found is not None:
        return found
    if oid == SHA1 and sha1:
        return hashes.SHA1()  # noqa: S303 - the policy accepts it, for signatures of its time
    if oid in WEAK:
        raise _weak(WEAK[oid])
    raise _unsupported(f"digest algorithm is {oid}, expected SHA-256, SHA-384 or SHA-512")


def _rsa(  # noqa: PLR0917
    library: rsa.RSAPublicKey, oid: str, parameters: bytes, signature: bytes, data: bytes, digest: str | None, *, sha1: bool
) -> str:
    if len(signature) != (library.key_size + 7) // 8:
        raise InvalidSignature
    if oid == _PSS:
        named, salt = _pss_parameters(parameters)
        hashing = accepted_hash(_agreed(named, digest), sha1=sha1)
        if salt > (library.key_size + 6) // 8 - hashing.digest_size - 2:
            raise InvalidSignature
        library.verify(signature, data, padding.PSS(padding.MGF1(hashing), salt), hashing)
        return f"rsa-pss/{hashing.name}"
    if parameters not in {b"", b"\x05\x00"}:
        raise _unsupported("RSA is used with parameters")
    if oid != _RSA:
        named = _agreed(_RSA_WITH[oid], digest)
    elif digest is not None:
        named = digest
    else:
        raise _unsupported("RSA is used without a hash")
    hashing = accepted_hash(named, sha1=sha1)
    library.verify(signature, data, padding.PKCS1v15(), hashing)
    return f"rsa/{hashing.name}"


def _pss_parameters(parameters: bytes) -> tuple[str, int]:
    """Hash and salt length of RSASSA-PSS-params (RFC 4055 section 3.1). The mask's hash must be the same one.

    Every default is SHA-1's, so parameters that leave the hash out are SHA-1.
    """
    if not parameters:
        raise _unsupported("RSA-PSS is used without parameters")
    outer = DerReader(parameters, "RSA-PSS parameters")
    reader = outer.enter(der.SEQUENCE)
    outer.end()
    named = mask = SHA1
    salt = 20
    if reader.at(der.context(0)):
        explicit = reader.enter(der.context(0))
        named = _hash(explicit.element(der.SEQUENCE))
        explicit.end()
    if reader.at(der.context(1)):
        explicit = reader.enter(der.context(1))
        function = explicit.enter(der.SEQUENCE)
        explicit.end()
        if (oid := function.oid()) != _MGF1:
            raise _unsupported(f"RSA-PSS is used with the mask function {oid}, expected MGF1")
        mask = _hash(function.element(der.SEQUENCE))
        function.end()
    if reader.at(der.context(2)):
        explicit = reader.enter(der.context(2))
        salt = explicit.integer()
        explicit.end()
    if reader.at(der.context(3)):
        explicit = reader.enter(der.context(3))
        trailer = explicit.integer()
        explicit.end()
        if trailer != 1:
            raise _unsupported(f"RSA-PSS is used with the trailer field {trailer}, expected 1")
    reader.end()
    if mask != named:
        raise _unsupported("RSA-PSS is used with one hash for the message and another for the mask")
    if salt < 0:
        raise _unsupported(f"RSA-PSS is used with a salt of {salt} bytes")
    return named, salt


def _hash(algorithm: bytes) -> str:
    oid, parameters = identifier(algorithm)
    if parameters not in {b"", b"\x05\x00"}:
        raise _unsupported("RSA-PSS is used with a hash with parameters")
    return oid


def _agreed(named: str, digest: str | None) -> str:
    """The hash of a signature algorithm, which must be the one that the signature names for the content."""
    if digest is not None and digest != named:
        raise Malformed(
            f"signature names the digest algorithm {digest} and a signature algorithm with the hash {named}", rule="signature-bad"
        )
    return named


def _strict_ecdsa(signature: bytes) -> None:
    try:
        decode_dss_signature(signature)
    except ValueError as error:
        raise InvalidSignature from error


def _disagree(algorithm: str, key: Key) -> Malformed:
    return Malformed(f"signature is one of {algorithm}, and the key is {key.name}", rule="signature-bad")


def _weak(name: str) -> SignatureError:
    return SignatureError(
        f"the hash is {name}, expected SHA-256 or better", code="WEAK_HASH", rule="algorithm-forbidden",
        hint="sign with SHA-256",
    )


def _unsupported(message: str) -> SignatureError:
    return SignatureError(message, code="UNSUPPORTED", rule="algorithm-forbidden")
