"""Key files that people name on the command line: read, told from private keys, and made ready to be copied."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from chainverify.errors import Malformed, UsageError
from chainverify.formats import allowed_signers as lines
from chainverify.formats import armor, openpgp_keys, sshkey
from chainverify.jobs.enrol import KeyFile
from chainverify.jobs.policies import KEY_FILE_BYTES_MAX
from chainverify.policy.signers import is_inline_ssh

_CERTIFICATE: Final = b"-----BEGIN CERTIFICATE-----"


def read(path: Path, limit: int = KEY_FILE_BYTES_MAX) -> bytes:
    """The content of a key file. Raises `UsageError` where it cannot be read, is too large, or holds a private key."""
    try:
        if not path.is_file():
            raise UsageError(f"no key file {path}", hint="name a file with a public key")
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    if len(data) > limit:
        raise UsageError(f"{path} has more than {limit} bytes", hint="a key file holds the public keys of one person")
    if b"PRIVATE KEY" in data:
        raise private(str(path))
    return data


def ssh(value: str) -> str | KeyFile:
    """A key line as it is written into the policy, or the .pub file that `value` names. Raises `UsageError`."""
    if not is_inline_ssh(value):
        data = read(Path(value))
        with reading(value):
            sshkey.parse_file(data)
        return KeyFile("ssh", ".pub", data)
    with reading("the key line"):
        _, comment = sshkey.parse_line(value.strip().encode())
    plain = "".join(c for c in comment if c.isprintable())
    return " ".join(part for part in (*value.split()[:2], plain) if part)


def openpgp(path: Path) -> KeyFile:
    """A file of OpenPGP certificates. Raises `UsageError`."""
    data = read(path)
    with reading(str(path)):
        openpgp_keys.parse_file(data)
    return KeyFile("openpgp", ".asc" if armor.is_armored(data) else ".gpg", data)


def x509(path: Path) -> KeyFile:
    """A file of pinned certificates in PEM. Raises `UsageError`; what the certificates say is for the verifier to read."""
    data = read(path)
    if _CERTIFICATE not in data:
        raise UsageError(
            f"{path} holds no certificate in PEM", hint="openssl x509 -inform der -in FILE -out FILE.pem makes one of DER"
        )
    return KeyFile("x509", ".pem", data)


def allowed_signers(path: Path) -> KeyFile:
    """A file in OpenSSH's allowed_signers format, every line a key of one person. Raises `UsageError`."""
    data = read(path)
    with reading(str(path)):
        lines.parse(data)
    return KeyFile("allowed-signers", ".allowed_signers", data)


@contextlib.contextmanager
def reading(shown: str) -> Iterator[None]:
    """Errors of a format's reader as `UsageError` that names the file."""
    try:
        yield
    except Malformed as error:
        if "private key" in error.message:
            raise private(shown) from error
        raise UsageError(f"{shown}: {error.message}", hint=error.hint) from error


def private(shown: str) -> UsageError:
    """The error for private key material: nothing is copied, and the owner should know."""
    return UsageError(
        f"{shown} holds a PRIVATE key: nothing was written, and it must not get into a repository",
        hint="give the public key (the .pub file, or gpg --armor --export); if others could read this one, revoke it",
    )
