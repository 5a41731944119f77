"""The hint for a key file of another kind than was asked for, by each of the readers."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chainverify.errors import Malformed
from chainverify.formats import allowed_signers, openpgp_keys, sshkey
from chainverify.transparency import certificates

PGP = b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDMEZ\n-----END PGP PUBLIC KEY BLOCK-----\n"
X509 = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
SSH = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKRyHwq62rmhoO7+r4cHfUYym96BnkGfdzLOZ/wfO8kG alice@example.org\n"
SSH_CERTIFICATE = b"ssh-ed25519-cert-v01@openssh.com AAAAIHNzaC1l carol\n"
READERS: dict[str, Callable[[bytes], object]] = {
    "ssh": sshkey.parse_file, "openpgp": openpgp_keys.parse_file, "x509": certificates.read_file,
    "allowed-signers": allowed_signers.parse,
}  # fmt: skip


@pytest.mark.parametrize(("reader", "data", "hint"), [
    ("ssh", PGP, "belongs into the list openpgp"), ("ssh", X509, "belongs into x509"),
    ("openpgp", SSH, "belongs into the list ssh"), ("openpgp", X509, "belongs into x509"),
    ("openpgp", SSH_CERTIFICATE, "holds an SSH certificate"),
    ("x509", SSH, "belongs into the list ssh"), ("x509", PGP, "belongs into the list openpgp"),
    ("x509", SSH_CERTIFICATE, "holds an SSH certificate"),
    ("allowed-signers", PGP, "belongs into the list openpgp"), ("allowed-signers", X509, "belongs into x509"),
    # a .pub file has no principals; its comment stands where a key should
    ("allowed-signers", SSH, "a line is PRINCIPALS [OPTIONS] KEY"), ("allowed-signers", b"# none\n", "a line is PRINCIPALS"),
    ("allowed-signers", b"alice@example.org\n", "a line is PRINCIPALS"),
    ("ssh", b"\n", "name a .pub file"), ("ssh", b"what\n", "as in a .pub file"), ("openpgp", b"what\n", "gpg --armor --export"),
    ("x509", b"what\n", ""),
])  # fmt: skip
def test_the_hint_says_where_it_belongs(reader: str, data: bytes, hint: str) -> None:
    with pytest.raises(Malformed) as caught:
        READERS[reader](data)
    assert hint in caught.value.hint
    assert bool(hint) == bool(caught.value.hint)
