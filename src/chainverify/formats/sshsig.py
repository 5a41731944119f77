"""SSH signatures: the armor and the SSHSIG structure (OpenSSH `PROTOCOL.sshsig`), and the data they sign.

One form only is accepted, the one every SSH signature of a survey of real histories has: BEGIN line, base64 lines of
one width, END line, nothing before or after. What another verifier would read differently has rule
`signature-ambiguous`, other damage `signature-bad`; all errors are `Malformed`.
"""

from __future__ import annotations

import binascii
import hashlib
from typing import Final, NamedTuple

from chainverify.errors import Malformed
from chainverify.formats.sshwire import WireReader, damaged, string

BEGIN: Final = b"-----BEGIN SSH SIGNATURE-----"
END: Final = b"-----END SSH SIGNATURE-----"
MAGIC: Final = b"SSHSIG"
VERSION: Final = 1
HASHES: Final = ("sha256", "sha512")
"""The message digests that OpenSSH signs with."""
MAX_ARMOR_BYTES: Final = 256 << 10
"""The largest armor that is read; a signature by an RSA key of 16384 bits has under 8 KiB."""


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
    if len(armored) > MAX_ARMOR_BYTES:
        raise damaged(f"SSH signature has {len(armored)} bytes, at most {MAX_ARMOR_BYTES} are read")
    lines = armored.split(b"\n")
    if lines[0] != BEGIN:
        if BEGIN in armored:
            raise _ambiguous("SSH signature has text before or beside its BEGIN line")
        raise damaged("SSH signature does not start with its BEGIN line")
    if armored.count(b"-----BEGIN ") > 1:
        raise _ambiguous("several signatures stand where one is expected")
    if END not in armored:
        raise damaged("SSH signature has no END line")
    if lines[-1] != END or lines.index(END) != len(lines) - 1:
        raise _ambiguous("SSH signature has text after its END line, or beside it")
    return _decode(lines[1:-1])


def _decode(lines: list[bytes]) -> bytes:
    """Strict base64 (RFC 4648 section 3.5) in lines of one width, the last one as wide or narrower."""
    if not lines:
        raise damaged("SSH signature is empty")
    width = len(lines[0])
    if any(len(line) != width for line in lines[:-1]) or not 0 < len(lines[-1]) <= width:
        raise damaged("SSH signature has base64 lines of different width")
    text = b"".join(lines)
    try:
        blob = binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error as error:
        raise damaged(f"SSH signature is not base64: {str(error).lower()}") from error
    if binascii.b2a_base64(blob, newline=False) != text:
        raise damaged("SSH signature is not canonical base64")
    return blob


def parse_blob(blob: bytes) -> SshSignature:
    """The fields of an SSHSIG structure, read to its exact end. Raises `Malformed`.

    A reserved field that is not empty is refused as ambiguous: OpenSSH signs and verifies it as empty whatever it
    holds, the protocol text puts it under the signature.
    """
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
        raise _ambiguous(f"SSH signature has {len(reserved)} bytes in its reserved field, expected none")
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


def _ambiguous(message: str) -> Malformed:
    return Malformed(
        message, rule="signature-ambiguous", hint="sign again with git or ssh-keygen; verifiers disagree on this form"
    )
