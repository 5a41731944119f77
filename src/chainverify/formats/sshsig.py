"""SSH signatures: the armor and the SSHSIG structure (OpenSSH `PROTOCOL.sshsig`), and the data they sign.

One armor only is accepted, see `pem`. What another verifier would read differently has rule `signature-ambiguous`, other
damage `signature-bad`; all errors are `Malformed`.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final, NamedTuple

from chainverify.formats import pem
from chainverify.formats.sshwire import WireReader, damaged, string

BEGIN: Final = b"-----BEGIN SSH SIGNATURE-----"
END: Final = b"-----END SSH SIGNATURE-----"
TOOL: Final = "git or ssh-keygen"
MAGIC: Final = b"SSHSIG"
VERSION: Final = 1
HASHES: Final = ("sha256", "sha512")
"""The message digests that OpenSSH signs with."""


_match_usual: Final = re.compile(
    rb"SSHSIG\0\0\0\x01\0\0\0\x33(\0\0\0\x0bssh-ed25519\0\0\0\x20.{32})\0\0\0\x03git\0\0\0\0"
    rb"\0\0\0\x06(sha(?:256|512))\0\0\0\x53\0\0\0\x0bssh-ed25519\0\0\0\x40(.{64})",
    re.DOTALL,
).fullmatch
"""The structure that most commits have, by an Ed25519 key: all its lengths are fixed, so it is read in one step."""


class SshSignature(NamedTuple):
    """An SSHSIG structure, not verified: `public_key` is the key's wire form, `algorithm` and `signature` the inner
    signature; `extra` are the bytes after it, which only security keys have (flags and counter).
    """

    public_key: bytes
    namespace: bytes
    hash_algorithm: str
    algorithm: str
    signature: bytes
    extra: bytes = b""


def parse(armored: bytes) -> SshSignature:
    """The signature in an armor. Raises `Malformed` (rule `signature-bad` or `signature-ambiguous`)."""
    return parse_blob(dearmor(armored))


def dearmor(armored: bytes) -> bytes:
    """The bytes inside a canonical armor (no line end after END). Raises `Malformed`."""
    return pem.dearmor(armored, (BEGIN, END), "SSH signature", TOOL)


def parse_blob(blob: bytes) -> SshSignature:
    """The fields of an SSHSIG structure, read to its exact end. Raises `Malformed`.

    A reserved field that is not empty is refused as ambiguous: OpenSSH signs and verifies it as empty whatever it
    holds, the protocol text puts it under the signature.
    """
    usual = _match_usual(blob)
    if usual is not None:
        key, digest, made = usual.groups()
        return SshSignature(key, b"git", digest.decode("ascii"), "ssh-ed25519", made)
    reader = WireReader(blob, "SSH signature")
    if reader.raw(len(MAGIC)) != MAGIC:
        raise damaged("SSH signature does not start with SSHSIG")
    version = reader.uint32()
    if version != VERSION:
        raise damaged(f"SSH signature has version {version}, expected {VERSION}")
    public_key = reader.string()
    namespace = reader.string()
    reserved = reader.string()
    hash_algorithm = reader.name()
    inner = WireReader(reader.string(), "SSH signature value")
    reader.end()
    algorithm = inner.name()
    signature = inner.string()
    if algorithm.startswith(("sk-", "webauthn-sk-")):
        extra = inner.rest()
    else:
        extra = b""
        inner.end()
    if reserved:
        raise pem.ambiguous(f"SSH signature has {len(reserved)} bytes in its reserved field, expected none", TOOL)
    return SshSignature(public_key, namespace, hash_algorithm, algorithm, signature, extra)


def signed_data(namespace: bytes, hash_algorithm: str, payload: bytes) -> bytes:
    """The bytes a signature key really signs for `payload`. Raises `Malformed` for a hash not in `HASHES`."""
    if hash_algorithm == "sha512":
        digest = hashlib.sha512(payload).digest()
    elif hash_algorithm == "sha256":
        digest = hashlib.sha256(payload).digest()
    else:
        raise damaged(f"SSH signature uses the hash {hash_algorithm!r}, expected {' or '.join(HASHES)}")
    return MAGIC + string(namespace) + string(b"") + string(hash_algorithm.encode()) + string(digest)
