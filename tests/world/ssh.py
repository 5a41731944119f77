"""SSH keys for tests and demos, made and used by the real ssh-keygen."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
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

    def certify(self, subject: SshKey, principals: str = "", *arguments: str, name: str = "") -> SshKey:
        """A certificate for `subject` by this key as authority: a key of its own for `sign`, whose fingerprint is the subject's.

        `arguments` go to `ssh-keygen -s` (`-O force-command=x`, `-V -1d:+1d`, `-z 5`, `-h`); the key id is `name` or "id".
        """
        path = subject.path.with_name(f"{subject.path.name}.{len(list(subject.path.parent.iterdir()))}")
        shutil.copy(subject.path, path)
        shutil.copy(f"{subject.path}.pub", f"{path}.pub")
        names = ["-n", principals] if principals else []
        _keygen("-q", "-s", str(self.path), "-I", name or "id", *names, *arguments, f"{path}.pub")
        certificate = Path(f"{path}-cert.pub")
        certificate.replace(f"{path}.pub")
        return SshKey.of(path)

    def allowed(self, principal: str, options: str = "") -> str:
        """A line of an allowed_signers file that gives this key to `principal`."""
        key = " ".join(self.public.split()[:2])
        return f"{principal} {options} {key}\n" if options else f"{principal} {key}\n"


class Said(NamedTuple):
    """What ssh-keygen said: `principals` of `-Y find-principals`, and whether `-Y verify` as the first of them was good."""

    principals: tuple[str, ...]
    good: bool


def git_asks(
    allowed: str, payload: bytes, signature: bytes, *, at: int | None = None, revoked: bytes | None = None, zone: str = "UTC"
) -> Said:
    """What git would learn of a signature made at `at` (seconds since the epoch), asking ssh-keygen as git does."""
    with tempfile.TemporaryDirectory() as scratch:
        Path(scratch, "allowed").write_text(allowed)
        Path(scratch, "armor").write_bytes(signature)
        environment = {**_environment(), "TZ": zone}
        time = [] if at is None else [f"-Overify-time={datetime.fromtimestamp(at, UTC):%Y%m%d%H%M%S}Z"]
        lists = []
        if revoked is not None:
            Path(scratch, "revoked").write_bytes(revoked)
            lists = ["-r", str(Path(scratch, "revoked"))]

        def ask(*arguments: str) -> subprocess.CompletedProcess[bytes]:
            return subprocess.run(
                ["ssh-keygen", "-Y", *arguments, "-f", "allowed", *time, "-s", "armor"],
                input=payload, capture_output=True, check=False, timeout=60, env=environment, cwd=scratch,
            )  # fmt: skip

        principals = tuple(ask("find-principals").stdout.decode("utf-8", "surrogateescape").splitlines())
        return Said(principals, any(
            ask("verify", "-n", "git", "-I", principal, *lists).returncode == 0 for principal in principals
        ))  # fmt: skip


def keygen_verifies(
    key: SshKey, payload: bytes, signature: bytes, namespace: str = "git", *, principal: str = "someone@example.org",
    allowed: str = "", revoked: bytes | None = None,
) -> bool:
    """Whether `ssh-keygen -Y verify` accepts `signature` (an armor) by `key` over `payload`, as `principal` of `allowed`."""
    with tempfile.TemporaryDirectory() as scratch:
        signers = Path(scratch, "allowed")
        signers.write_text(allowed or key.allowed(principal))
        armor = Path(scratch, "armor")
        armor.write_bytes(signature)
        lists = []
        if revoked is not None:
            Path(scratch, "revoked").write_bytes(revoked)
            lists = ["-r", str(Path(scratch, "revoked"))]
        done = subprocess.run(
            ["ssh-keygen", "-Y", "verify", "-f", signers, "-I", principal, "-n", namespace, "-s", armor, *lists],
            input=payload,
            capture_output=True,
            check=False,
            timeout=60,
            env=_environment(),
        )
    return done.returncode == 0


def krl(specification: str = "", *keys: SshKey, authority: SshKey | Literal["none"] | None = None) -> bytes:
    """The KRL that `ssh-keygen -k` makes of a specification (`serial: 5`, `id: x`, `sha256: ...`) and of whole keys.

    Serial numbers and key ids are those of `authority`, "none" for any.
    """
    with tempfile.TemporaryDirectory() as scratch:
        Path(scratch, "specification").write_text(specification)
        by = ["-s", f"{authority.path}.pub" if isinstance(authority, SshKey) else authority] if authority else []
        made = Path(scratch, "krl")
        _keygen("-q", "-k", "-f", str(made), *by, f"{scratch}/specification", *(f"{key.path}.pub" for key in keys))
        return made.read_bytes()


def keygen_revokes(revoked: bytes, key: SshKey) -> bool:
    """Whether `ssh-keygen -Q` finds a key or certificate in a KRL."""
    with tempfile.TemporaryDirectory() as scratch:
        Path(scratch, "krl").write_bytes(revoked)
        done = subprocess.run(
            ["ssh-keygen", "-Q", "-f", f"{scratch}/krl", f"{key.path}.pub"], capture_output=True, check=False, timeout=60,
            env=_environment(),
        )  # fmt: skip
    found = b"REVOKED" in done.stdout
    if bool(done.returncode) != found:
        raise RuntimeError(done.stderr.decode(errors="replace"))
    return found


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
