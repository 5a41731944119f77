"""The distinguished encoding rules of ASN.1 (X.690 sections 8 and 10), as far as CMS, timestamps and certificates use them.

A value has exactly one encoding here: definite lengths in the fewest bytes, canonical integers, booleans and times. Whoever
parses signed bytes in two ways can be shown two things, so general ASN.1 readers, which accept the basic rules as well, will not
do. The one exception that a real signer needs is `definite`. All errors are `Malformed` with rule `signature-bad`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from typing import Final

from chainverify.errors import Malformed
from chainverify.formats.sshwire import damaged

BOOLEAN: Final = 0x01
INTEGER: Final = 0x02
BIT_STRING: Final = 0x03
OCTET_STRING: Final = 0x04
OID: Final = 0x06
UTC_TIME: Final = 0x17
GENERALIZED_TIME: Final = 0x18
SEQUENCE: Final = 0x30
SET: Final = 0x31

MAX_DEPTH: Final = 24
"""How deep values may be nested: a timestamp token inside of a CMS signature needs about half of it."""
MAX_INDEFINITE_DEPTH: Final = 4
"""How deep values of indefinite length may be nested, see `definite`."""
MAX_ELEMENTS: Final = 1024
"""The most elements of one list that are read."""
MAX_INTEGER_BYTES: Final = 2049
"""The longest integer that is read: the modulus of an RSA key of 16384 bits."""
MAX_OID_BYTES: Final = 64
"""The longest object identifier that is read."""

_CONSTRUCTED: Final = 0x20
_utc_time: Final = re.compile(rb"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z").fullmatch
_generalized_time: Final = re.compile(rb"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\.\d*[1-9])?Z").fullmatch


def context(number: int, *, constructed: bool = True) -> int:
    """The tag byte of the context-specific tag `number`."""
    return 0x80 | (_CONSTRUCTED if constructed else 0) | number


class DerReader:
    """Reads DER values one after the other; every method raises `Malformed` where the bytes do not hold one."""

    __slots__ = ("_at", "_data", "_depth", "_what")

    def __init__(self, data: bytes, what: str, depth: int = 0) -> None:
        """`what` names the data in error messages ("CMS signature"), `depth` is how deep it is nested already."""
        if depth > MAX_DEPTH:
            raise damaged(f"{what} is nested more than {MAX_DEPTH} levels deep")
        self._data = data
        self._at = 0
        self._what = what
        self._depth = depth

    @property
    def more(self) -> bool:
        """Whether there is anything left to read."""
        return self._at < len(self._data)

    def at(self, tag: int) -> bool:
        """Whether the next value has this tag byte."""
        return self._at < len(self._data) and self._data[self._at] == tag

    def element(self, tag: int | None = None) -> bytes:
        """The whole next value, tag and length included. Its content is not looked into."""
        start = self._at
        self._header(tag)
        return self._data[start : self._at]

    def value(self, tag: int) -> bytes:
        """The content of the next value."""
        start = self._header(tag)
        return self._data[start : self._at]

    def enter(self, tag: int) -> DerReader:
        """A reader of the content of the next value, which is a constructed one."""
        return DerReader(self.value(tag), self._what, self._depth + 1)

    def set_of(self, tag: int = SET) -> tuple[bytes, ...]:
        """The elements of a SET OF in their canonical order (X.690 section 11.6), each different."""
        found = self.elements(tag)
        # one value is never the beginning of another, so the order of bytes is the order of the rules
        if any(first >= second for first, second in pairwise(found)):
            raise self._damaged("has a SET OF that is not sorted, or holds a value twice")
        return found

    def elements(self, tag: int) -> tuple[bytes, ...]:
        """The elements of a constructed value, in whatever order."""
        inner = self.enter(tag)
        found: list[bytes] = []
        while inner.more:
            if len(found) == MAX_ELEMENTS:
                raise self._damaged(f"holds a list of more than {MAX_ELEMENTS} values")
            found.append(inner.element())
        return tuple(found)

    def boolean(self) -> bool:
        """A BOOLEAN: 0x00 or 0xFF (X.690 section 11.1)."""
        value = self.value(BOOLEAN)
        if value not in {b"\x00", b"\xff"}:
            raise self._damaged("holds a boolean that is not canonical")
        return value == b"\xff"

    def integer(self, tag: int = INTEGER) -> int:
        """An INTEGER in the fewest bytes (X.690 section 8.3.2)."""
        value = self.value(tag)
        if not 0 < len(value) <= MAX_INTEGER_BYTES:
            raise self._damaged(f"holds an integer of {len(value)} bytes, expected 1 to {MAX_INTEGER_BYTES}")
        if len(value) > 1 and value[0] == (0xFF if value[1] >= 0x80 else 0):
            raise self._damaged("holds an integer with needless leading bytes")
        return int.from_bytes(value, "big", signed=True)

    def octets(self) -> bytes:
        """The content of an OCTET STRING, which DER does not divide."""
        return self.value(OCTET_STRING)

    def bit_string(self) -> bytes:
        """A BIT STRING of whole bytes, as signatures are."""
        value = self.value(BIT_STRING)
        if value[:1] != b"\x00":
            raise self._damaged("holds a bit string that is not of whole bytes")
        return value[1:]

    def oid(self) -> str:
        """An OBJECT IDENTIFIER in dotted form (X.690 section 8.19)."""
        value = self.value(OID)
        dotted = _dotted(value) if len(value) <= MAX_OID_BYTES else None
        if dotted is None:
            raise self._damaged("holds a damaged object identifier")
        return dotted

    def time(self) -> int:
        """A UTCTime or GeneralizedTime in seconds since the epoch, fractions dropped (X.690 sections 11.7, 11.8).

        A UTCTime is of the years 1950 to 2049 (RFC 5280 section 4.1.2.5.1).
        """
        if self.at(UTC_TIME):
            found = _utc_time(self.value(UTC_TIME))
            year = int(found[1]) if found else 0
            year += 1900 if year >= 50 else 2000
        else:
            found = _generalized_time(self.value(GENERALIZED_TIME))
            year = int(found[1]) if found else 0
        if found is None:
            raise self._damaged("holds a time that is not in canonical form")
        try:
            moment = datetime(year, *(int(found[group]) for group in range(2, 7)), tzinfo=UTC)  # type: ignore[arg-type,misc]
        except ValueError as error:
            raise self._damaged("holds a time that is none of the calendar") from error
        return int(moment.timestamp())

    def end(self) -> None:
        """Raises `Malformed` unless everything was read."""
        if self._at != len(self._data):
            raise self._damaged(f"has {len(self._data) - self._at} bytes too many at its end")

    def _header(self, tag: int | None) -> int:
        """Step over the next value, and tell where its content starts."""
        if tag is not None and self.more and self._data[self._at] != tag:
            raise self._damaged(f"holds the tag 0x{self._data[self._at]:02x} where 0x{tag:02x} is expected")
        start, self._at = _bounds(self._data, self._at, self._what)
        return start

    def _damaged(self, why: str) -> Malformed:
        return damaged(f"{self._what} {why}")


@lru_cache(maxsize=256)
def _dotted(value: bytes) -> str | None:
    """An object identifier in dotted form, None for one that is empty, cut off or not in the fewest bytes."""
    if not value or value[-1] & 0x80:
        return None
    arcs: list[int] = []
    arc = 0
    start = True
    for byte in value:
        if start and byte == 0x80:
            return None
        arc = arc << 7 | byte & 0x7F
        start = not byte & 0x80
        if start:
            arcs.append(arc)
            arc = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


def _bounds(data: bytes, at: int, what: str) -> tuple[int, int]:
    """Where the content of the value at `at` starts, and where it ends."""
    if at + 2 > len(data):
        raise damaged(f"{what} is cut off")
    if data[at] & 0x1F == 0x1F:
        raise damaged(f"{what} holds the tag 0x{data[at]:02x}, which is not read")
    length = data[at + 1]
    at += 2
    if length >= 0x80:
        count = length - 0x80
        if not 0 < count <= 4 or at + count > len(data):
            raise damaged(f"{what} holds a value of indefinite or excessive length")
        length = int.from_bytes(data[at : at + count], "big")
        if length < 0x80 or length >> 8 * (count - 1) == 0:
            raise damaged(f"{what} holds a length in more bytes than needed")
        at += count
    if at + length > len(data):
        raise damaged(f"{what} is cut off: expected {length} bytes, got {len(data) - at}")
    return at, at + length


def encode(tag: int, content: bytes) -> bytes:
    """The DER of a value with this tag byte."""
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def definite(data: bytes, what: str) -> bytes:
    """`data` with its outermost values, where they are of indefinite length, written with definite ones.

    gpgsm (GnuPG 2.2, libksba) writes its four outermost values so and all others in DER. Nothing else is let through: a value
    of indefinite length stands inside of others of that kind only, down to `MAX_INDEFINITE_DEPTH`, and is constructed.
    Values of definite length are copied as they are. Raises `Malformed`.
    """
    whole, end = _definite(data, 0, what, 1)
    if end != len(data):
        raise damaged(f"{what} has {len(data) - end} bytes too many at its end")
    return whole


def _definite(data: bytes, at: int, what: str, depth: int) -> tuple[bytes, int]:
    """The definite form of the value that starts at `at`, and where it ends."""
    if data[at + 1 : at + 2] != b"\x80":
        end = _bounds(data, at, what)[1]
        return data[at:end], end
    tag = data[at]
    if not tag & _CONSTRUCTED or tag & 0x1F == 0x1F or depth > MAX_INDEFINITE_DEPTH:
        raise damaged(f"{what} holds a value of indefinite length where none may be")
    parts: list[bytes] = []
    at += 2
    while data[at : at + 2] != b"\x00\x00":
        part, at = _definite(data, at, what, depth + 1)
        parts.append(part)
    return encode(tag, b"".join(parts)), at + 2
