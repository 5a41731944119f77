"""OpenPGP certificates (RFC 9580 sections 5.5, 5.11, 10.1): their structure, before anything in them is verified.

Readers of key files as a policy names them: armored or binary, one certificate or many, and lone revocations as
`gpg --gen-revoke` writes them. What belongs together by position is kept together; whether it belongs together by
signature is for `signatures` to find out. All errors are `Malformed`.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable
from typing import Final, NamedTuple

from chainverify.errors import Malformed
from chainverify.formats import armor, openpgp_packets
from chainverify.formats.openpgp import (
    BACK_SIGNATURE,
    BINARY,
    DIRECT_KEY,
    DSA,
    ECDSA,
    ED448,
    ED25519,
    EDDSA_LEGACY,
    KEY_REVOCATION,
    REVOCATIONS,
    TEXT,
    Signature,
    UnsupportedVersion,
    key_id,
    parse_body,
    parse_old_revocation,
)
from chainverify.formats.openpgp_packets import Packet, damaged, mpis

MAX_FILE_BYTES: Final = 8 << 20
"""The largest key file that is read; larger ones are full of other people's certifications."""
MAX_CERTIFICATES: Final = 1024
"""The most certificates of one key file."""
MAX_COMPONENTS: Final = 256
"""The most user ids and subkeys of one certificate."""

_IGNORED: Final = frozenset((openpgp_packets.TRUST, openpgp_packets.MARKER, openpgp_packets.PADDING))
_NO_PLACE: Final = frozenset((BINARY, TEXT, BACK_SIGNATURE))
_RSA: Final = frozenset((1, 2, 3))
_RAW_BYTES: Final[dict[int, int]] = {ED25519: 32, ED448: 57}


class PublicKey(NamedTuple):
    """A public key: `fingerprint` has 20 bytes (version 6: 32), `created` is in seconds since the epoch.

    The numbers of its kind are `modulus` and `exponent` for RSA, `dsa` (p, q, g, y), `curve` (the bytes of its OID) and
    `point` for elliptic curves, `point` for Ed25519 and Ed448; for algorithms that are not read all are empty.
    """

    body: bytes
    fingerprint: bytes
    created: int
    algorithm: int
    modulus: int = 0
    exponent: int = 0
    curve: bytes = b""
    point: bytes = b""
    dsa: tuple[int, ...] = ()
    version: int = 4


class UserId(NamedTuple):
    """A user id (or, `attribute`, an image) as bytes, and the signatures that stand after it."""

    data: bytes
    attribute: bool
    signatures: tuple[Signature, ...]


class Subkey(NamedTuple):
    """A subkey and the signatures that stand after it."""

    key: PublicKey
    signatures: tuple[Signature, ...]


class Certificate(NamedTuple):
    """A certificate as it stands in a file; `signatures` are those over the primary key alone."""

    primary: PublicKey
    signatures: tuple[Signature, ...]
    user_ids: tuple[UserId, ...]
    subkeys: tuple[Subkey, ...]


class KeyFile(NamedTuple):
    """What a key file holds: certificates, and revocations that stand for themselves."""

    certificates: tuple[Certificate, ...]
    revocations: tuple[Signature, ...]


def parse_file(data: bytes) -> KeyFile:
    """The certificates of a key file. Raises `Malformed` for damage, private keys, and a file without any."""
    if len(data) > MAX_FILE_BYTES:
        raise Malformed(
            f"key file has {len(data)} bytes, at most {MAX_FILE_BYTES} are read",
            rule="signature-bad",
            hint="leave out other people's certifications: gpg --export-options export-minimal --export",
        )
    # some editors write a byte order mark before text
    data = data.removeprefix(b"\xef\xbb\xbf")
    blocks = armor.key_blocks(data) if armor.is_armored(data) else (data,)
    certificates: list[Certificate] = []
    revocations: list[Signature] = []
    for block in blocks:
        found = _block(openpgp_packets.read(block))
        certificates += found.certificates
        revocations += found.revocations
        if len(certificates) > MAX_CERTIFICATES:
            raise damaged(f"key file has more than {MAX_CERTIFICATES} certificates")
    if not certificates and not revocations:
        raise damaged("key file holds no OpenPGP certificate")
    return KeyFile(tuple(certificates), tuple(revocations))


def split(data: bytes) -> tuple[bytes, ...]:
    """The packets of each certificate in packets, as they are. Raises `Malformed` where they are not whole or start otherwise."""
    starts: list[int] = []
    at = 0
    while at < len(data):
        tag, _, end = openpgp_packets.header(data, at)
        if tag == openpgp_packets.PUBLIC_KEY:
            starts.append(at)
        elif not starts:
            raise damaged(f"expected an OpenPGP public key, got a packet of type {tag}")
        at = end
    return tuple(data[start:end] for start, end in itertools.pairwise([*starts, len(data)]))


def without_others(data: bytes) -> bytes:
    """The packets of one certificate without other people's certifications and what cannot be read.

    What names its own key as the issuer stays, or nobody, and every revocation: a designated revoker may have made it.
    Raises `Malformed` where its primary key cannot be read.
    """
    fingerprint = b""
    kept: list[bytes] = []
    at = 0
    while at < len(data):
        tag, start, end = openpgp_packets.header(data, at)
        if not fingerprint:
            fingerprint = parse_key(data[start:end]).fingerprint
        if tag == openpgp_packets.SIGNATURE:
            found = _signature(Packet(tag, data[start:end]))
            own = found is not None and (
                found.kind in REVOCATIONS
                or (found.fingerprint in (None, fingerprint) and found.key_id in (None, key_id(fingerprint)))
            )
        else:
            own = tag not in _IGNORED
        if own:
            kept.append(data[at:end])
        at = end
    return b"".join(kept)


def merge(one: Certificate, other: Certificate) -> Certificate:
    """Two copies of a certificate as one that holds everything of both: a copy can add a revocation, never hide one."""
    users: dict[tuple[bytes, bool], tuple[Signature, ...]] = {}
    for user in (*one.user_ids, *other.user_ids):
        users[user.data, user.attribute] = users.get((user.data, user.attribute), ()) + user.signatures
    subkeys: dict[bytes, Subkey] = {}
    for subkey in (*one.subkeys, *other.subkeys):
        known = subkeys.get(subkey.key.fingerprint)
        subkeys[subkey.key.fingerprint] = Subkey(subkey.key, (known.signatures if known else ()) + subkey.signatures)
    return _checked(
        Certificate(
            one.primary,
            _once((*one.signatures, *other.signatures)),
            tuple(UserId(data, attribute, _once(found)) for (data, attribute), found in users.items()),
            tuple(Subkey(subkey.key, _once(subkey.signatures)) for subkey in subkeys.values()),
        )
    )


def email(user_id: bytes) -> str | None:
    """The address in a user id, as it is written there; None where it holds no plain one.

    It is what stands in the last `<...>`, or the whole text where that is an address. Only printable ASCII with one `@`
    is taken, so that what is compared with a committer's address has one reading.
    """
    text = user_id
    if user_id.endswith(b">"):
        text = user_id[user_id.rfind(b"<") + 1 : -1]
    local, at, domain = text.partition(b"@")
    if not at or not local or not domain or b"@" in domain or len(text) > 254:
        return None
    if any(not 0x21 <= byte <= 0x7E or byte in b'<>()",;:\\' for byte in text):
        return None
    return text.decode("ascii")


def parse_key(body: bytes) -> PublicKey:
    """The key in the body of a public key or subkey packet. Raises `Malformed`."""
    if len(body) < 7:
        raise damaged("OpenPGP key is cut off")
    version = body[0]
    if version not in (4, 6):
        raise Malformed(
            f"OpenPGP key has version {version}, expected 4 or 6",
            rule="algorithm-forbidden",
            hint="use a version 4 key, as gpg makes them",
        )
    if len(body) > 0xFFFF:
        raise damaged(f"OpenPGP key has {len(body)} bytes, expected at most {0xFFFF}")
    if version == 4:
        at, digest = 6, hashlib.sha1(key_prefix(body), usedforsecurity=False).digest()
    else:
        at, digest = 10, hashlib.sha256(key_prefix(body)).digest()
        if int.from_bytes(body[6:at], "big") != len(body) - at:
            raise damaged("OpenPGP key has numbers of another length than it says")
    key = PublicKey(body, digest, int.from_bytes(body[1:5], "big"), body[5], version=version)
    if key.algorithm in _RSA:
        (modulus, exponent), end, _ = mpis(body, at, 2)
        key = key._replace(modulus=int.from_bytes(modulus, "big"), exponent=int.from_bytes(exponent, "big"))
    elif key.algorithm == DSA:
        numbers, end, _ = mpis(body, at, 4)
        key = key._replace(dsa=tuple(int.from_bytes(number, "big") for number in numbers))
    elif key.algorithm in (ECDSA, EDDSA_LEGACY):
        start = at + 1 + int.from_bytes(body[at : at + 1], "big")
        (point,), end, _ = mpis(body, start, 1)
        key = key._replace(curve=body[at + 1 : start], point=point)
    elif key.algorithm in _RAW_BYTES:
        end = at + _RAW_BYTES[key.algorithm]
        key = key._replace(point=body[at:end])
    else:
        return key
    if end != len(body):
        raise damaged("OpenPGP key does not end with its numbers")
    return key


def key_prefix(body: bytes) -> bytes:
    """A key as it goes into fingerprints and into signatures over it (RFC 9580 sections 5.2.4 and 5.5.4)."""
    if body[0] == 6:
        return b"\x9b" + len(body).to_bytes(4, "big") + body
    return b"\x99" + len(body).to_bytes(2, "big") + body


def _block(packets: tuple[Packet, ...]) -> KeyFile:
    """The certificates of a run of packets, and the revocations before the first key."""
    certificates: list[Certificate] = []
    start = next((index for index, packet in enumerate(packets) if packet.tag == openpgp_packets.PUBLIC_KEY), len(packets))
    for packet in packets:
        if packet.tag in (openpgp_packets.SECRET_KEY, openpgp_packets.SECRET_SUBKEY):
            raise armor.private_key()
    revocations: list[Signature] = []
    for packet in packets[:start]:
        if packet.tag in _IGNORED:
            continue
        found = _signature(packet) if packet.tag == openpgp_packets.SIGNATURE else None
        if found is None or found.kind != KEY_REVOCATION:
            raise damaged(f"expected an OpenPGP public key, got a packet of type {packet.tag}")
        revocations.append(found)
    while start < len(packets):
        end = start + 1
        while end < len(packets) and packets[end].tag != openpgp_packets.PUBLIC_KEY:
            end += 1
        certificates.append(_certificate(packets[start:end]))
        start = end
    return KeyFile(tuple(certificates), tuple(revocations))


def _certificate(packets: tuple[Packet, ...]) -> Certificate:
    """One certificate: a primary key, and after it components with their signatures."""
    primary = parse_key(packets[0].body)
    over_primary: list[Signature] = []
    users: list[tuple[bytes, bool, list[Signature]]] = []
    subkeys: list[tuple[PublicKey, list[Signature]]] = []
    pending = over_primary
    for packet in packets[1:]:
        if packet.tag == openpgp_packets.SIGNATURE:
            found = _signature(packet)
            if found is None or found.kind in _NO_PLACE:
                continue
            # wherever it stands: these are over the primary key alone, and a revocation must not get lost
            (over_primary if found.kind in (DIRECT_KEY, KEY_REVOCATION) else pending).append(found)
        elif packet.tag in _IGNORED:
            continue
        elif packet.tag in (openpgp_packets.USER_ID, openpgp_packets.USER_ATTRIBUTE):
            pending = []
            users.append((packet.body, packet.tag == openpgp_packets.USER_ATTRIBUTE, pending))
        elif packet.tag == openpgp_packets.PUBLIC_SUBKEY:
            pending = []
            key = _subkey(packet.body)
            # a certificate is of one version (RFC 9580 section 10.1.1)
            if key is not None and key.version == primary.version:
                subkeys.append((key, pending))
        elif packet.tag >= 40:
            # RFC 9580 section 4.3: unknown packets from type 40 on are not critical; what follows belongs to them
            pending = []
        else:
            raise damaged(f"OpenPGP certificate holds a packet of type {packet.tag}, which has no place there")
    found_all = Certificate(
        primary,
        tuple(over_primary),
        tuple(UserId(data, attribute, tuple(signatures)) for data, attribute, signatures in users),
        tuple(Subkey(key, tuple(signatures)) for key, signatures in subkeys),
    )
    # an export that repeats a component, or a signature, says nothing new
    return merge(Certificate(primary, (), (), ()), found_all)


def _signature(packet: Packet) -> Signature | None:
    """The signature in a packet, None for one that cannot be read: in a certificate it counts for nothing."""
    try:
        try:
            return parse_body(packet.body)
        except UnsupportedVersion:
            return parse_old_revocation(packet.body)
    except Malformed:
        return None


def _subkey(body: bytes) -> PublicKey | None:
    """The key of a subkey packet, None for one of a version or form that cannot be read."""
    try:
        return parse_key(body)
    except Malformed:
        return None


def _once(signatures: Iterable[Signature]) -> tuple[Signature, ...]:
    return tuple(dict.fromkeys(signatures))


def _checked(certificate: Certificate) -> Certificate:
    if len(certificate.user_ids) + len(certificate.subkeys) > MAX_COMPONENTS:
        raise damaged(f"OpenPGP certificate has more than {MAX_COMPONENTS} user ids and subkeys")
    return certificate
