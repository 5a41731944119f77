"""OpenPGP packets that no honest tool makes: a small forger over real private keys.

    key = ForgedKey.create("ed25519")
    body = key.sign(BINARY, PAYLOAD, hashed=[created(START), issuer(key)])
    armored = armor(packet(2, body))
    newer = ForgedKey.create("ed25519-new", version=6)      # keys and signatures of RFC 9580

Every part can be given wrongly on purpose; with nothing but defaults the result is what gpg would make.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature

from tests.world.repository import START

CREATED = START - 86_400 * 30
_HASHES: dict[int, tuple[str, hashes.HashAlgorithm]] = {
    1: ("md5", hashes.MD5()), 2: ("sha1", hashes.SHA1()), 8: ("sha256", hashes.SHA256()), 9: ("sha384", hashes.SHA384()),
    10: ("sha512", hashes.SHA512()), 11: ("sha224", hashes.SHA224()), 12: ("sha3_256", hashes.SHA3_256()),
    14: ("sha3_512", hashes.SHA3_512()),
}
_CURVES: dict[str, tuple[bytes, ec.EllipticCurve]] = {
    "nistp256": (bytes.fromhex("2a8648ce3d030107"), ec.SECP256R1()),
    "nistp384": (bytes.fromhex("2b81040022"), ec.SECP384R1()),
    "nistp521": (bytes.fromhex("2b81040023"), ec.SECP521R1()),
    "secp256k1": (bytes.fromhex("2b8104000a"), ec.SECP256K1()),
    "brainpoolP256r1": (bytes.fromhex("2b2403030208010107"), ec.BrainpoolP256R1()),
    "brainpoolP384r1": (bytes.fromhex("2b240303020801010b"), ec.BrainpoolP384R1()),
    "brainpoolP512r1": (bytes.fromhex("2b240303020801010d"), ec.BrainpoolP512R1()),
}
SALT_BYTES = {8: 16, 9: 24, 10: 32, 11: 16, 12: 16, 14: 32}
"""Sizes of the salts of version 6 signatures (RFC 9580 table 23)."""


def packet(tag: int, body: bytes, *, old: bool = True) -> bytes:
    """A packet with an old header as gpg writes it, or a new one."""
    if old and tag < 16:
        if len(body) < 256:
            return bytes([0x80 | tag << 2, len(body)]) + body
        return bytes([0x81 | tag << 2]) + len(body).to_bytes(2, "big") + body
    return bytes([0xC0 | tag, 0xFF]) + len(body).to_bytes(4, "big") + body


def mpi(value: int | bytes, pad: int = 0) -> bytes:
    """A multiprecision integer; `pad` leading zero bytes are counted as if they were part of it."""
    number = int.from_bytes(value, "big") if isinstance(value, bytes) else value
    size = (number.bit_length() + 7) // 8
    bits = number.bit_length() if not pad else 8 * (size + pad)
    return bits.to_bytes(2, "big") + bytes(pad) + number.to_bytes(size, "big")


def subpacket(kind: int, value: bytes, *, critical: bool = False) -> bytes:
    """A subpacket with its length."""
    length = len(value) + 1
    size = bytes([length]) if length < 192 else b"\xff" + length.to_bytes(4, "big")
    return size + bytes([kind | (0x80 if critical else 0)]) + value


def created(when: int) -> bytes:
    """A creation time subpacket."""
    return subpacket(2, when.to_bytes(4, "big"))


def issuer(key: ForgedKey) -> bytes:
    """An issuer fingerprint subpacket."""
    return subpacket(33, bytes([key.version]) + key.fingerprint)


def issuer_id(key: ForgedKey) -> bytes:
    """An issuer key id subpacket; a version 6 key has none."""
    return subpacket(16, key.fingerprint[-8:]) if key.version == 4 else b""


def flags(value: int) -> bytes:
    """A key flags subpacket: 1 certify, 2 sign."""
    return subpacket(27, bytes([value]))


def expires(seconds: int) -> bytes:
    """A key expiration subpacket, in seconds after the key's creation."""
    return subpacket(9, seconds.to_bytes(4, "big"))


def reason(code: int) -> bytes:
    """A reason for revocation subpacket."""
    return subpacket(29, bytes([code]))


class ForgedKey(NamedTuple):
    """A private key and its public key packet's body, of version 4 or 6."""

    private: Any
    algorithm: int
    body: bytes
    made: int
    version: int = 4

    @classmethod
    def create(cls, kind: str = "ed25519", *, when: int = CREATED, private: Any = None, version: int = 4) -> ForgedKey:
        """A new key: ed25519 and ed448-legacy (algorithm 22), ed25519-new (27), ed448 (28), rsaBITS, dsaBITS, or a curve."""
        raw = serialization.Encoding.Raw, serialization.PublicFormat.Raw
        if kind == "ed25519":
            private = private or ed25519.Ed25519PrivateKey.generate()
            point = b"\x40" + private.public_key().public_bytes(*raw)
            algorithm, material = 22, b"\x09" + bytes.fromhex("2b06010401da470f01") + mpi(point)
        elif kind == "ed448-legacy":
            private = private or ed448.Ed448PrivateKey.generate()
            algorithm, material = 22, b"\x03" + bytes.fromhex("2b6571") + mpi(b"\x40" + private.public_key().public_bytes(*raw))
        elif kind in ("ed25519-new", "ed448"):
            private = private or (ed448.Ed448PrivateKey if kind == "ed448" else ed25519.Ed25519PrivateKey).generate()
            algorithm, material = 28 if kind == "ed448" else 27, private.public_key().public_bytes(*raw)
        elif kind.startswith("rsa"):
            private = private or rsa.generate_private_key(65537, int(kind[3:]))
            numbers = private.public_key().public_numbers()
            algorithm, material = 1, mpi(numbers.n) + mpi(numbers.e)
        elif kind.startswith("dsa"):
            private = private or dsa.generate_private_key(int(kind[3:]))
            numbers = private.public_key().public_numbers()
            parameters = numbers.parameter_numbers
            algorithm, material = 17, mpi(parameters.p) + mpi(parameters.q) + mpi(parameters.g) + mpi(numbers.y)
        else:
            oid, curve = _CURVES[kind]
            private = private or ec.generate_private_key(curve)
            point = private.public_key().public_bytes(
                serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
            )
            algorithm, material = 19, bytes([len(oid)]) + oid + mpi(point)
        size = len(material).to_bytes(4, "big") if version == 6 else b""
        return cls(
            private, algorithm, bytes([version]) + when.to_bytes(4, "big") + bytes([algorithm]) + size + material, when, version
        )

    @property
    def prefix(self) -> bytes:
        """The key as it goes into fingerprints and signatures."""
        if self.version == 6:
            return b"\x9b" + len(self.body).to_bytes(4, "big") + self.body
        return b"\x99" + len(self.body).to_bytes(2, "big") + self.body

    @property
    def fingerprint(self) -> bytes:
        """The 20 bytes of its fingerprint, 32 of a version 6 key."""
        return (hashlib.sha256 if self.version == 6 else hashlib.sha1)(self.prefix).digest()

    def sign(
        self,
        kind: int,
        *data: bytes,
        hashed: Sequence[bytes] | None = None,
        unhashed: Sequence[bytes] | None = None,
        hashing: int | None = None,
        when: int = START,
        pad: int = 0,
        left: bytes | None = None,
        algorithm: int | None = None,
        version: int | None = None,
        salt: bytes | None = None,
    ) -> bytes:
        """The body of a signature packet.

        `hashed` replaces creation time and issuer fingerprint, `unhashed` the issuer's key id, without which gpg 2.2
        knows no self-signature; `pad` adds leading zero bytes to its integers, `left` replaces the first two bytes of
        the digest, `salt` the random one of version 6.
        """
        if hashing is None:
            hashing = 10 if self.algorithm in (19, 28) else 8
        area = b"".join(hashed if hashed is not None else [created(when), issuer(self)])
        algorithm = algorithm or self.algorithm
        version = version or self.version
        width = 4 if version == 6 else 2
        if salt is None:
            salt = os.urandom(SALT_BYTES.get(hashing, 16)) if version == 6 else b""
        start = bytes([version, kind, algorithm, hashing]) + len(area).to_bytes(width, "big") + area
        name, library = _HASHES[hashing]
        trailer = bytes([version, 0xFF]) + len(start).to_bytes(4, "big")
        digest = hashlib.new(name, salt + b"".join(data) + start + trailer).digest()
        loose = b"".join(unhashed if unhashed is not None else [issuer_id(self)])
        end = self._value(digest, library, pad)
        if version == 6:
            end = bytes([len(salt)]) + salt + end
        return start + len(loose).to_bytes(width, "big") + loose + (left if left is not None else digest[:2]) + end

    def _value(self, digest: bytes, library: hashes.HashAlgorithm, pad: int) -> bytes:
        if self.algorithm == 22:
            value = self.private.sign(digest)
            half = len(value) // 2
            return mpi(value[:half], pad) + mpi(value[half:], pad)
        if self.algorithm in (27, 28):
            value = self.private.sign(digest)
            assert isinstance(value, bytes)
            return value
        if self.algorithm == 1:
            return mpi(self.private.sign(digest, padding.PKCS1v15(), Prehashed(library)), pad)
        arguments = [Prehashed(library)] if self.algorithm == 17 else [ec.ECDSA(Prehashed(library))]
        r, s = decode_dss_signature(self.private.sign(digest, *arguments))
        return mpi(r, pad) + mpi(s, pad)


class Bound(NamedTuple):
    """A subkey for `certificate`: the key and the bodies of the signatures after it."""

    key: ForgedKey
    signatures: Sequence[bytes]


def self_signature(key: ForgedKey, user_id: bytes, *extra: bytes, when: int = CREATED, **wrong: Any) -> bytes:
    """A certification of `user_id` by its own key; `extra` are further hashed subpackets."""
    data = b"\xb4" + len(user_id).to_bytes(4, "big") + user_id
    hashed = wrong.pop("hashed", [created(when), issuer(key), *(extra or [flags(3)])])
    return key.sign(wrong.pop("kind", 0x13), key.prefix, data, hashed=hashed, **wrong)


def direct_key(key: ForgedKey, *extra: bytes, when: int = CREATED, **wrong: Any) -> bytes:
    """A direct key signature; `extra` are further hashed subpackets."""
    return key.sign(0x1F, key.prefix, hashed=[created(when), issuer(key), *(extra or [flags(3)])], **wrong)


def back_signature(primary: ForgedKey, subkey: ForgedKey, *, when: int = CREATED, **wrong: Any) -> bytes:
    """A subkey's signature over its own adoption, as a subpacket."""
    return subpacket(32, subkey.sign(wrong.pop("kind", 0x19), primary.prefix, subkey.prefix, when=when, **wrong))


def binding(
    primary: ForgedKey, subkey: ForgedKey, *extra: bytes, when: int = CREATED, back: bytes | None = None, **wrong: Any
) -> bytes:
    """A binding of `subkey` for signing, with its back-signature (`back=b""` for none)."""
    loose = [back_signature(primary, subkey)] if back is None else [back] if back else []
    hashed = [created(when), issuer(primary), *(extra or [flags(2)])]
    return primary.sign(0x18, primary.prefix, subkey.prefix, hashed=hashed, unhashed=[issuer_id(primary), *loose], **wrong)


def certificate(
    primary: ForgedKey,
    users: Sequence[tuple[bytes, Sequence[bytes]]] | None = None,
    subkeys: Sequence[Bound] = (),
    direct: Sequence[bytes] = (),
) -> bytes:
    """The packets of a certificate; without `users` it has one user id, `Alice <alice@example.org>`, self-signed.

    One of version 6 gets the direct key signature that it must have, where `direct` gives none.
    """
    if users is None:
        text = b"Alice <alice@example.org>"
        users = [(text, [self_signature(primary, text)])]
    if primary.version == 6 and not direct:
        direct = [direct_key(primary)]
    out = packet(6, primary.body) + b"".join(packet(2, body) for body in direct)
    for text, signatures in users:
        out += packet(13, text) + b"".join(packet(2, body) for body in signatures)
    for subkey in subkeys:
        out += packet(14, subkey.key.body) + b"".join(packet(2, body) for body in subkey.signatures)
    return out


def crc24(data: bytes) -> bytes:
    """The checksum of RFC 4880 section 6.1, bit by bit as printed there."""
    crc = 0xB704CE
    for byte in data:
        crc ^= byte << 16
        for _ in range(8):
            crc <<= 1
            if crc & 0x1000000:
                crc ^= 0x1864CFB
    return crc.to_bytes(3, "big")


def armor(data: bytes, label: str = "PGP SIGNATURE", *, headers: Sequence[str] = (), crc: bytes | None = None) -> bytes:
    """An armor without a final LF; `crc` replaces the checksum (`b""` for none)."""
    text = base64.b64encode(data).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    check = crc24(data) if crc is None else crc
    end = ["=" + base64.b64encode(check).decode()] if check else []
    return "\n".join([f"-----BEGIN {label}-----", *headers, "", *lines, *end, f"-----END {label}-----"]).encode()
