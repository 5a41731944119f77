"""Protocol buffers (the wire format of protobuf.dev/programming-guides/encoding), as far as a Sigstore log entry needs them.

A message is read against the fields that it may have. What the general rules let a reader skip or merge is refused: unknown
fields, a singular field twice (the last one would win), numbers in more bytes than needed, text that is not UTF-8. All errors
are `Malformed` with rule `signature-bad`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from chainverify.formats.sshwire import damaged

VARINT: Final = 0
BYTES: Final = 2
"""The wire types that are read, of numbers and of bytes (text and messages inside too)."""

MAX_FIELDS: Final = 256
"""The most fields of one message: a log entry has seven, its inclusion proof a hash for each level of the tree."""
_MAX_VARINT: Final = 10


class Kind(NamedTuple):
    """What a field of a message is: its wire type, and whether it may be there more than once."""

    wire: int
    repeated: bool = False


class Message:
    """The fields of a message that were there."""

    __slots__ = ("_found", "_what")

    def __init__(self, found: dict[int, list[int | bytes]], what: str) -> None:
        self._found = found
        self._what = what

    def has(self, number: int) -> bool:
        """Whether the field is there."""
        return number in self._found

    def number(self, number: int) -> int:
        """An int64 that is not negative; 0 where the field is not there, as the format has it. Raises `Malformed`."""
        value = self._found.get(number, [0])[0]
        if not isinstance(value, int) or value >= 1 << 63:
            raise damaged(f"{self._what} has a negative number in its field {number}")
        return value

    def octets(self, number: int) -> bytes:
        """The bytes of a field, empty where it is not there."""
        value = self._found.get(number, [b""])[0]
        return value if isinstance(value, bytes) else b""

    def text(self, number: int) -> str:
        """The text of a field, empty where it is not there. Raises `Malformed`."""
        try:
            return self.octets(number).decode("utf-8")
        except UnicodeDecodeError as error:
            raise damaged(f"{self._what} has text that is not UTF-8 in its field {number}") from error

    def all_octets(self, number: int) -> tuple[bytes, ...]:
        """The bytes of every occurrence of a repeated field."""
        return tuple(value for value in self._found.get(number, ()) if isinstance(value, bytes))


def read(data: bytes, kinds: Mapping[int, Kind], what: str) -> Message:
    """The message in `data`, which `what` names in errors; `kinds` are all fields that it may have. Raises `Malformed`."""
    found: dict[int, list[int | bytes]] = {}
    at = count = 0
    while at < len(data):
        count += 1
        if count > MAX_FIELDS:
            raise damaged(f"{what} has more than {MAX_FIELDS} fields")
        tag, at = _varint(data, at, what)
        number, wire = tag >> 3, tag & 7
        kind = kinds.get(number)
        if kind is None or wire != kind.wire:
            raise damaged(f"{what} has a field {number} of wire type {wire}, which is not read")
        value, at = _varint(data, at, what)
        if number in found and not kind.repeated:
            raise damaged(f"{what} has its field {number} twice")
        if wire == VARINT:
            found.setdefault(number, []).append(value)
            continue
        if value > len(data) - at:
            raise damaged(f"{what} is cut off: field {number} has {value} bytes, got {len(data) - at}")
        found.setdefault(number, []).append(data[at : at + value])
        at += value
    return Message(found, what)


def _varint(data: bytes, at: int, what: str) -> tuple[int, int]:
    """A base-128 number of at most 64 bits in the fewest bytes, and where it ends."""
    value = 0
    for index in range(_MAX_VARINT):
        if at + index >= len(data):
            raise damaged(f"{what} is cut off")
        byte = data[at + index]
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            if value >= 1 << 64 or (byte == 0 and index):
                break
            return value, at + index + 1
    raise damaged(f"{what} holds a number in more bytes than needed, or over 64 bits")
