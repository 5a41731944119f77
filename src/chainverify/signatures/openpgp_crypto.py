"""The public key algorithms of OpenPGP over the cryptographic library: keys decoded, one signature checked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature

from chainverify.formats import openpgp
from chainverify.formats.openpgp import Signature
from chainverify.formats.openpgp_keys import PublicKey
from chainverify.signatures.ed25519 import Ed25519Key

LibraryKey: TypeAlias = (
    Ed25519Key | ed448.Ed448PublicKey | rsa.RSAPublicKey | ec.EllipticCurvePublicKey | dsa.DSAPublicKey
)

MIN_RSA_BITS: Final = 2048
SMALL_RSA_BITS: Final = 3072
"""RSA under this size is still accepted, with a note."""
MAX_RSA_BITS: Final = 16384
"""The largest RSA modulus that OpenSSL handles."""
MIN_DSA_BITS: Final = 2048
MIN_DSA_ORDER_BITS: Final = 224
"""The least size of q, the order of DSA's group, and so of its digests."""


class Hash(NamedTuple):
    """A hash algorithm: `name` for people, `new` makes a hashlib object, `prehashed` is its name in the library."""

    name: str
    new: Callable[..., Any]
    prehashed: Prehashed
    size: int


def _hash(name: str, library: hashes.HashAlgorithm) -> Hash:
    return Hash(name, getattr(hashlib, name), Prehashed(library), library.digest_size)


MD5: Final = 1
SHA1: Final = 2
RIPEMD160: Final = 3
HASHES: Final[dict[int, Hash]] = {
    # for self-signatures and revocations of their time; openpgp.verify refuses them for signatures of objects
    MD5: _hash("md5", hashes.MD5()),  # noqa: S303
    SHA1: _hash("sha1", hashes.SHA1()),  # noqa: S303
    8: _hash("sha256", hashes.SHA256()),
    9: _hash("sha384", hashes.SHA384()),
    10: _hash("sha512", hashes.SHA512()),
    11: _hash("sha224", hashes.SHA224()),
    12: _hash("sha3_256", hashes.SHA3_256()),
    14: _hash("sha3_512", hashes.SHA3_512()),
}
"""RFC 9580 section 9.5. RIPEMD-160 is not among them: OpenSSL 3 no longer has it by default."""

_CURVES: Final[dict[bytes, tuple[str, type[ec.EllipticCurve]]]] = {
    bytes.fromhex("2a8648ce3d030107"): ("nistp256", ec.SECP256R1),
    bytes.fromhex("2b81040022"): ("nistp384", ec.SECP384R1),
    bytes.fromhex("2b81040023"): ("nistp521", ec.SECP521R1),
    bytes.fromhex("2b2403030208010107"): ("brainpoolP256r1", ec.BrainpoolP256R1),
    bytes.fromhex("2b240303020801010b"): ("brainpoolP384r1", ec.BrainpoolP384R1),
    bytes.fromhex("2b240303020801010d"): ("brainpoolP512r1", ec.BrainpoolP512R1),
}
"""RFC 9580 section 9.2; secp256k1 is left out on purpose."""
_ED25519_LEGACY: Final = bytes.fromhex("2b06010401da470f01")
_OTHER: Final = {2: "RSA for encryption only", 16: "ElGamal", 18: "ECDH", 20: "ElGamal", 25: "X25519", 26: "X448"}
_OLD: Final = frozenset((openpgp.DSA, openpgp.EDDSA_LEGACY))
"""Algorithms that signatures of version 6 never have."""
_PADDING: Final = padding.PKCS1v15()


class Key(NamedTuple):
    """A key ready to verify with: `name` for people, `algorithm` as its signatures name it (3 is written as 1).

    `min_digest` is the least size of a digest in bytes (RFC 9580 sections 5.2.3.2 and 5.2.3.3 to 5.2.3.5), `size` that
    of an RSA modulus. `key` is None where `problem` says why the key can never be used. `notes` are for the evidence.
    `version` is the key's, and that of all its signatures.
    """

    name: str
    algorithm: int
    key: LibraryKey | None
    min_digest: int = 0
    size: int = 0
    problem: str = ""
    notes: tuple[str, ...] = ()
    version: int = 4


def decode(key: PublicKey) -> Key:
    """A key for the library; one that is too weak, or of a kind that does not sign, is a `Key` with a `problem`."""
    found = _decode(key)
    return found if key.version == found.version else found._replace(version=key.version)


def _decode(key: PublicKey) -> Key:
    try:
        if key.version != 4 and key.algorithm in _OLD:
            return Key("", key.algorithm, None, problem=f"its algorithm is not one of version {key.version} keys")
        if key.algorithm in openpgp.RSA:
            return _rsa(key)
        if key.algorithm == openpgp.DSA:
            return _dsa(key)
        if key.algorithm == openpgp.ECDSA:
            found = _CURVES.get(key.curve)
            if found is None:
                return Key("ecdsa", key.algorithm, None, problem="its elliptic curve is not supported")
            name, curve = found
            point = ec.EllipticCurvePublicKey.from_encoded_point(curve(), key.point)
            # a digest of 512 bits is all there is for the 521 bits of the largest curve
            return Key(name, key.algorithm, point, min(64, (point.key_size + 7) // 8))
        if key.algorithm == openpgp.EDDSA_LEGACY:
            if key.curve != _ED25519_LEGACY or len(key.point) != 33 or key.point[0] != 0x40:
                return Key("eddsa", key.algorithm, None, problem="its elliptic curve is not Ed25519")
            return Key("ed25519", key.algorithm, Ed25519Key(key.point[1:]), 32)
        if key.algorithm == openpgp.ED25519:
            return Key("ed25519", key.algorithm, Ed25519Key(key.point), 32)
        if key.algorithm == openpgp.ED448:
            return Key("ed448", key.algorithm, ed448.Ed448PublicKey.from_public_bytes(key.point), 64)
    except (ValueError, UnsupportedAlgorithm):
        return Key("", key.algorithm, None, problem="its numbers are not a valid key of its kind")
    return Key("", key.algorithm, None, problem=f"its algorithm is {algorithm_name(key.algorithm)}")


def algorithm_name(algorithm: int) -> str:
    """The name of an algorithm that is not used for verifying, for people."""
    return _OTHER.get(algorithm, f"number {algorithm}")


def digest(signature: Signature, *data: bytes) -> bytes:
    """What `signature` really signs: the digest of its salt, the data and the signature's hashed part (section 5.2.4).

    Raises `KeyError` for a hash that is not in `HASHES`.
    """
    state = HASHES[signature.hash_algorithm].new(signature.salt, usedforsecurity=False)
    for part in data:
        state.update(part)
    state.update(signature.hashed)
    found: bytes = state.digest()
    return found


def check(key: Key, signature: Signature, signed: bytes) -> None:
    """Raise `InvalidSignature` unless `signature` is one by `key` over the digest `signed`.

    The hash must be in `HASHES` and long enough for the key; numbers out of range are refused by the library.
    """
    library = key.key
    values = signature.values
    if signature.version != key.version:
        raise InvalidSignature
    if isinstance(library, Ed25519Key):
        library.verify(_eddsa(key, signature), signed)
    elif isinstance(library, rsa.RSAPublicKey):
        if signature.algorithm not in openpgp.RSA or len(values[0]) > key.size:
            raise InvalidSignature
        prehashed = HASHES[signature.hash_algorithm].prehashed
        library.verify(values[0].rjust(key.size, b"\0"), signed, _PADDING, prehashed)
    elif isinstance(library, ec.EllipticCurvePublicKey):
        if signature.algorithm != key.algorithm:
            raise InvalidSignature
        r, s = int.from_bytes(values[0], "big"), int.from_bytes(values[1], "big")
        if max(r, s).bit_length() > library.key_size:
            raise InvalidSignature
        prehashed = HASHES[signature.hash_algorithm].prehashed
        library.verify(encode_dss_signature(r, s), signed, ec.ECDSA(prehashed))
    elif isinstance(library, dsa.DSAPublicKey):
        if signature.algorithm != key.algorithm:
            raise InvalidSignature
        r, s = int.from_bytes(values[0], "big"), int.from_bytes(values[1], "big")
        if max(r, s).bit_length() > 8 * key.min_digest:
            raise InvalidSignature
        library.verify(encode_dss_signature(r, s), signed, HASHES[signature.hash_algorithm].prehashed)
    elif library is not None:
        library.verify(_eddsa(key, signature), signed)
    else:
        raise InvalidSignature


def _eddsa(key: Key, signature: Signature) -> bytes:
    """The octets of an EdDSA signature; the old form has two integers that lost their leading zeros."""
    if signature.algorithm != key.algorithm:
        raise InvalidSignature
    if key.algorithm != openpgp.EDDSA_LEGACY:
        return signature.values[0]
    r, s = signature.values
    if len(r) > 32 or len(s) > 32:
        raise InvalidSignature
    return r.rjust(32, b"\0") + s.rjust(32, b"\0")


def _dsa(key: PublicKey) -> Key:
    p, q, g, y = key.dsa
    bits, order = p.bit_length(), q.bit_length()
    name = f"dsa{bits}"
    if bits < MIN_DSA_BITS or order < MIN_DSA_ORDER_BITS:
        least = f"{MIN_DSA_BITS} and {MIN_DSA_ORDER_BITS}"
        return Key(name, openpgp.DSA, None, problem=f"it is DSA with {bits} and {order} bits, expected at least {least}")
    library = dsa.DSAPublicNumbers(y, dsa.DSAParameterNumbers(p, q, g)).public_key()
    return Key(name, openpgp.DSA, library, (order + 7) // 8, notes=("dsa",))


def _rsa(key: PublicKey) -> Key:
    bits = key.modulus.bit_length()
    name = f"rsa{bits}"
    if bits < MIN_RSA_BITS:
        return Key(name, 1, None, problem=f"it is RSA with {bits} bits, expected at least {MIN_RSA_BITS}")
    if bits > MAX_RSA_BITS:
        return Key(name, 1, None, problem=f"it is RSA with {bits} bits, expected at most {MAX_RSA_BITS}")
    library = rsa.RSAPublicNumbers(key.exponent, key.modulus).public_key()
    notes = ("rsa-under-3072",) if bits < SMALL_RSA_BITS else ()
    return Key(name, 1, library, size=(bits + 7) // 8, notes=notes)
