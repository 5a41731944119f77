"""OpenSSH public keys: the line format of `.pub` files and the wire form inside (RFC 4253, 5656, 8709).

All errors are `Malformed`; a key of a kind that is not supported is recognised by name and refused as `UnsupportedKey`.
"""

from __future__ import annotations

import binascii
import hashlib
from typing import Final, NamedTuple

from chainverify.errors import Malformed
from chainverify.formats import keykind, strict64
from chainverify.formats.sshwire import WireReader, damaged

CURVES: Final[dict[str, tuple[str, int]]] = {
    "ecdsa-sha2-nistp256": ("nistp256", 32),
    "ecdsa-sha2-nistp384": ("nistp384", 48),
    "ecdsa-sha2-nistp521": ("nistp521", 66),
}
"""ECDSA key types: the curve's name and the bytes of one coordinate."""
SECURITY_KEYS: Final = {
    "sk-ssh-ed25519@openssh.com": "ssh-ed25519",
    "sk-ecdsa-sha2-nistp256@openssh.com": "ecdsa-sha2-nistp256",
}
"""Key types of hardware security keys: the type of the key inside (OpenSSH PROTOCOL.u2f)."""
SUPPORTED: Final = ("ssh-ed25519", "ssh-rsa", *CURVES, *SECURITY_KEYS)
CERTIFICATE: Final = "-cert-v0"
"""What the names of all certificate types hold (`formats.sshcert`)."""
MAX_FILE_BYTES: Final = 1 << 20
"""The largest file of key lines that is read."""

UNSUPPORTED: Final[dict[str, str]] = {
    "webauthn-sk-ecdsa-sha2-nistp256@openssh.com": "it names signatures, by keys of type sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-dss": "DSA keys",
    "ssh-ed448": "Ed448 keys",
    "ssh-xmss@openssh.com": "XMSS keys",
    "ssh-mldsa44-ed25519@openssh.com": "post-quantum keys",
}
"""Key types that are known by name and not supported, and why."""


class UnsupportedKey(Malformed):
    """A key of a kind that is known by name and cannot be used; `kind` is that name."""

    rule = "algorithm-forbidden"

    def __init__(self, kind: str, why: str, hint: str = "") -> None:
        super().__init__(f"SSH key type {kind} is not supported: {why}", hint=hint or f"use one of {', '.join(SUPPORTED)}")
        self.kind = kind


class SshPublicKey(NamedTuple):
    """A public key: `kind` as in its line, `blob` the wire form, and the numbers of its kind.

    `exponent` and `modulus` are set for RSA, `point` for Ed25519 (32 bytes) and ECDSA (uncompressed, 0x04 first),
    `application` for security keys: the origin that the device binds its signatures to (`ssh:...`).
    """

    kind: str
    blob: bytes
    exponent: int = 0
    modulus: int = 0
    point: bytes = b""
    application: bytes = b""

    @property
    def fingerprint(self) -> str:
        """The fingerprint as `ssh-keygen -l` prints it."""
        return fingerprint(self.blob)


LINE: Final = "write it as in a .pub file: the key type, the key in base64, a comment"
"""What a line with a key looks like, for people."""


class KeyLine(NamedTuple):
    """A key of a file: `number` is its line from 1, `comment` the text after the key."""

    number: int
    key: SshPublicKey
    comment: str


def fingerprint(blob: bytes) -> str:
    """`SHA256:` and the unpadded base64 of the SHA-256 of a key's wire form."""
    digest = hashlib.sha256(blob).digest()
    return "SHA256:" + binascii.b2a_base64(digest, newline=False).rstrip(b"=").decode("ascii")


def line_of(kind: str, blob: bytes) -> str:
    """A key, or a certificate, as one line without a comment."""
    return f"{kind} {binascii.b2a_base64(blob, newline=False).decode('ascii')}"


def parse_file(data: bytes) -> tuple[KeyLine, ...]:
    """The keys of a `.pub` file or inline line; empty lines and lines that start with `#` are skipped.

    Raises `Malformed` for a line that is no supported key (its number is in the message), and for a file without any.
    """
    if len(data) > MAX_FILE_BYTES:
        raise damaged(f"key file has {len(data)} bytes, at most {MAX_FILE_BYTES} are read")
    if b"PRIVATE KEY-----" in data:
        raise Malformed(
            "file holds a private key, expected a public key line",
            rule="signature-bad",
            hint="name the .pub file, and keep this one private",
        )
    keys: list[KeyLine] = []
    for number, line in enumerate(data.split(b"\n"), 1):
        # an editor's CRLF is harmless here: keys are compared by their wire form
        bare = line.strip(b" \t\r")
        if not bare or bare.startswith(b"#"):
            continue
        try:
            key, comment = parse_line(bare)
        except Malformed as error:
            raise Malformed(f"key line {number}: {error.message}", rule=error.rule, hint=error.hint) from error
        keys.append(KeyLine(number, key, comment))
    if not keys:
        raise damaged("expected a public key line, got none", "name a .pub file, or write the key line itself into the policy")
    return tuple(keys)


def parse_line(line: bytes, form: str = LINE) -> tuple[SshPublicKey, str]:
    """Key and comment of one line `TYPE BASE64 [COMMENT]`, without options. Raises `Malformed`; `form` is its hint where the line
    is of no kind of key."""
    parts = line.replace(b"\t", b" ").split(None, 2)
    kind = parts[0].decode("ascii", "backslashreplace") if parts else ""
    check_supported(kind)
    if kind not in SUPPORTED:
        raise Malformed(
            f"expected a public key line, got {line[:40]!r}",
            rule="signature-bad",
            hint=keykind.hint(line, form),
        )
    if len(parts) < 2:
        raise damaged(f"{kind} key line has no key after its type")
    blob = strict64.decode(parts[1], f"{kind} key")
    key = parse_blob(blob)
    if key.kind != kind:
        raise damaged(f"key line says {kind}, the key in it is {key.kind}")
    return key, parts[2].decode("utf-8", "backslashreplace").strip() if len(parts) == 3 else ""


def parse_blob(blob: bytes) -> SshPublicKey:
    """The key in a wire form, read to its exact end. Raises `Malformed`, `UnsupportedKey` for a kind known by name."""
    reader = WireReader(blob, "SSH key")
    kind = reader.name()
    check_supported(kind)
    key = read_fields(reader, kind)._replace(blob=blob)
    reader.end()
    return key


def read_fields(reader: WireReader, kind: str) -> SshPublicKey:
    """The numbers of a key of `kind`, which in its wire form follow its type and in a certificate the nonce; `blob` is empty.

    Raises `Malformed`, `UnsupportedKey` for a security key that is not made for SSH.
    """
    plain = SECURITY_KEYS.get(kind, kind)
    if plain == "ssh-ed25519":
        point = reader.string()
        if len(point) != 32:
            raise damaged(f"Ed25519 key has {len(point)} bytes, expected 32")
        key = SshPublicKey(kind, b"", point=point)
    elif kind == "ssh-rsa":
        exponent, modulus = reader.positive(), reader.positive()
        key = SshPublicKey(kind, b"", exponent=exponent, modulus=modulus)
    elif plain in CURVES:
        key = SshPublicKey(kind, b"", point=_curve_point(reader, plain))
    else:
        raise damaged(f"unknown SSH key type {kind!r}")
    if kind in SECURITY_KEYS:
        key = key._replace(application=_application(reader, kind))
    return key


def _curve_point(reader: WireReader, kind: str) -> bytes:
    """The uncompressed point of an ECDSA key whose curve is the one its type names (RFC 5656 section 3.1)."""
    curve, size = CURVES[kind]
    named = reader.name()
    if named != curve:
        raise damaged(f"{kind} key is on the curve {named!r}, expected {curve}")
    point = reader.string()
    if len(point) != 1 + 2 * size or point[0] != 0x04:
        raise damaged(f"{kind} key has no uncompressed point of {1 + 2 * size} bytes")
    return point


def _application(reader: WireReader, kind: str) -> bytes:
    """The application of a security key; OpenSSH makes all its keys for one that starts with `ssh:`.

    One for another application also signs in to that one: to a web site, which chooses what is signed.
    """
    application = reader.string()
    if not application.startswith(b"ssh:"):
        raise UnsupportedKey(
            kind, f"it is bound to the application {application[:40]!r}, expected one that starts with 'ssh:'"
        )
    return application


def check_supported(kind: str) -> None:
    """Raises `UnsupportedKey` for a kind of key that is known and not supported."""
    if kind in UNSUPPORTED:
        raise UnsupportedKey(kind, UNSUPPORTED[kind])
    if CERTIFICATE in kind:
        raise UnsupportedKey(
            kind,
            "a certificate stands where a key is expected",
            "name the plain key, or the key of the authority on a cert-authority line of an allowed_signers file",
        )
