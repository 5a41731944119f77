"""Key files that people name on the command line: read, told from private keys, and made ready to be copied."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from chainverify.errors import Malformed, UsageError
from chainverify.formats import allowed_signers as lines
from chainverify.formats import armor, certificate, keykind, openpgp_keys, sshkey
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
    if keykind.is_pkcs12(data):
        raise UsageError(
            f"{path} is a PKCS#12 file (.p12, .pfx), which holds a PRIVATE key: nothing was written, and it must not get into a "
            "repository",
            hint=f"{_openssl(path, 'pkcs12')} -clcerts -nokeys writes the certificate alone (-legacy helps with old files)",
        )
    if b"PRIVATE KEY" in data or keykind.is_private_der(data):
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
    """A file of pinned certificates in PEM, or of one in DER. Raises `UsageError`; what a certificate says is for the verifier
    to read."""
    data = read(path)
    if keykind.is_pkcs7(data):
        form = "" if data.startswith(b"-----") else " -inform der"
        raise UsageError(
            f"{path} is a PKCS#7 file (.p7b), expected a certificate in PEM or DER",
            hint=f"{_openssl(path, 'pkcs7')}{form} -print_certs writes its certificates; keep only the person's own",
        )
    if _CERTIFICATE in data:
        return KeyFile("x509", ".pem", data)
    try:
        certificate.parse(data)
    except Malformed as error:
        hint = keykind.hint(data, "a person's certificate is what gpgsm --armor --export or openssl x509 writes")
        raise UsageError(f"{path} holds no certificate, in PEM or DER", hint=hint) from error
    return KeyFile("x509", ".der", data)


def _openssl(path: Path, program: str) -> str:
    """The start of a command that makes PEM of a file, beside it."""
    return f"openssl {program} -in {shlex.quote(str(path))} -out {shlex.quote(str(path.with_suffix('.pem')))}"


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
