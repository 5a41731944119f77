"""Revoked SSH keys: the key revocation lists of `ssh-keygen -k` (OpenSSH PROTOCOL.krl), and plain lists of public keys.

A list that is read wrongly revokes too little, so whatever is not understood refuses the whole file. All errors are `Malformed`.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Final, NamedTuple

from chainverify.errors import Malformed
from chainverify.formats import sshcert, sshkey, strict64
from chainverify.formats.sshcert import SshCertificate
from chainverify.formats.sshkey import SshPublicKey
from chainverify.formats.sshwire import WireReader, damaged

MAGIC: Final = b"SSHKRL\n\0"
VERSION: Final = 1
MAX_FILE_BYTES: Final = 8 << 20
"""The largest file that is read."""
MAX_BITMAP_BYTES: Final = 2 << 20
"""The largest bitmap of serial numbers; OpenSSH reads as much."""
MAX_RUNS: Final = 1 << 18
"""The most runs of serial numbers of one file, a run being as long as it likes: what bounds the time and memory of a bitmap."""

_CERTIFICATES: Final = 1
_EXPLICIT_KEY: Final = 2
_SHA1: Final = 3
_SIGNATURE: Final = 4
_SHA256: Final = 5
_EXTENSION: Final = 255
_SERIAL_LIST: Final = 0x20
_SERIAL_RANGE: Final = 0x21
_SERIAL_BITMAP: Final = 0x22
_KEY_ID: Final = 0x23
_CERTIFICATE_EXTENSION: Final = 0x39

_ONES: Final = re.compile("1+")
_SPECIFICATION: Final = re.compile(rb"(?:serial|id|key|sha1|sha256|hash)[ \t]*:", re.IGNORECASE)


class RevokedCertificates(NamedTuple):
    """The certificates of one authority that are revoked: runs of serial numbers (first, last), in order, and key ids."""

    runs: tuple[tuple[int, int], ...] = ()
    key_ids: frozenset[bytes] = frozenset()

    def revokes(self, certificate: SshCertificate) -> str:
        """Why a certificate of this authority is revoked, empty where it is not.

        Serial number 0 is what authorities write that do not number, and is never revoked.
        """
        if certificate.key_id in self.key_ids:
            return "by its key id"
        at = bisect_right(self.runs, (certificate.serial, 1 << 64)) - 1
        if certificate.serial and at >= 0 and certificate.serial <= self.runs[at][1]:
            return "by its serial number"
        return ""


class RevokedKeys(NamedTuple):
    """What a file revokes: keys by their wire form or a hash of it, and certificates by authority (wire form, empty for all).

    `notes` say what of the file was left aside.
    """

    keys: frozenset[bytes] = frozenset()
    sha1: frozenset[bytes] = frozenset()
    sha256: frozenset[bytes] = frozenset()
    certificates: Mapping[bytes, RevokedCertificates] = MappingProxyType({})
    notes: tuple[str, ...] = ()

    def revokes_key(self, key: SshPublicKey) -> str:
        """Why a key is revoked, empty where it is not. A revoked key revokes its certificates, and if an authority's, all of
        those that it issued."""
        if key.blob in self.keys:
            return "as a key"
        if self.sha256 and hashlib.sha256(key.blob).digest() in self.sha256:
            return "by its SHA-256 fingerprint"
        if self.sha1 and hashlib.sha1(key.blob, usedforsecurity=False).digest() in self.sha1:
            return "by its SHA-1 fingerprint"
        return ""

    def revokes_certificate(self, certificate: SshCertificate) -> str:
        """Why a certificate is revoked by its own serial number or key id, empty where it is not; keys are asked for apart."""
        for authority in (certificate.authority.blob, b""):
            revoked = self.certificates.get(authority)
            why = revoked.revokes(certificate) if revoked else ""
            if why:
                return why
        return ""


def parse_file(data: bytes) -> RevokedKeys:
    """What a file revokes, of either kind: a KRL by its first bytes, else a list of public keys. Raises `Malformed`."""
    if len(data) > MAX_FILE_BYTES:
        raise damaged(f"file of revoked keys has {len(data)} bytes, at most {MAX_FILE_BYTES} are read")
    return parse_krl(data) if data.startswith(MAGIC) else parse_list(data)


def parse_list(data: bytes) -> RevokedKeys:
    """A list of public keys, each on a line `TYPE BASE64 [COMMENT]`; of a certificate it is the key inside that is revoked, as
    with OpenSSH. Keys of types that are not supported count too. Raises `Malformed`, also for a list without any key."""
    keys: set[bytes] = set()
    for number, line in enumerate(data.split(b"\n"), 1):
        bare = line.strip(b" \t\r")
        if not bare or bare.startswith(b"#"):
            continue
        try:
            keys.add(_listed(bare))
        except Malformed as error:
            raise Malformed(f"revoked key line {number}: {error.message}", rule=error.rule, hint=error.hint) from error
    if not keys:
        raise damaged("expected a KRL or public key lines, got none", "ssh-keygen -k -f FILE makes one that revokes nothing")
    return RevokedKeys(frozenset(keys))


def _listed(line: bytes) -> bytes:
    """The wire form of the plain key of a line. Raises `Malformed`."""
    if _SPECIFICATION.match(line) or line.startswith(b"SHA256:"):
        raise damaged(
            f"expected a public key, got {line[:40]!r}", "this is what a KRL is made of: ssh-keygen -k -f KRL [-s CA.pub] FILE"
        )
    try:
        return sshkey.parse_line(line)[0].blob
    except sshkey.UnsupportedKey as error:
        kind, words = error.kind, line.split()
        if len(words) < 2:
            raise damaged(f"{kind} key line has no key after its type") from error
        blob = strict64.decode(words[1], f"{kind} key")
        if WireReader(blob, "SSH key").name() != kind:
            raise damaged(f"key line says {kind}, the key in it is another") from error
        return sshcert.parse(blob).key.blob if sshkey.CERTIFICATE in kind else blob


def parse_krl(data: bytes) -> RevokedKeys:
    """A KRL, read to its exact end. Raises `Malformed`.

    No extension is known: a critical one refuses the file, others are noted. Signature sections are noted and not verified: who
    may give the file is the policy's business.
    """
    reader = WireReader(data, "KRL")
    if reader.raw(len(MAGIC)) != MAGIC:
        raise damaged("KRL does not start with SSHKRL")
    version = reader.uint32()
    if version != VERSION:
        raise damaged(f"KRL has version {version}, expected {VERSION}")
    reader.raw(16)  # its number and date: nothing here says which would be too old
    flags = reader.uint64()
    if flags:
        raise damaged(f"KRL has flags {flags:#x}, and none are known")
    reader.string()  # reserved
    reader.text()  # the comment
    found = _Found()
    signed = False
    while reader.more:
        kind = reader.byte()
        section = reader.string(MAX_FILE_BYTES)
        if kind == _SIGNATURE:
            reader.string()
            signed = True
            continue
        if signed:
            raise damaged("KRL has a section after its signature, which does not cover it")
        found.add(kind, WireReader(section, "KRL section"))
    if signed:
        found.notes["krl-signature-ignored"] = None
    return found.result()


class _Found:
    """What was found so far in a KRL."""

    def __init__(self) -> None:
        self.blobs: dict[int, set[bytes]] = {_EXPLICIT_KEY: set(), _SHA1: set(), _SHA256: set()}
        self.serials: dict[bytes, list[tuple[int, int]]] = {}
        self.key_ids: dict[bytes, set[bytes]] = {}
        self.notes: dict[str, None] = {}
        self.runs = 0

    def result(self) -> RevokedKeys:
        return RevokedKeys(
            frozenset(self.blobs[_EXPLICIT_KEY]),
            frozenset(self.blobs[_SHA1]),
            frozenset(self.blobs[_SHA256]),
            MappingProxyType({
                authority: RevokedCertificates(_merged(runs), frozenset(self.key_ids[authority]))
                for authority, runs in self.serials.items()
            }),
            tuple(self.notes),
        )

    def add(self, kind: int, section: WireReader) -> None:
        """One section. Raises `Malformed`."""
        if kind == _CERTIFICATES:
            self.certificates(section)
        elif kind in self.blobs:
            if not section.more:
                raise damaged("KRL section of keys or fingerprints holds none")
            sizes = {_SHA1: 20, _SHA256: 32}
            while section.more:
                blob = section.string()
                if kind == _EXPLICIT_KEY:
                    _check_key(blob)
                elif len(blob) != sizes[kind]:
                    raise damaged(f"KRL fingerprint has {len(blob)} bytes, expected {sizes[kind]}")
                self.blobs[kind].add(blob)
        elif kind == _EXTENSION:
            self.extension(section)
        else:
            raise damaged(f"KRL has a section of the unknown type {kind}")
        section.end()

    def certificates(self, section: WireReader) -> None:
        """A section of certificates of one authority. Raises `Malformed`."""
        authority = section.string()
        if authority:
            _check_key(authority)
        section.string()  # reserved
        runs = self.serials.setdefault(authority, [])
        key_ids = self.key_ids.setdefault(authority, set())
        while section.more:
            kind = section.byte()
            part = WireReader(section.string(MAX_FILE_BYTES), "KRL certificate section")
            if kind == _SERIAL_LIST:
                while part.more:
                    serial = part.uint64()
                    self.run(runs, serial, serial)
            elif kind == _SERIAL_RANGE:
                self.run(runs, part.uint64(), part.uint64())
            elif kind == _SERIAL_BITMAP:
                self.bitmap(runs, part.uint64(), part.string(MAX_BITMAP_BYTES + 1))
            elif kind == _KEY_ID:
                if not part.more:
                    raise damaged("KRL section of key ids holds none")
                while part.more:
                    key_ids.add(part.text())
            elif kind == _CERTIFICATE_EXTENSION:
                self.extension(part)
            else:
                raise damaged(f"KRL has a certificate section of the unknown type {kind:#x}")
            part.end()

    def run(self, runs: list[tuple[int, int]], first: int, last: int) -> None:
        """Serial numbers `first` to `last`. Raises `Malformed`."""
        if not 0 < first <= last < 1 << 64:
            raise damaged(f"KRL revokes the serial numbers {first} to {last}, expected 1 or more, in order, in 64 bits")
        self.runs += 1
        if self.runs > MAX_RUNS:
            raise damaged(f"KRL has more than {MAX_RUNS} runs of serial numbers")
        runs.append((first, last))

    def bitmap(self, runs: list[tuple[int, int]], offset: int, number: bytes) -> None:
        """The serial numbers of a bitmap, an mpint whose lowest bit stands for `offset`. Raises `Malformed`."""
        if number and (number[0] & 0x80 or (number[0] == 0 and not (len(number) > 1 and number[1] & 0x80))):
            raise damaged("KRL bitmap is no positive number in its shortest form")
        bits = bin(int.from_bytes(number, "big"))[:1:-1]
        for ones in _ONES.finditer(bits):
            self.run(runs, offset + ones.start(), offset + ones.end() - 1)

    def extension(self, section: WireReader) -> None:
        """An extension, of the file or of a section of certificates. Raises `Malformed` where it must be understood."""
        name = section.text()
        critical = section.boolean()
        section.string(MAX_FILE_BYTES)
        if critical:
            raise damaged(f"KRL has the critical extension {name[:60]!r}, which is not known")
        self.notes["krl-extension-ignored"] = None


def _check_key(blob: bytes) -> None:
    """A key of a KRL must be one that a key of a signature can equal, or of a kind that is not supported. Raises `Malformed`."""
    if sshcert.is_certificate(blob):
        raise damaged("KRL holds a certificate where a plain key is expected")
    kind = WireReader(blob, "SSH key in a KRL").name()
    if kind in sshkey.SUPPORTED:
        with suppress(sshkey.UnsupportedKey):
            sshkey.parse_blob(blob)


def _merged(runs: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """The runs in order, those that touch or overlap as one."""
    merged: list[tuple[int, int]] = []
    for first, last in sorted(runs):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return tuple(merged)
