"""OpenPGP signature packets of versions 4 and 6 (RFC 9580 section 5.2), read strictly.

Two readers share the packet: `parse_detached`, for the one signature of a git object, and `parse_body`, for the
signatures inside a certificate. All errors are `Malformed`; versions that are not read are `UnsupportedVersion`.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from chainverify.errors import Malformed
from chainverify.formats import armor
from chainverify.formats.openpgp_packets import SIGNATURE, damaged, header, mpis

# kinds of signatures (RFC 9580 section 5.2.1)
BINARY: Final = 0x00
TEXT: Final = 0x01
CERTIFICATIONS: Final = frozenset((0x10, 0x11, 0x12, 0x13))
SUBKEY_BINDING: Final = 0x18
BACK_SIGNATURE: Final = 0x19
DIRECT_KEY: Final = 0x1F
KEY_REVOCATION: Final = 0x20
SUBKEY_REVOCATION: Final = 0x28
USER_ID_REVOCATION: Final = 0x30
REVOCATIONS: Final = frozenset((KEY_REVOCATION, SUBKEY_REVOCATION, USER_ID_REVOCATION))

# public key algorithms (section 9.1)
RSA: Final = frozenset((1, 3))
DSA: Final = 17
ECDSA: Final = 19
EDDSA_LEGACY: Final = 22
ED25519: Final = 27
ED448: Final = 28
_MPI_COUNT: Final[dict[int, int]] = {1: 1, 2: 1, 3: 1, 16: 2, 17: 2, 19: 2, 20: 2, 22: 2}
_RAW_BYTES: Final[dict[int, int]] = {27: 64, 28: 114}

SALT_BYTES: Final[dict[int, int]] = {8: 16, 9: 24, 10: 32, 11: 16, 12: 16, 14: 32}
"""Bytes of the salt of a version 6 signature by its hash (table 23); other hashes have no place in one."""

MAX_SUBPACKETS: Final = 128
"""The most subpackets of one area; gpg writes under ten."""
MAX_EMBEDDED: Final = 4
"""The most embedded signatures of one binding that are tried."""
_RECOGNISED: Final = frozenset((2, 3, 4, 7, 9, 11, 12, 16, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 32, 33, 34, 35, 39))
"""Subpackets that may be marked critical, because they are honoured or ask nothing of a verifier."""


class UnsupportedVersion(Malformed):
    """A signature of a version that is known and not read."""

    rule = "algorithm-forbidden"


class Signature(NamedTuple):
    """A signature packet, not verified.

    `kind` is its type octet. `hashed` is the part that is signed after the data (version to hashed area, and the
    trailer), `salt` what is signed before it (version 6; else empty), `values` the integers without leading zeros, or the raw
    octets of Ed25519 and Ed448. `created` is in seconds since the epoch, `expires` in seconds after it (0: never).
    `fingerprint` and `key_id` are hints at the issuer, from either area. What follows is from the hashed area only and
    matters in certificates: `key_expires` in seconds after the key's creation (0: never), `flags` the first octet of the key
    flags (None without the subpacket), `primary` the primary user id flag, `reason` of a revocation (None without),
    `revokers` fingerprints of designated revokers; `embedded` are bodies of embedded signatures from either area. `notes`
    name tolerated peculiarities.
    """

    kind: int
    algorithm: int
    hash_algorithm: int
    hashed: bytes
    left: bytes
    values: tuple[bytes, ...]
    created: int
    expires: int = 0
    fingerprint: bytes | None = None
    key_id: bytes | None = None
    signer_user_id: bytes | None = None
    key_expires: int = 0
    flags: int | None = None
    primary: bool = False
    reason: int | None = None
    revokers: tuple[bytes, ...] = ()
    embedded: tuple[bytes, ...] = ()
    notes: tuple[str, ...] = ()
    version: int = 4
    salt: bytes = b""


def key_id(fingerprint: bytes) -> bytes:
    """The eight bytes of a fingerprint that are its key id: the last ones, the first of a version 6 key (section 5.5.4)."""
    return fingerprint[-8:] if len(fingerprint) == 20 else fingerprint[:8]


def parse_detached(armored: bytes) -> Signature:
    """The only packet in the armor of a git object's signature; its notes include those of the armor.

    Raises `Malformed`; its rule is `signature-ambiguous` where there are several packets, of which verifiers take
    different ones.
    """
    data, notes = armor.signature(armored)
    tag, start, end = header(data, 0)
    if end != len(data):
        raise Malformed(
            "OpenPGP signature has more than one packet",
            rule="signature-ambiguous",
            hint="sign again with one key; verifiers disagree on which signature counts",
        )
    if tag != SIGNATURE:
        raise damaged(f"expected an OpenPGP signature packet, got a packet of type {tag}")
    found = parse_body(data[start:end])
    return found._replace(notes=notes + found.notes) if notes else found


def parse_body(body: bytes) -> Signature:
    """The signature in a packet's body, read to its exact end. Raises `Malformed`, `UnsupportedVersion`."""
    if len(body) < 10:
        raise damaged("OpenPGP signature is cut off")
    version = body[0]
    if version == 4:
        hashed_at = 6
    elif version == 6:
        hashed_at = 8
    elif version in (2, 3, 5):
        raise UnsupportedVersion(
            f"OpenPGP signature has version {version}, expected 4 or 6", hint="sign with a version 4 key, as gpg makes them"
        )
    else:
        raise damaged(f"OpenPGP signature has the unknown version {version}")
    algorithm = body[2]
    hashed_end = hashed_at + int.from_bytes(body[4:hashed_at], "big")
    unhashed_at = hashed_end + hashed_at - 4
    unhashed_end = unhashed_at + int.from_bytes(body[hashed_end:unhashed_at], "big")
    at = unhashed_end + 2
    if at > len(body):
        raise damaged("OpenPGP signature is cut off in its subpackets")

    fields = _Fields(version)
    fields.read(body, hashed_at, hashed_end, hashed=True)
    fields.read(body, unhashed_at, unhashed_end, hashed=False)
    created = fields.created
    if created is None:
        raise damaged("OpenPGP signature has no creation time under the signature")
    fingerprint, issuer = fields.fingerprint, fields.key_id
    notes: tuple[str, ...] = ()
    if fingerprint is None:
        notes = ("no-issuer-fingerprint",) if issuer else ("no-issuer",)
    elif issuer is not None and fingerprint[-8:] != issuer:
        raise damaged("OpenPGP signature names two different keys as its issuer")
    left = body[unhashed_end:at]
    salt = b""
    if version == 6:
        salt, at = _salt(body, at)

    count = _MPI_COUNT.get(algorithm)
    values: tuple[bytes, ...]
    if count is not None:
        values, end, canonical = mpis(body, at, count)
        if end != len(body):
            raise damaged("OpenPGP signature has bytes after its numbers")
        if not canonical:
            notes += ("noncanonical-mpi",)
    else:
        values = (body[at:],)
        if algorithm in _RAW_BYTES and len(values[0]) != _RAW_BYTES[algorithm]:
            raise damaged(f"OpenPGP signature has {len(values[0])} bytes, expected {_RAW_BYTES[algorithm]}")
    return Signature(
        body[1],
        algorithm,
        body[3],
        body[:hashed_end] + (b"\x06\xff" if salt else b"\x04\xff") + hashed_end.to_bytes(4, "big"),
        left,
        values,
        created,
        fields.expires or 0,
        fingerprint,
        issuer,
        fields.signer_user_id,
        fields.key_expires or 0,
        fields.flags,
        fields.primary,
        fields.reason,
        fields.revokers,
        fields.embedded,
        notes,
        version,
        salt,
    )


def parse_old_revocation(body: bytes) -> Signature:
    """A revocation of version 2 or 3 (RFC 4880 section 5.2.2) by a version 4 key, in the body of a packet. Raises `Malformed`.

    PGP and old GnuPG made such ones, and GnuPG still heeds them. They name a key id, and no reason. `version` is 4, the key's.
    """
    if len(body) < 19 or body[0] not in (2, 3) or body[1] != 5 or body[2] not in REVOCATIONS:
        raise damaged("expected an OpenPGP revocation of version 2 or 3")
    values, end, _ = mpis(body, 19, _MPI_COUNT.get(body[15], 0))
    if not values or end != len(body):
        raise damaged("OpenPGP signature has bytes after its numbers, or an unknown algorithm")
    created = int.from_bytes(body[3:7], "big")
    return Signature(body[2], body[15], body[16], body[2:7], body[17:19], values, created, key_id=body[7:15])


def _salt(body: bytes, at: int) -> tuple[bytes, int]:
    """The salt of a version 6 signature and where it ends. Raises `Malformed` for a size that its hash does not have."""
    size = body[at] if at < len(body) else 0
    salt = body[at + 1 : at + 1 + size]
    expected = SALT_BYTES.get(body[3])
    if not salt or len(salt) != size or size != (expected or size):
        raise damaged(f"OpenPGP signature has a salt of {len(salt)} bytes, expected {expected or 'more'} for its hash")
    return salt, at + 1 + size


class _Fields:
    """What the subpackets of a signature say, gathered over its two areas."""

    def __init__(self, version: int) -> None:
        """Those of a signature of `version`, which is that of its key too."""
        self.version = version

    created: int | None = None
    expires: int | None = None
    fingerprint: bytes | None = None
    key_id: bytes | None = None
    signer_user_id: bytes | None = None
    key_expires: int | None = None
    flags: int | None = None
    primary: bool = False
    reason: int | None = None
    revokers: tuple[bytes, ...] = ()
    embedded: tuple[bytes, ...] = ()

    def read(self, body: bytes, at: int, end: int, *, hashed: bool) -> None:
        """Read one area. From the unhashed one, which anybody can edit, only hints at the issuer and embedded
        signatures, which prove themselves, are taken. Raises `Malformed`."""
        count = 0
        while at < end:
            length = body[at]
            at += 1
            if length >= 192:
                if length < 255:
                    length, at = (length - 192 << 8) + body[at] + 192, at + 1
                else:
                    length, at = int.from_bytes(body[at : at + 4], "big"), at + 4
            stop = at + length
            count += 1
            if not length or stop > end or count > MAX_SUBPACKETS:
                raise damaged("OpenPGP signature has subpackets that do not fit their area, or too many")
            kind = body[at]
            if kind & 0x80:
                kind &= 0x7F
                # a critical notation is unknown to us whatever its name (RFC 9580 section 5.2.3.24)
                if kind not in _RECOGNISED or kind == 20:
                    raise damaged(f"OpenPGP signature asks for the unknown critical subpacket {kind}")
            value = body[at + 1 : stop]
            at = stop
            if kind == 33:
                self._fingerprint(value)
            elif kind == 16:
                self._key_id(value)
            elif kind == 32:
                if len(self.embedded) < MAX_EMBEDDED:
                    self.embedded += (value,)
            elif not hashed:
                continue
            elif kind == 2:
                if self.created is not None:
                    raise damaged("OpenPGP signature has two creation times")
                self.created = _number(value, "creation time")
            else:
                self._other(kind, value)

    def _fingerprint(self, value: bytes) -> None:
        if len(value) != (21 if self.version == 4 else 33) or value[0] != self.version:
            raise damaged(f"OpenPGP signature has an issuer fingerprint that is not of a version {self.version} key")
        if self.fingerprint is not None:
            raise damaged("OpenPGP signature has two issuer fingerprints")
        self.fingerprint = value[1:]

    def _key_id(self, value: bytes) -> None:
        if len(value) != 8:
            raise damaged(f"OpenPGP signature has an issuer key id of {len(value)} bytes, expected 8")
        if self.version != 4:
            raise damaged("OpenPGP signature of version 6 has an issuer key id, which section 5.2.3.12 forbids")
        if self.key_id not in (None, value):
            raise damaged("OpenPGP signature names two different keys as its issuer")
        # eight zero bytes stand for an issuer that is not told
        self.key_id = value if any(value) else None

    def _other(self, kind: int, value: bytes) -> None:
        """Hashed subpackets beside creation time and issuer."""
        if kind == 3:
            if self.expires is not None:
                raise damaged("OpenPGP signature has two expiration times")
            self.expires = _number(value, "expiration time")
        elif kind == 9:
            if self.key_expires is not None:
                raise damaged("OpenPGP signature has two key expiration times")
            self.key_expires = _number(value, "key expiration time")
        elif kind == 27:
            if self.flags is not None:
                raise damaged("OpenPGP signature has key flags twice")
            self.flags = value[0] if value else 0
        elif kind == 25:
            self.primary = value not in (b"", b"\0")
        elif kind == 28:
            if self.signer_user_id not in (None, value):
                raise damaged("OpenPGP signature names two different user ids as its signer")
            self.signer_user_id = value
        elif kind == 29:
            # an empty reason is no reason, which counts as the worst
            self.reason = value[0] if value else None
        elif kind == 12 and len(value) == 22 and value[0] & 0x80:
            self.revokers += (value[2:],)


def _number(value: bytes, what: str) -> int:
    """A time or a period: four octets."""
    if len(value) != 4:
        raise damaged(f"OpenPGP signature has a {what} of {len(value)} bytes, expected 4")
    return int.from_bytes(value, "big")
