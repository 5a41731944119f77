"""Commits per second of `chainverify commits` against `git log --format=%G?`, side by side in one run.

    python -m tests.bench.history [--commits 12000] [--sample 300] [--format ssh|openpgp|both]

A history of signed commits is made in process (a pack written here, signatures by `cryptography`), so that making it takes
seconds. git is timed on the newest `--sample` commits, since its time per commit does not depend on their number; chainverify on
all of them, as a new process, start-up, reading and the walk included.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import os
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chainverify.formats.objects import object_id
from tests.world.repository import Repository, signed_commit

GOAL = 40
"""How many times faster than git, per commit, chainverify must be."""
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
    body = b"\x04" + struct.pack(">I", START - 1000) + b"\x16" + bytes([len(curve)]) + curve + _mpi(point)
    framed = b"\x99" + struct.pack(">H", len(body)) + body
    # the fingerprint of a v4 key is a SHA-1
    fingerprint = hashlib.sha1(framed).digest()
    user = f"{NAME} <{EMAIL}>".encode()

    def packet(kind: int, covered: bytes, when: int, extra: bytes = b"") -> bytes:
        hashed = _sub(2, struct.pack(">I", when)) + _sub(33, b"\x04" + fingerprint) + extra
        head = bytes([4, kind, 22, 10]) + struct.pack(">H", len(hashed)) + hashed
        digest = hashlib.sha512(covered + head + b"\x04\xff" + struct.pack(">I", len(head))).digest()
        value = key.sign(digest)
        unhashed = _sub(16, fingerprint[-8:])
        rest = struct.pack(">H", len(unhashed)) + unhashed + digest[:2] + _mpi(value[:32]) + _mpi(value[32:])
        return _packet(2, head + rest)

    def sign(payload: bytes, when: int) -> bytes:
        return _armor(b"PGP SIGNATURE", packet(0, payload, when), 64, b"\n")

    certified = framed + b"\xb4" + struct.pack(">I", len(user)) + user
    certificate = _packet(6, body) + _packet(13, user) + packet(0x13, certified, START - 1000, _sub(27, b"\x03"))
    public = _armor(b"PGP PUBLIC KEY BLOCK", certificate, 64, b"\n") + b"\n"
    return Signer("openpgp", sign, public, fingerprint.hex().upper())


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


def git_seconds(repo: Repository, signer: Signer, scratch: Path, sample: int) -> float:
    """Seconds per commit of `git log --format=%G?`, which must call all of them good."""
    env: dict[str, str] = {}
    config: list[str] = []
    if signer.form == "ssh":
        allowed = scratch / "allowed_signers"
        allowed.write_bytes(EMAIL.encode() + b" " + signer.public + b"\n")
        config = ["-c", f"gpg.ssh.allowedSignersFile={allowed}"]
    else:
        home = scratch / "gnupg"
        home.mkdir(mode=0o700, exist_ok=True)
        env["GNUPGHOME"] = str(home)
        subprocess.run(
            ["gpg", "--batch", "-q", "--import"], input=signer.public, env={**os.environ, **env}, check=True, capture_output=True
        )
        subprocess.run(
            ["gpg", "--batch", "-q", "--import-ownertrust"], input=f"{signer.fingerprint}:6:\n".encode(),
            env={**os.environ, **env}, check=True, capture_output=True,
        )
    repo.run(*config, "log", "-3", "--format=%G?", env=env)
    start = time.perf_counter()
    said = repo.run(*config, "log", f"-{sample}", "--format=%G?", env=env).stdout.split()
    spent = time.perf_counter() - start
    if set(said) != {b"G"}:
        raise SystemExit(f"git calls {set(said)}, expected G only")
    return spent / sample


def our_seconds(repo: Repository, signer: Signer, scratch: Path, count: int, jobs: int | None) -> float:
    """Seconds per commit of a new chainverify process over all commits, which must verify all of them."""
    keys = f'ssh = ["{signer.public.decode()}"]' if signer.form == "ssh" else 'openpgp = ["alice.asc"]'
    (scratch / "alice.asc").write_bytes(signer.public)
    policy = scratch / "policy.toml"
    policy.write_text(
        f'version = 1\n[commits]\n[tags]\nrequire = "off"\n[[signers]]\nname = "{NAME}"\nemails = ["{EMAIL}"]\n{keys}\n'
    )
    command = [sys.executable, str(Path(__file__).with_name("judge.py")), str(repo.path), str(policy), str(jobs or 0)]
    start = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True)
    spent = time.perf_counter() - start
    if done.stdout.split() != [b"verified", str(count).encode()]:
        raise SystemExit(f"chainverify says {done.stdout!r}, expected all {count} commits verified")
    return spent / count


def main(arguments: list[str]) -> int:
    """Print the figures; exit status 1 where the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commits", type=int, default=12_000)
    parser.add_argument("--sample", type=int, default=300)
    parser.add_argument("--format", choices=("ssh", "openpgp", "both"), default="both")
    parser.add_argument("--jobs", type=int, default=None)
    options = parser.parse_args(arguments)
    missed = False
    for signer in (ssh_signer(), openpgp_signer()):
        if options.format not in {signer.form, "both"}:
            continue
        with tempfile.TemporaryDirectory() as name:
            scratch = Path(name)
            repo = make(scratch / "repo", signer, options.commits)
            # git before and after, for other work on the machine disturbs both
            first = git_seconds(repo, signer, scratch, options.sample)
            ours = min(our_seconds(repo, signer, scratch, options.commits, options.jobs) for _ in range(3))
            git = min(first, git_seconds(repo, signer, scratch, options.sample))
        ratio = git / ours
        missed |= ratio < GOAL
        print(
            f"{signer.form:8} Ed25519  git log --format=%G? {git * 1e6:9.1f} us/commit ({options.sample})   "
            f"chainverify {ours * 1e6:7.1f} us/commit ({options.commits}, {1 / ours:,.0f}/s)   {ratio:5.1f} times (goal {GOAL})"
        )
    return int(missed)


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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
