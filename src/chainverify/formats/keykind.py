"""What a key file holds in the place of what was expected: for the hints of errors, told by how a line or the file starts."""

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


def is_pkcs12(data: bytes) -> bool:
    """Whether a file starts as PKCS#12 does (RFC 7292 section 4): version 3, then what it holds, a private key as a rule."""
    return _begins(data, b"\x02\x01\x03\x30")


def is_private_der(data: bytes) -> bool:
    """Whether a file starts as a private key in DER does: PKCS#8 (RFC 5958, plain or encrypted), PKCS#1, or RFC 5915."""
    nested = re.match(rb"\x30" + _LENGTH + rb"\x30" + _LENGTH + re.escape(_ENCRYPTED), data, re.DOTALL)
    return nested is not None or any(_begins(data, start) for start in _PRIVATE)


def is_pkcs7(data: bytes) -> bool:
    """Whether a file is a bundle of certificates as PKCS#7 signed data (`.p7b`), in PEM or DER."""
    return _begins(data, b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02") or b"-----BEGIN PKCS7-----" in data[:_LOOKED_AT]


_LENGTH: Final = rb"(?:[\x00-\x80]|\x81.|\x82..|\x83...|\x84....)"
_PRIVATE: Final = (
    b"\x02\x01\x00\x02",  # PKCS#1: version, modulus
    b"\x02\x01\x00\x30", b"\x02\x01\x01\x30",  # PKCS#8: version, algorithm
    b"\x02\x01\x01\x04",  # an EC key: version, octets
)  # fmt: skip
_ENCRYPTED: Final = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x05"
"""The start of the identifiers of PKCS#5: the algorithm of an encrypted PKCS#8 key."""


def _begins(data: bytes, content: bytes) -> bool:
    """Whether a file is an ASN.1 sequence whose content starts so; in BER too, whose length may be open."""
    return re.match(rb"\x30" + _LENGTH + re.escape(content), data, re.DOTALL) is not None
