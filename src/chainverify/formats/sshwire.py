"""The few data types of the SSH wire encoding (RFC 4251 section 5) that keys and signatures are made of."""

from __future__ import annotations

import re
from typing import Final

from chainverify.errors import Malformed

MAX_STRING_BYTES: Final = 1 << 18
"""The longest string read: far above an RSA key of 16384 bits."""
_match_name: Final = re.compile(rb"[\x21-\x7e]{1,64}").fullmatch


class WireReader:
    """Reads SSH wire values one after the other; every method raises `Malformed` where the bytes do not hold one."""

    __slots__ = ("_at", "_data", "_what")

    def __init__(self, data: bytes, what: str) -> None:
        """`what` names the data in error messages ("SSH signature")."""
        self._data = data
        self._at = 0
        self._what = what

    def uint32(self) -> int:
        """An unsigned 32-bit number."""
        return int.from_bytes(self.raw(4), "big")

    def uint64(self) -> int:
        """An unsigned 64-bit number."""
        return int.from_bytes(self.raw(8), "big")

    def byte(self) -> int:
        """One byte, as a number."""
        return self.raw(1)[0]

    def boolean(self) -> bool:
        """A byte that is 0 or 1 (RFC 4251 allows others to be read as true, and none to be written)."""
        value = self.byte()
        if value > 1:
            raise damaged(f"{self._what} holds {value} where it must say 0 or 1")
        return value == 1

    def raw(self, count: int) -> bytes:
        """Exactly `count` bytes."""
        value = self._data[self._at : self._at + count]
        if len(value) != count:
            raise damaged(f"{self._what} is cut off: expected {count} bytes, got {len(value)}")
        self._at += count
        return value

    def string(self, limit: int = MAX_STRING_BYTES) -> bytes:
        """A string: its length, at most `limit`, then its bytes."""
        length = self.uint32()
        if length > limit:
            raise damaged(f"{self._what} holds a string of {length} bytes, expected at most {limit}")
        return self.raw(length)

    def text(self) -> bytes:
        """A string without NUL, as OpenSSH wants what it keeps as C strings."""
        value = self.string()
        if 0 in value:
            raise damaged(f"{self._what} holds a NUL in a text: {value[:40]!r}")
        return value

    def name(self) -> str:
        """A string that names an algorithm: printable ASCII, not empty (RFC 4251 section 6)."""
        value = self.string()
        if _match_name(value) is None:
            raise damaged(f"{self._what} has a bad algorithm name {value[:64]!r}")
        return value.decode("ascii")

    def positive(self) -> int:
        """An mpint greater than zero in its only canonical form: no needless leading zero byte, not negative."""
        value = self.string()
        if not value or value[0] & 0x80:
            raise damaged(f"{self._what} holds a number that is not positive")
        if value[0] == 0 and (len(value) == 1 or not value[1] & 0x80):
            raise damaged(f"{self._what} holds a number with needless leading zeros")
        return int.from_bytes(value, "big")

    @property
    def at(self) -> int:
        """How many bytes were read."""
        return self._at

    @property
    def more(self) -> bool:
        """Whether bytes are left."""
        return self._at < len(self._data)

    def rest(self) -> bytes:
        """All bytes not read yet."""
        value = self._data[self._at :]
        self._at = len(self._data)
        return value

    def end(self) -> None:
        """Raises `Malformed` unless everything was read."""
        if self._at != len(self._data):
            raise damaged(f"{self._what} has {len(self._data) - self._at} bytes too many at its end")


def string(value: bytes) -> bytes:
    """`value` as an SSH string."""
    return len(value).to_bytes(4, "big") + value


def damaged(message: str, hint: str = "") -> Malformed:
    """The error for bytes that are not what they claim to be."""
    return Malformed(message, rule="signature-bad", hint=hint)
