"""What a key file holds in the place of what was expected: for the hints of errors, told by how a line starts."""

from __future__ import annotations

import re
from typing import Final

_LOOKED_AT: Final = 4096
"""Bytes of a file that are looked at."""
_KINDS: Final = (
    (rb"-----BEGIN PGP PUBLIC KEY BLOCK", "it holds an OpenPGP key, which belongs into the list openpgp"),
    (rb"-----BEGIN CERTIFICATE-----", "it holds an X.509 certificate, which belongs into x509 (a CA's: [commits] x509-roots)"),
    (
        rb"(ssh|ecdsa|sk)-[!-~]+-cert-v01@openssh\.com ",
        "it holds an SSH certificate: its authority's key belongs on a cert-authority line of an allowed_signers file",
    ),
    (rb"(ssh-|ecdsa-sha2-|sk-)[!-~]+ AAAA", "it holds an SSH key, which belongs into the list ssh"),
)  # fmt: skip


def hint(data: bytes, otherwise: str = "") -> str:
    """Where material belongs that looks like another kind of key than was asked for; `otherwise` where it looks like none."""
    head = data[:_LOOKED_AT]
    return next((said for start, said in _KINDS if re.search(rb"^[ \t]*" + start, head, re.MULTILINE)), otherwise)
