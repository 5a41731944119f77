"""Long histories of signed commits, made in process: a pack written here, signatures by `cryptography`, in seconds."""

from __future__ import annotations

import base64
import hashlib
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chainverify.formats.objects import object_id
from tests.world.repository import Repository, signed_commit

START = 1_700_000_000
NAME = "Alice Example"
EMAIL = "alice@example.org"

Sign = Callable[[bytes, int], bytes]


class Signer(NamedTuple):
    """How to sign a payload at a time, the key's public form for the policy, and what git needs to verify."""

    form: str
    sign: Sign
    public: bytes
    fingerprint: str


def ssh_signer(seed: bytes = b"s" * 32) -> Signer:
    """An SSH Ed25519 signer that writes SSHSIG as ssh-keygen does."""
    key = Ed25519PrivateKey.from_private_bytes(seed)
    point = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    blob = _string(b"ssh-ed25519") + _string(point)

    def sign(payload: bytes, when: int) -> bytes:
        del when
        start = b"SSHSIG" + _string(b"git") + _string(b"") + _string(b"sha512")
        value = key.sign(start + _string(hashlib.sha512(payload).digest()))
        sig = _string(b"ssh-ed25519") + _string(value)
        named = _string(b"git") + _string(b"") + _string(b"sha512")
        wire = b"SSHSIG" + struct.pack(">I", 1) + _string(blob) + named + _string(sig)
        return _armor(b"SSH SIGNATURE", wire, 70, b"")

    digest = base64.b64encode(hashlib.sha256(blob).digest()).rstrip(b"=").decode()
    return Signer("ssh", sign, b"ssh-ed25519 " + base64.b64encode(blob), "SHA256:" + digest)


def openpgp_signer(seed: bytes = b"p" * 32) -> Signer:
    """An OpenPGP v4 Ed25519 signer (RFC 4880 with EdDSA as GnuPG writes it), its certificate importable by gpg."""
    key = Ed25519PrivateKey.from_private_bytes(seed)
    point = b"\x40" + key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    curve = b"\x2b\x06\x01\x04\x01\xda\x47\x0f\x01"

    def sign(covered: bytes) -> tuple[bytes, bytes]:
        digest = hashlib.sha512(covered).digest()
        value = key.sign(digest)
        return digest, _mpi(value[:32]) + _mpi(value[32:])

    return _openpgp("openpgp", 22, bytes([len(curve)]) + curve + _mpi(point), sign)


def rsa_signer(bits: int = 4096) -> Signer:
    """An OpenPGP v4 RSA signer; its key is new each time."""
    key = rsa.generate_private_key(65537, bits)
    numbers = key.public_key().public_numbers()
    size = bits // 8

    def sign(covered: bytes) -> tuple[bytes, bytes]:
        return hashlib.sha512(covered).digest(), _mpi(key.sign(covered, padding.PKCS1v15(), hashes.SHA512()))

    return _openpgp("rsa4096", 1, _mpi(numbers.n.to_bytes(size)) + _mpi(numbers.e.to_bytes(3)), sign)


def _openpgp(form: str, algorithm: int, numbers: bytes, sign_data: Callable[[bytes], tuple[bytes, bytes]]) -> Signer:
    """The signer for a key of `numbers`; `sign_data` gives the SHA-512 of what is signed, and the signature's numbers."""
    body = b"\x04" + struct.pack(">I", START - 1000) + bytes([algorithm]) + numbers
    framed = b"\x99" + struct.pack(">H", len(body)) + body
    # the fingerprint of a v4 key is a SHA-1
    fingerprint = hashlib.sha1(framed).digest()
    user = f"{NAME} <{EMAIL}>".encode()

    def packet(kind: int, covered: bytes, when: int, extra: bytes = b"") -> bytes:
        hashed = _sub(2, struct.pack(">I", when)) + _sub(33, b"\x04" + fingerprint) + extra
        head = bytes([4, kind, algorithm, 10]) + struct.pack(">H", len(hashed)) + hashed
        digest, values = sign_data(covered + head + b"\x04\xff" + struct.pack(">I", len(head)))
        unhashed = _sub(16, fingerprint[-8:])
        rest = struct.pack(">H", len(unhashed)) + unhashed + digest[:2] + values
        return _packet(2, head + rest)

    def sign(payload: bytes, when: int) -> bytes:
        return _armor(b"PGP SIGNATURE", packet(0, payload, when), 64, b"\n")

    certified = framed + b"\xb4" + struct.pack(">I", len(user)) + user
    certificate = _packet(6, body) + _packet(13, user) + packet(0x13, certified, START - 1000, _sub(27, b"\x03"))
    public = _armor(b"PGP PUBLIC KEY BLOCK", certificate, 64, b"\n") + b"\n"
    return Signer(form, sign, public, fingerprint.hex().upper())


def make(path: Path, signer: Signer, count: int) -> Repository:
    """A bare repository at `path` whose branch main is a line of `count` commits by the signer."""
    repo = Repository.create(path, bare=True)
    tree = object_id("tree", b"", "sha1")
    objects: list[tuple[int, bytes]] = [(2, b"")]
    parent = ""
    for number in range(count):
        when = START + number * 60
        lines = [f"tree {tree}", *([f"parent {parent}"] if parent else [])]
        lines += [f"author {NAME} <{EMAIL}> {when} +0000", f"committer {NAME} <{EMAIL}> {when} +0000"]
        text = f"JIRA-{number}: change number {number}\n\n" + "why it was made, in a line of usual length\n" * (number % 8)
        payload = ("\n".join(lines) + "\n\n" + text).encode()
        raw = signed_commit(payload, signer.sign(payload, when))
        parent = object_id("commit", raw, "sha1")
        objects.append((1, raw))
    repo.run("index-pack", "--stdin", stdin=b"".join(_pack(objects)))
    repo.update("refs/heads/main", parent)
    return repo


def _string(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


def _mpi(value: bytes) -> bytes:
    value = value.lstrip(b"\0")
    return struct.pack(">H", int.from_bytes(value).bit_length()) + value


def _sub(kind: int, value: bytes) -> bytes:
    return bytes([len(value) + 1, kind]) + value


def _packet(tag: int, body: bytes) -> bytes:
    length = bytes([len(body)]) if len(body) < 192 else bytes([((len(body) - 192) >> 8) + 192, (len(body) - 192) & 255])
    return bytes([0xC0 | tag]) + length + body


def _armor(label: bytes, data: bytes, width: int, blank: bytes) -> bytes:
    text = base64.b64encode(data)
    lines = [text[at : at + width] for at in range(0, len(text), width)]
    if label.startswith(b"PGP"):
        # gpg 2.2 cannot read an armor that has neither padding nor a checksum
        lines.append(b"=" + base64.b64encode(_crc24(data).to_bytes(3)))
    return b"-----BEGIN " + label + b"-----\n" + blank + b"\n".join(lines) + b"\n-----END " + label + b"-----"


def _crc24(data: bytes) -> int:
    """RFC 4880, 6.1."""
    crc = 0xB704CE
    for byte in data:
        crc ^= byte << 16
        for _ in range(8):
            crc = crc << 1 ^ (0x1864CFB if crc & 0x800000 else 0)
    return crc


def _pack(objects: list[tuple[int, bytes]]) -> Iterator[bytes]:
    """A version 2 pack of whole objects (gitformat-pack(5))."""
    digest = hashlib.sha1()
    parts = [b"PACK" + struct.pack(">II", 2, len(objects))]
    for kind, raw in objects:
        size = len(raw)
        byte = kind << 4 | size & 15
        size >>= 4
        head = bytearray()
        while size:
            head.append(byte | 0x80)
            byte = size & 127
            size >>= 7
        head.append(byte)
        parts.append(bytes(head) + zlib.compress(raw, 1))
    for part in parts:
        digest.update(part)
        yield part
    yield digest.digest()
