"""OpenSSH certificates: a key, the names it may use and for how long, signed by an authority (OpenSSH PROTOCOL.certkeys).

Reading proves nothing: whether an authority that counts made the signature, and whether the certificate may do what it is used
for, is for `signatures.ssh_certificates`. All errors are `Malformed`.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from chainverify.formats import sshkey
from chainverify.formats.sshkey import SshPublicKey
from chainverify.formats.sshwire import WireReader, damaged, string

KINDS: Final[dict[str, str]] = {
    **{f"{kind.removesuffix('@openssh.com')}-cert-v01@openssh.com": kind for kind in sshkey.SUPPORTED},
    # names of signature algorithms, which OpenSSH also reads as types of a certificate
    "rsa-sha2-256-cert-v01@openssh.com": "ssh-rsa",
    "rsa-sha2-512-cert-v01@openssh.com": "ssh-rsa",
}
"""The types of certificates, and the type of the key in each."""
USER: Final = 1
HOST: Final = 2
FOREVER: Final = 2**64 - 1
"""The end of a certificate that has none."""
MAX_PRINCIPALS: Final = 256
"""The most names of one certificate; OpenSSH reads as many."""
MAX_OPTIONS: Final = 256
"""The most critical options, and the most extensions, of one certificate; OpenSSH knows nine in all."""
MAX_BLOB_BYTES: Final = 128 << 10
"""The largest certificate that is read."""


class SshCertificate(NamedTuple):
    """A certificate, not verified: `key` is the certified key in its plain form, `authority` the key that vouches for it.

    `role` is `USER` or `HOST`. It is valid from `valid_after` on and until just before `valid_before` (seconds since the epoch,
    `FOREVER` where that never comes). `signed` are the bytes under the signature of the authority, whose parts are as those of
    `sshsig.SshSignature`.
    """

    kind: str
    key: SshPublicKey
    serial: int
    role: int
    key_id: bytes
    principals: tuple[bytes, ...]
    valid_after: int
    valid_before: int
    critical: tuple[tuple[str, bytes], ...]
    extensions: tuple[tuple[str, bytes], ...]
    authority: SshPublicKey
    signed: bytes
    algorithm: str
    signature: bytes
    extra: bytes


def is_certificate(blob: bytes) -> bool:
    """Whether a wire form names the type of a certificate, supported or not; what follows may be anything."""
    return sshkey.CERTIFICATE.encode() in blob[4 : 4 + min(int.from_bytes(blob[:4], "big"), 64)]


def parse(blob: bytes) -> SshCertificate:
    """The certificate in a wire form, read to its exact end. Raises `Malformed`, `UnsupportedKey` for a kind known by name."""
    if len(blob) > MAX_BLOB_BYTES:
        raise damaged(f"SSH certificate has {len(blob)} bytes, at most {MAX_BLOB_BYTES} are read")
    reader = WireReader(blob, "SSH certificate")
    kind = reader.name()
    plain = KINDS.get(kind)
    if plain is None:
        raise sshkey.UnsupportedKey(kind, "no certificate of a supported type")
    reader.string()  # the nonce, which makes what the authority signs unpredictable
    start = reader.at
    key = sshkey.read_fields(reader, plain)
    key = key._replace(blob=string(plain.encode()) + blob[start : reader.at])
    serial = reader.uint64()
    role = reader.uint32()
    if role not in (USER, HOST):
        raise damaged(f"SSH certificate has type {role}, expected {USER} (user) or {HOST} (host)")
    key_id = reader.text()
    principals = _principals(reader.string())
    valid_after, valid_before = reader.uint64(), reader.uint64()
    critical = _options(reader.string(), "critical options")
    extensions = _options(reader.string(), "extensions")
    reader.string()  # reserved, to be ignored; it is under the signature
    authority = sshkey.parse_blob(reader.string())
    signed = blob[: reader.at]
    inner = WireReader(reader.string(), "signature of an SSH certificate")
    reader.end()
    algorithm, signature, extra = inner.name(), inner.string(), inner.rest()
    if extra and authority.kind not in sshkey.SECURITY_KEYS:
        raise damaged(f"signature of an SSH certificate has {len(extra)} bytes too many at its end")
    return SshCertificate(
        kind, key, serial, role, key_id, principals, valid_after, valid_before, critical, extensions, authority, signed,
        algorithm, signature, extra,
    )  # fmt: skip


def _principals(data: bytes) -> tuple[bytes, ...]:
    reader = WireReader(data, "principals of an SSH certificate")
    found: list[bytes] = []
    while reader.more:
        if len(found) == MAX_PRINCIPALS:
            raise damaged(f"SSH certificate has more than {MAX_PRINCIPALS} principals")
        found.append(reader.text())
    return tuple(found)


def _options(data: bytes, what: str) -> tuple[tuple[str, bytes], ...]:
    """Names and values, each name once and in order, as the protocol asks; readers take the first or the last of two alike."""
    reader = WireReader(data, f"{what} of an SSH certificate")
    found: list[tuple[str, bytes]] = []
    while reader.more:
        if len(found) == MAX_OPTIONS:
            raise damaged(f"SSH certificate has more than {MAX_OPTIONS} {what}")
        name = reader.name()
        if found and name <= found[-1][0]:
            raise damaged(f"{what} of an SSH certificate are not in order: {name!r} stands after {found[-1][0]!r}")
        found.append((name, reader.string()))
    return tuple(found)
