"""Armors with nothing but base64 in them (RFC 7468), in the one form that honest signers write.

SSH and CMS signatures are wrapped alike: BEGIN line, base64 lines of one width, END line, nothing before or after. All such
signatures of a survey of real histories are in this form. What another verifier would read differently has rule
`signature-ambiguous`, other damage `signature-bad`; all errors are `Malformed`.
"""

from __future__ import annotations

import binascii
from typing import Final

from chainverify.errors import Malformed
from chainverify.formats import strict64
from chainverify.formats.sshwire import damaged

MAX_ARMOR_BYTES: Final = 256 << 10
"""The largest armor that is read; an SSH signature by an RSA key of 16384 bits has under 8 KiB, one of CMS with the
certificates of its chain and a timestamp under 16 KiB."""


def dearmor(armored: bytes, marks: tuple[bytes, bytes], what: str, tool: str) -> bytes:
    """The bytes inside a canonical armor between the lines `marks` (no line end after END). Raises `Malformed`.

    `what` names the data in errors ("SSH signature"), `tool` what makes a canonical one ("git or ssh-keygen").
    """
    begin, end = marks
    if len(armored) > MAX_ARMOR_BYTES:
        raise damaged(f"{what} has {len(armored)} bytes, at most {MAX_ARMOR_BYTES} are read")
    lines = armored.split(b"\n")
    if lines[0] != begin:
        if begin in armored:
            raise ambiguous(f"{what} has text before or beside its BEGIN line", tool)
        raise damaged(f"{what} does not start with its BEGIN line")
    if armored.count(b"-----BEGIN ") > 1:
        raise ambiguous("several signatures stand where one is expected", tool)
    if end not in armored:
        raise damaged(f"{what} has no END line")
    if lines[-1] != end or lines.index(end) != len(lines) - 1:
        raise ambiguous(f"{what} has text after its END line, or beside it", tool)
    return _decode(lines[1:-1], what)


def certificate(der: bytes) -> tuple[str, ...]:
    """The lines of a certificate in PEM (RFC 7468 section 5)."""
    text = binascii.b2a_base64(der, newline=False).decode("ascii")
    lines = (text[at : at + 64] for at in range(0, len(text), 64))
    return ("-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----")


def _decode(lines: list[bytes], what: str) -> bytes:
    """Strict base64 (RFC 4648 section 3.5) in lines of one width, the last one as wide or narrower."""
    if not lines:
        raise damaged(f"{what} is empty")
    width = len(lines[0])
    if any(len(line) != width for line in lines[:-1]) or not 0 < len(lines[-1]) <= width:
        raise damaged(f"{what} has base64 lines of different width")
    return strict64.decode(b"".join(lines), what)


def ambiguous(message: str, tool: str) -> Malformed:
    """The error for what verifiers read differently; `tool` makes it right."""
    return Malformed(
        message, rule="signature-ambiguous", hint=f"sign again with {tool}; verifiers disagree on this form"
    )
