"""OpenPGP keys for tests and demos, made, edited and used by the real gpg at chosen times.

    with GpgHome.create() as home:
        key = home.key("Alice Example <alice@example.org>", subkeys=["ed25519"])
        home.set_clock(START + 60)
        oid = repo.commit("JIRA-1: add it", {"a.txt": b"text"}, key=key)      # git signs with gpg, at that time
        armor = home.sign(key, payload, when=START + 60)                      # a detached signature at a chosen time
        public = home.export(key)                                             # for a policy's `openpgp = [...]`

Every home has its own agent, which `close` (or leaving `with`) ends.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, NamedTuple

from tests.world.repository import START, GpgKey

KeyKind = Literal[
    "rsa1024", "rsa2048", "rsa3072", "rsa4096", "dsa2048", "dsa3072", "ed25519", "nistp256", "nistp384", "nistp521",
    "brainpoolP256r1", "brainpoolP384r1", "brainpoolP512r1",
]
CREATED: Final = START - 86_400 * 30
"""When keys are made unless told otherwise: a month before the first commit of a repository."""
Reason = Literal[0, 1, 2, 3]
"""Reasons of revocation: 0 none, 1 superseded, 2 compromised, 3 retired (gpg asks for 0, 1, 2, 3 in another order)."""
_REASON_ANSWER: Final[dict[int, str]] = {0: "0", 2: "1", 1: "2", 3: "3"}


class Verdict(NamedTuple):
    """What gpg says of a signature: the keywords of its status lines (GOODSIG, EXPKEYSIG, BADSIG, ...)."""

    keywords: frozenset[str]
    fingerprint: str
    primary: str

    @property
    def word(self) -> str:
        """The one keyword that decides, `error` where gpg gave none."""
        for keyword in ("BADSIG", "REVKEYSIG", "EXPKEYSIG", "EXPSIG", "ERRSIG", "GOODSIG"):
            if keyword in self.keywords:
                return keyword
        return "error"


class GpgHome:
    """A GNUPGHOME at `path` with secret keys; short, because the agent's socket lies in it."""

    def __init__(self, path: Path) -> None:
        """The home that is already at `path`."""
        self.path = path

    @classmethod
    def create(cls) -> GpgHome:
        """A new, empty home without passphrases."""
        path = Path(tempfile.mkdtemp(prefix="cv-gpg-"))
        path.chmod(0o700)
        home = cls(path)
        home.set_clock(None)
        return home

    def set_clock(self, when: int | None) -> None:
        """The time that gpg believes to be now where it is not told another, as when git calls it; None: the real one."""
        clock = f"faked-system-time {when}!\n" if when is not None else ""
        (self.path / "gpg.conf").write_text(f"no-auto-key-retrieve\nno-auto-key-locate\ntrust-model always\n{clock}")

    def __enter__(self) -> GpgHome:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the agent and remove the home."""
        subprocess.run(
            ["gpgconf", "--homedir", self.path, "--kill", "all"], check=False, capture_output=True, timeout=60
        )
        shutil.rmtree(self.path, ignore_errors=True)

    def run(
        self, *arguments: str, when: int | None = None, stdin: bytes = b"", batch: bool = True, check: bool = True
    ) -> subprocess.CompletedProcess[bytes]:
        """Run gpg; `when` is the time it believes to be now, in seconds since the epoch."""
        clock = [f"--faked-system-time={when}!"] if when is not None else []
        mode = ["--batch", "--pinentry-mode", "loopback", "--passphrase", ""] if batch else []
        done = subprocess.run(
            ["gpg", "--homedir", str(self.path), "--no-tty", "--yes", "-q", *mode, *clock, *arguments],
            input=stdin, capture_output=True, check=False, timeout=120,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C", "TZ": "UTC", "HOME": str(self.path)},
        )
        if check and done.returncode:
            raise RuntimeError(f"gpg {' '.join(arguments)}: {done.stderr.decode(errors='replace')}")
        return done

    # --- keys

    def key(
        self,
        user_id: str = "Alice Example <alice@example.org>",
        kind: KeyKind = "ed25519",
        *,
        usage: str = "sign",
        expires: int = 0,
        when: int = CREATED,
        subkeys: Sequence[KeyKind] = (),
        also: Sequence[str] = (),
    ) -> GpgKey:
        """A new certificate: `expires` in seconds after its creation (0: never), `subkeys` for signing, `also` further
        user ids. Use `usage="cert"` for a primary key that only certifies."""
        period = f"seconds={expires}" if expires else "never"
        done = self.run(
            "--status-fd", "1", "--quick-generate-key", user_id, kind, usage, period, when=when
        )
        found = re.search(rb"KEY_CREATED \w ([0-9A-F]{40})", done.stdout)
        if found is None:
            raise RuntimeError(f"gpg made no key: {done.stdout!r}")
        key = GpgKey(self.path, found[1].decode())
        for subkey in subkeys:
            self.add_subkey(key, subkey, when=when)
        for other in also:
            self.run("--quick-add-uid", key.key_id, other, when=when)
        return key

    def add_subkey(
        self, key: GpgKey, kind: KeyKind = "ed25519", *, usage: str = "sign", expires: int = 0, when: int = CREATED
    ) -> str:
        """A new subkey of a certificate; its fingerprint."""
        # without it gpg makes a key for encryption of a curve that has both
        name = f"{kind}/ecdsa" if kind.startswith(("nistp", "brainpool")) and usage == "sign" else kind
        self.run("--quick-add-key", key.key_id, name, usage, f"seconds={expires}" if expires else "never", when=when)
        return self.fingerprints(key)[-1]

    def fingerprints(self, key: GpgKey) -> list[str]:
        """The fingerprints of a certificate's keys, the primary first."""
        listed = self.run("--with-colons", "--with-subkey-fingerprint", "--list-keys", key.key_id).stdout.decode()
        return [line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr:")]

    def expire(self, key: GpgKey, expires: int, *, when: int, subkey: str = "") -> None:
        """Set when a certificate (or one subkey, by fingerprint) expires, in seconds after `when`; 0: never."""
        period = f"seconds={expires}" if expires else "0"
        self.run("--quick-set-expire", key.key_id, period, *([subkey] if subkey else []), when=when)

    def revoke(self, key: GpgKey, reason: Reason, *, when: int, subkey: int = 0) -> None:
        """Revoke a certificate, or its subkey number `subkey` (from 1), for a reason."""
        chosen = f"key {subkey}\n" if subkey else ""
        answers = f"{chosen}revkey\ny\n{_REASON_ANSWER[reason]}\n\ny\nsave\n"
        self._edit(key, answers, when)

    def revocation(self, key: GpgKey, reason: Reason, *options: str, when: int) -> bytes:
        """A revocation of a certificate as `--gen-revoke` writes it, armored."""
        done = self.run(
            "--command-fd", "0", *options, "--gen-revoke", key.key_id,
            when=when, batch=False, stdin=f"y\n{_REASON_ANSWER[reason]}\n\ny\n".encode(),
        )
        return done.stdout

    def revoke_user_id(self, key: GpgKey, user_id: str, *, when: int) -> None:
        """Revoke a user id of a certificate as no longer valid."""
        self.run("--quick-revoke-uid", key.key_id, user_id, when=when)

    def export(self, *keys: GpgKey, armor: bool = True) -> bytes:
        """The public certificates of `keys`, as they are now."""
        return self.run(*(["--armor"] if armor else []), "--export", *(key.key_id for key in keys)).stdout

    def export_secret(self, key: GpgKey, *, armor: bool = True) -> bytes:
        """The secret keys of a certificate."""
        return self.run(*(["--armor"] if armor else []), "--export-secret-keys", key.key_id).stdout

    # --- signatures

    def sign(self, key: GpgKey | str, payload: bytes, *options: str, when: int = START, armor: bool = True) -> bytes:
        """A detached signature, without a final LF where it is armored (as in a commit's header).

        A fingerprint as `key` signs with that very (sub)key; a certificate lets gpg choose.
        """
        name = key + "!" if isinstance(key, str) else key.key_id
        form = ["--armor"] if armor else []
        done = self.run(*form, *options, "--local-user", name, "--detach-sign", when=when, stdin=payload)
        return done.stdout.removesuffix(b"\n") if armor else done.stdout

    def verdict(self, payload: bytes, signature: bytes, *, when: int | None = None) -> Verdict:
        """What gpg says of a detached signature at `when`."""
        with tempfile.NamedTemporaryFile(dir=self.path, suffix=".sig") as file:
            file.write(signature)
            file.flush()
            done = self.run(
                "--status-fd", "1", "--allow-weak-digest-algos", "--verify", file.name, "-",
                when=when, stdin=payload, check=False,
            )
        lines = [line.split()[1:] for line in done.stdout.decode(errors="replace").splitlines() if line.startswith("[GNUPG:]")]
        valid = next((line for line in lines if line[0] == "VALIDSIG"), [])
        return Verdict(
            frozenset(line[0] for line in lines), valid[1] if len(valid) > 1 else "", valid[10] if len(valid) > 10 else ""
        )

    def _edit(self, key: GpgKey, answers: str, when: int) -> None:
        self.run(
            "--command-fd", "0", "--pinentry-mode", "loopback", "--passphrase", "", "--expert", "--edit-key", key.key_id,
            when=when, batch=False, stdin=answers.encode(),
        )
