"""OpenPGP ASCII armor (RFC 9580 section 6): one signature read strictly, and the blocks of a key file.

The armor of a signature is not signed, so all of it could be changed by anybody. Three classes, calibrated on the
signatures of real histories: the canonical form, with or without one empty line at its end (GitHub writes it); two
forms that exist in the wild and are read with the note `armor-noncanonical` (CRLF on every line, whitespace after the
END line); everything else is refused: rule `signature-ambiguous` where another verifier would find a signature, or
read it differently, `signature-bad` for damage. All errors are `Malformed`.
"""

from __future__ import annotations

import binascii
import re
from typing import Final

from chainverify.errors import Malformed
from chainverify.formats import keykind, strict64

BEGIN: Final = b"-----BEGIN PGP SIGNATURE-----"
END: Final = b"-----END PGP SIGNATURE-----"
PUBLIC_KEY: Final = b"PGP PUBLIC KEY BLOCK"
MAX_ARMOR_BYTES: Final = 256 << 10
"""The largest armored signature that is read; one by an RSA key of 16384 bits has under 4 KiB."""
MAX_HEADERS: Final = 16
"""The most header lines of one armor."""
NONCANONICAL: Final = "armor-noncanonical"

_match_header: Final = re.compile(rb"(?:Version|Comment|Hash|Charset|MessageID):(?: [^\r]*)?").fullmatch
_match_begin: Final = re.compile(rb"-----BEGIN (PGP [A-Z ,/0-9]+)-----[ \t]*").fullmatch

_LINE: Final = 64
"""Characters of a line of base64 that is written."""
_CRC_START: Final = 0xB704CE
_CRC_POLYNOMIAL: Final = 0x1864CFB
_CRC_CHUNK: Final = 600
"""Bytes folded at once; a signature by an RSA key of 4096 bits fits."""


def signature(armored: bytes) -> tuple[bytes, tuple[str, ...]]:
    """The packets in a signature's armor, and the notes on its form. Raises `Malformed`."""
    if len(armored) > MAX_ARMOR_BYTES:
        raise _damaged(f"OpenPGP signature has {len(armored)} bytes, at most {MAX_ARMOR_BYTES} are read")
    if not armored.startswith(BEGIN):
        if BEGIN in armored:
            raise _ambiguous("OpenPGP signature has text before its BEGIN line")
        raise _damaged("OpenPGP signature does not start with its BEGIN line")
    if armored.count(b"-----BEGIN ") > 1:
        raise _ambiguous("several armors stand where one signature is expected")
    head, end, tail = armored.partition(b"\n" + END)
    if not end:
        raise _damaged("OpenPGP signature has no END line")
    notes: tuple[str, ...] = ()
    if tail not in (b"", b"\n"):
        if tail.strip(b" \t\r\n"):
            raise _ambiguous("OpenPGP signature has text after its END line")
        notes = (NONCANONICAL,)
    if b"\r" in armored:
        head = _without_cr(head, tail)
        notes = (NONCANONICAL,)
    return _body(head, len(BEGIN)), notes


def is_armored(data: bytes) -> bool:
    """Whether key material is text (armor) and not packets: the first byte of every packet has its high bit set."""
    return not data[:1] > b"\x7f"


def key_blocks(data: bytes) -> tuple[bytes, ...]:
    """The packets of each public key armor in `data`; text outside of armors is for people and is skipped.

    Raises `Malformed` for a block that is damaged, cut off or of another kind, and where there is no block.
    """
    blocks: list[bytes] = []
    collected: list[bytes] | None = None
    for raw in data.replace(b"\r\n", b"\n").split(b"\n"):
        line = raw.rstrip(b" \t\r")
        begin = _match_begin(line)
        if begin:
            if collected is not None:
                raise _damaged("key file has a BEGIN line inside of an armor")
            if b"PRIVATE" in begin[1] or b"SECRET" in begin[1]:
                raise private_key()
            if begin[1] != PUBLIC_KEY:
                raise _damaged(f"key file holds a {begin[1].decode('ascii')}, expected a {PUBLIC_KEY.decode()}")
            collected = [b""]
        elif collected is None:
            if line.startswith((b"-----BEGIN", b"-----END")):
                raise _damaged(f"key file has the line {line[:60]!r}, expected a {PUBLIC_KEY.decode()}", keykind.hint(line))
        elif line == b"-----END " + PUBLIC_KEY + b"-----":
            blocks.append(_body(b"\n".join(collected), 0))
            collected = None
        elif line.startswith(b"-----"):
            raise _damaged(f"key file has the line {line[:60]!r} inside of an armor")
        else:
            collected.append(line)
    if collected is not None:
        raise _damaged("key file ends inside of an armor")
    if not blocks:
        raise Malformed(
            "expected an OpenPGP public key, got none",
            rule="signature-bad",
            hint=keykind.hint(data, "write the file with: gpg --armor --export FINGERPRINT"),
        )
    return tuple(blocks)


def public_key(packets: bytes) -> bytes:
    """The armor of a public key, with its checksum and a final line end."""
    text = binascii.b2a_base64(packets, newline=False)
    lines = [text[at : at + _LINE] for at in range(0, len(text), _LINE)]
    check = b"=" + binascii.b2a_base64(crc24(packets).to_bytes(3, "big"), newline=False)
    return b"\n".join([b"-----BEGIN %s-----" % PUBLIC_KEY, b"", *lines, check, b"-----END %s-----" % PUBLIC_KEY, b""])


def private_key() -> Malformed:
    """The error for private key material where a public key is expected."""
    return Malformed(
        "file holds a private key, expected a public key",
        rule="signature-bad",
        hint="write the file with gpg --export, and keep this one private; if it was shared, revoke the key",
    )


def crc24(data: bytes) -> int:
    """The checksum of RFC 9580 section 6.1.1.

    CRC-24 is the remainder of a polynomial division, so the high part of a number may be replaced by its product with
    the remainder of its power of x: a few shifts of a large integer, and a table look-up per byte only for the last ones.
    """
    crc = _CRC_START
    for at in range(0, len(data), _CRC_CHUNK):
        chunk = data[at : at + _CRC_CHUNK]
        value = (crc << 8 * len(chunk)) ^ (int.from_bytes(chunk, "big") << 24)
        for power, mask, shifts in _FOLDS:
            while high := value >> power:
                value &= mask
                for shift in shifts:
                    value ^= high << shift
        crc = 0
        for byte in value.to_bytes(_FOLDED_BYTES, "big"):
            crc = ((crc & 0xFFFF) << 8 | byte) ^ _CRC_TABLE[crc >> 16]
    return crc


def _remainder(value: int) -> int:
    """The remainder of a polynomial by CRC-24's."""
    while excess := value >> 24:
        value ^= _CRC_POLYNOMIAL << excess.bit_length() - 1
    return value


def _fold(power: int) -> tuple[int, int, tuple[int, ...]]:
    """How to replace the part of a number from bit `power` on: a mask for the rest, and the shifts of that part."""
    remainder = _remainder(1 << power)
    return power, (1 << power) - 1, tuple(bit for bit in range(24) if remainder >> bit & 1)


_FOLDS: Final = tuple(_fold(power) for power in (1771, 535, 212))
"""Powers of x whose remainders have few terms."""
_FOLDED_BYTES: Final = 27
_CRC_TABLE: Final = tuple(_remainder(top << 24) for top in range(256))


def _without_cr(head: bytes, tail: bytes) -> bytes:
    """An armor up to END with CRLF line ends, made LF: every line must have one, the END line too (or be the last)."""
    if head.count(b"\r\n") != head.count(b"\n") or head.count(b"\r") != head.count(b"\r\n") + 1 or not head.endswith(b"\r"):
        raise _damaged("OpenPGP signature has carriage returns, but not on every line")
    if not tail.startswith(b"\r"):
        raise _damaged("OpenPGP signature has carriage returns, but not on its END line")
    return head[:-1].replace(b"\r\n", b"\n")


def _body(head: bytes, start: int) -> bytes:
    """The bytes in an armor whose BEGIN line ends at `start`, up to the line end before END."""
    at = start + 2 if head[start : start + 2] == b"\n\n" else _after_headers(head, start)
    text = head[at:]
    crc: bytes | None = None
    mark = text.rfind(b"\n") + 1
    if text[mark : mark + 1] == b"=":
        crc = text[mark + 1 :]
        text = text[: mark - 1] if mark else b""
    joined = text.replace(b"\n", b"")
    if not joined or b"\n\n" in text or text[:1] == b"\n" or text[-1:] == b"\n":
        raise _damaged("OpenPGP armor is empty, or has empty lines among its base64 lines")
    data = strict64.decode(joined, "OpenPGP armor")
    if crc is not None and (len(crc) != 4 or int.from_bytes(strict64.decode(crc, "OpenPGP armor"), "big") != crc24(data)):
        raise _damaged("OpenPGP armor has a checksum that does not fit")
    return data


def _after_headers(head: bytes, start: int) -> int:
    """Where the base64 starts: after known header lines and one empty line."""
    if head[start : start + 1] != b"\n":
        raise _damaged("OpenPGP armor has text on its BEGIN line")
    at = start + 1
    for _ in range(MAX_HEADERS + 1):
        end = head.find(b"\n", at)
        if end < 0:
            break
        if end == at:
            return at + 1
        if _match_header(head[at:end]) is None:
            raise _damaged(f"OpenPGP armor has the header line {head[at : min(end, at + 40)]!r}, which no tool writes")
        at = end + 1
    raise _damaged("OpenPGP armor has no empty line after its headers")


def _damaged(message: str, hint: str = "") -> Malformed:
    return Malformed(message, rule="signature-bad", hint=hint)


def _ambiguous(message: str) -> Malformed:
    return Malformed(
        message,
        rule="signature-ambiguous",
        hint="sign again with git, for verifiers disagree on this form; a known old object can be listed in [commits] exceptions",
    )
