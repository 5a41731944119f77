"""The real cosign, without any service of Sigstore: no log, no timestamps, no TUF."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.conftest import find_tool

SIGNING_CONFIG = '{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json"}'
TRUSTED_ROOT = '{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}'


class Cosign(NamedTuple):
    """cosign 3 with its home in a directory; keys there have no password. `environment` is added to what it sees."""

    home: Path
    environment: tuple[tuple[str, str], ...] = ()

    @classmethod
    def create(cls, home: Path, **environment: str) -> Cosign:
        home.mkdir(parents=True, exist_ok=True)
        (home / "signing-config.json").write_text(SIGNING_CONFIG)
        (home / "trusted-root.json").write_text(TRUSTED_ROOT)
        return cls(home, tuple(environment.items()))

    def generate(self, name: str) -> bytes:
        """A new P-256 key `name`; its public key in PEM."""
        self.run("generate-key-pair", "--output-key-prefix", name)
        return (self.home / f"{name}.pub").read_bytes()

    def take(self, name: str, private_pem: bytes) -> bytes:
        """A key made elsewhere (PKCS #8 or #1), as `name`; its public key in PEM."""
        (self.home / f"{name}.pem").write_bytes(private_pem)
        self.run("import-key-pair", "-y", "--key", f"{name}.pem", "--output-key-prefix", name)
        return (self.home / f"{name}.pub").read_bytes()

    def sign(
        self,
        key: str,
        image: str,
        *options: str,
        legacy: bool = False,
        referrer: bool = False,
        own: bool = True,
        **annotations: str,
    ) -> None:
        """Sign in the bundle format, or in the legacy one: in the `.sig` tag, or as a referrer.

        `own`: cosign verifies what it signed, which it cannot with an Ed25519 key (it signs Ed25519ph and expects Ed25519).
        """
        pairs = [part for name, value in annotations.items() for part in ("-a", f"{name}={value}")]
        if legacy or referrer:
            old = ["--use-signing-config=false", "--tlog-upload=false", "--new-bundle-format=false"]
            mode = ["--registry-referrers-mode", "oci-1-1"] if referrer else []
            self.run("sign", "-y", "--key", f"{key}.key", *old, *mode, *pairs, *options, image)
        else:
            self.run("sign", "-y", "--key", f"{key}.key", *self._services(own=own), *pairs, *options, image)

    def attest(self, key: str, image: str, predicate_type: str, *options: str) -> None:
        (self.home / "predicate.json").write_text('{"result": "FAILED"}')
        what = ["--predicate", "predicate.json", "--type", predicate_type]
        self.run("attest", "-y", "--key", f"{key}.key", *self._services(), *what, *options, image)

    def save(self, image: str, directory: Path) -> None:
        """`cosign save`: an OCI layout with the image and what is signed."""
        self.run("save", "--dir", str(directory), image)

    def verifies(self, key: str, image: str, *options: str) -> bool:
        """Whether `cosign verify` accepts an image, without a log."""
        done = self._start("verify", "--key", f"{key}.pub", "--insecure-ignore-tlog", *options, image)
        return done.returncode == 0

    def run(self, *arguments: str) -> bytes:
        done = self._start(*arguments)
        if done.returncode:
            raise RuntimeError(f"cosign {' '.join(arguments)}: {done.stderr.decode(errors='replace')}")
        return done.stdout

    def _services(self, *, own: bool = True) -> list[str]:
        root = ["--trusted-root", "trusted-root.json"] if own else []
        return ["--signing-config", "signing-config.json", *root]

    def _start(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        environment = {
            **{name: value for name, value in os.environ.items() if name in ("PATH", "TMPDIR")},
            "HOME": str(self.home),
            "COSIGN_PASSWORD": "",
            "COSIGN_EXPERIMENTAL": "1",
            "TUF_MIRROR": "http://127.0.0.1:9",  # nobody: without a trusted root cosign would ask the Internet for one
            **dict(self.environment),
        }
        return subprocess.run(
            [find_tool("cosign") or "cosign", *arguments],
            cwd=self.home,
            env=environment,
            capture_output=True,
            check=False,
            timeout=120,
        )
