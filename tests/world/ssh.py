"""SSH keys for tests and demos, made and used by the real ssh-keygen."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

from chainverify.model.signing import KeyMaterial, SigningMaterial
from chainverify.signatures import ssh

KeyType = Literal["ed25519", "rsa", "ecdsa"]


class SshKey(NamedTuple):
    """A key pair without a passphrase: `path` is the private key (git's `user.signingkey`), `path`.pub beside it.

    `public` is the line of the .pub file without its line end (what a policy's `ssh = [...]` wants), `fingerprint` the
    `SHA256:...` that `ssh-keygen -l` prints.
    """

    path: Path
    public: str
    fingerprint: str

    @classmethod
    def create(
        cls, directory: Path, name: str = "key", *, kind: KeyType = "ed25519", bits: int = 0, comment: str = ""
    ) -> SshKey:
        """A new key `directory/name`; `bits` for RSA (1024 and more) and ECDSA (256, 384, 521), 0 the default."""
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / name
        size = ["-b", str(bits)] if bits else []
        _keygen("-q", "-t", kind, *size, "-N", "", "-C", comment or f"{name}@example.org", "-f", str(path))
        return cls.of(path)

    @classmethod
    def of(cls, path: Path) -> SshKey:
        """The key that is already at `path`, with its .pub file."""
        public = path.with_name(path.name + ".pub").read_text().strip()
        printed = _keygen("-l", "-f", str(path) + ".pub").decode()
        return cls(path, public, printed.split()[1])

    def sign(self, payload: bytes, namespace: str = "git", hashalg: Literal["sha256", "sha512"] = "sha512") -> bytes:
        """The armor that `ssh-keygen -Y sign` makes over `payload`, without its final LF (as in a commit's header)."""
        armored = _keygen(
            "-Y", "sign", "-q", "-n", namespace, "-O", f"hashalg={hashalg}", "-f", str(self.path), stdin=payload
        )
        return armored.removesuffix(b"\n")

    def allowed(self, principal: str, options: str = "") -> str:
        """A line of an allowed_signers file that gives this key to `principal`."""
        key = " ".join(self.public.split()[:2])
        return f"{principal} {options} {key}\n" if options else f"{principal} {key}\n"


def keygen_verifies(key: SshKey, payload: bytes, signature: bytes, namespace: str = "git") -> bool:
    """Whether `ssh-keygen -Y verify` accepts `signature` (an armor) by `key` over `payload`."""
    with tempfile.TemporaryDirectory() as scratch:
        allowed = Path(scratch, "allowed")
        allowed.write_text(key.allowed("someone@example.org"))
        armor = Path(scratch, "armor")
        armor.write_bytes(signature)
        done = subprocess.run(
            ["ssh-keygen", "-Y", "verify", "-f", allowed, "-I", "someone@example.org", "-n", namespace, "-s", armor],
            input=payload,
            capture_output=True,
            check=False,
            timeout=60,
            env=_environment(),
        )
    return done.returncode == 0


def _keygen(*arguments: str, stdin: bytes = b"") -> bytes:
    done = subprocess.run(
        ["ssh-keygen", *arguments], input=stdin, capture_output=True, check=False, timeout=120, env=_environment()
    )
    if done.returncode:
        raise RuntimeError(f"ssh-keygen {' '.join(arguments)}: {done.stderr.decode(errors='replace')}")
    return done.stdout


def _environment() -> dict[str, str]:
    """No agent: the key file alone signs."""
    return {name: value for name, value in os.environ.items() if name not in {"SSH_AUTH_SOCK", "SSH_ASKPASS"}}


def load(materials: Iterable[KeyMaterial]) -> ssh.SshKeyring:
    """The keyring of a policy whose signers have these keys."""
    return ssh.load(SigningMaterial(ssh=tuple(materials)))
