"""OpenPGP packets and multiprecision integers (RFC 9580 sections 3.2 and 4.2). All errors are `Malformed`."""

from __future__ import annotations

from typing import Final, NamedTuple

from chainverify.errors import Malformed

SIGNATURE: Final = 2
SECRET_KEY: Final = 5
PUBLIC_KEY: Final = 6
SECRET_SUBKEY: Final = 7
MARKER: Final = 10
TRUST: Final = 12
USER_ID: Final = 13
PUBLIC_SUBKEY: Final = 14
USER_ATTRIBUTE: Final = 17
PADDING: Final = 21

MAX_PACKETS: Final = 1 << 16
"""The most packets of one key file."""
MAX_MPI_BITS: Final = 16384
"""The largest multiprecision integer: the modulus of the largest RSA key."""


class Packet(NamedTuple):
    """A packet: its type and its body."""

    tag: int
    body: bytes


def read(data: bytes) -> tuple[Packet, ...]:
    """All packets of `data`, to its exact end. Raises `Malformed`, for partial and indeterminate lengths too."""
    packets: list[Packet] = []
    at = 0
    while at < len(data):
        tag, start, end = header(data, at)
        packets.append(Packet(tag, data[start:end]))
        if len(packets) > MAX_PACKETS:
            raise damaged(f"more than {MAX_PACKETS} OpenPGP packets")
        at = end
    return tuple(packets)


def header(data: bytes, at: int) -> tuple[int, int, int]:
    """Type, start and end of the body of the packet at `at`. Raises `Malformed` where it is not whole."""
    size = len(data)
    first = data[at] if at < size else 0
    if not first & 0x80:
        raise damaged("expected an OpenPGP packet")
    at += 1
    length = -1
    if first & 0x40:
        tag = first & 0x3F
        octet = data[at] if at < size else 0
        if octet < 192:
            length, start = octet, at + 1
        elif octet < 224:
            length, start = (octet - 192 << 8) + (data[at + 1] if at + 1 < size else 0) + 192, at + 2
        elif octet == 255:
            length, start = int.from_bytes(data[at + 1 : at + 5], "big"), at + 5
        else:
            raise damaged("OpenPGP packet has a partial length, expected a definite one")
    else:
        tag = first >> 2 & 0x0F
        if first & 3 == 3:
            raise damaged("OpenPGP packet has an indeterminate length, expected a definite one")
        width = 1 << (first & 3)
        length, start = int.from_bytes(data[at : at + width], "big"), at + width
    if start > size or length > size - start:
        raise damaged("OpenPGP packet is cut off")
    if tag == 0:
        raise damaged("OpenPGP packet has the reserved type 0")
    return tag, start, start + length


def mpis(data: bytes, at: int, count: int) -> tuple[tuple[bytes, ...], int, bool]:
    """`count` multiprecision integers from `at`: their bytes without leading zeros, where they end, and whether all
    were canonical.

    A bit count that is larger than the number's is tolerated (most signatures GitHub makes have one) and reported as
    not canonical. Raises `Malformed` for one that is smaller, or where the bytes end early.
    """
    values: list[bytes] = []
    canonical = True
    for _ in range(count):
        bits = int.from_bytes(data[at : at + 2], "big")
        end = at + 2 + (bits + 7 >> 3)
        if end > len(data) or at + 2 > len(data):
            raise damaged("OpenPGP integer is cut off")
        if bits > MAX_MPI_BITS:
            raise damaged(f"OpenPGP integer has {bits} bits, at most {MAX_MPI_BITS} are read")
        value = data[at + 2 : end]
        top = (bits - 1 & 7) + 1
        if not value or value[0] >> top - 1 != 1:
            if value and value[0] >> top:
                raise damaged("OpenPGP integer has more bits than it says")
            canonical = canonical and not bits
            value = value.lstrip(b"\0")
        values.append(value)
        at = end
    return tuple(values), at, canonical


def damaged(message: str) -> Malformed:
    """The error for bytes that are not what they claim to be."""
    return Malformed(message, rule="signature-bad")
