"""Changes to OpenPGP signature packets: to their bodies, and to how they are framed."""

from __future__ import annotations

from typing import NamedTuple

from tests.world.mutations import EITHER, HARMLESS, REFUSED, Change, Rng, damaged
from tests.world.openpgp import armor, mpi, packet, subpacket
from tests.world.repository import START

NISTP256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class Split(NamedTuple):
    """The parts of a signature packet's body: up to the hashed area, the unhashed one, the digest's start, salt, numbers."""

    hashed: bytes
    unhashed: bytes
    left: bytes
    salt: bytes
    numbers: bytes

    @classmethod
    def of(cls, body: bytes) -> Split:
        width = 4 if body[0] == 6 else 2
        end = 4 + width + int.from_bytes(body[4 : 4 + width], "big")
        loose = end + width + int.from_bytes(body[end : end + width], "big")
        at = loose + 2
        salt = body[at : at + 1 + body[at]] if body[0] == 6 else b""
        return cls(body[:end], body[end + width : loose], body[loose:at], salt, body[at + len(salt) :])

    def join(self) -> bytes:
        width = 4 if self.hashed[0] == 6 else 2
        size = len(self.unhashed).to_bytes(width, "big")
        return self.hashed + size + self.unhashed + self.left + self.salt + self.numbers

    def values(self) -> list[int] | None:
        """The integers, None where the algorithm has none."""
        if self.hashed[2] in (27, 28):
            return None
        found, at = [], 0
        while at < len(self.numbers):
            end = at + 2 + (int.from_bytes(self.numbers[at : at + 2], "big") + 7) // 8
            found.append(int.from_bytes(self.numbers[at + 2 : end], "big"))
            at = end
        return found


def body_of(data: bytes) -> bytes:
    """The body of the first packet, of a definite length in the old or the new format (RFC 9580 section 4.2)."""
    if not data[0] & 0x40:
        width = 1 << (data[0] & 3)
        start = 1 + width
        return data[start : start + int.from_bytes(data[1:start], "big")]
    first = data[1]
    if first < 192:
        start, size = 2, first
    elif first < 224:
        start, size = 3, (first - 192 << 8) + data[2] + 192
    else:
        start, size = 6, int.from_bytes(data[2:6], "big")
    return data[start : start + size]


def statement(data: bytes) -> tuple[object, ...]:
    """What of the packets in an armor is under the signature, and the signature's numbers.

    ECDSA has two signatures for one statement, of which anybody can make one from the other.
    """
    parts = Split.of(body_of(data))
    values = parts.values()
    if values is None:
        return parts.hashed, parts.salt, parts.numbers
    if parts.hashed[2] == 19:
        return parts.hashed, values[0], min(values[1], NISTP256_ORDER - values[1])
    return parts.hashed, parts.salt, *values


# --- bodies

def with_unhashed(rng: Rng, body: bytes) -> bytes:
    """A further subpacket that is not critical, of a type that says nothing there."""
    parts = Split.of(body)
    kind = rng.choice([kind for kind in range(128) if kind not in (16, 32, 33)])
    return parts._replace(unhashed=parts.unhashed + subpacket(kind, rng.randbytes(rng.choice((0, 1, 4, 20, 200))))).join()


def without_unhashed(rng: Rng, body: bytes) -> bytes:
    return Split.of(body)._replace(unhashed=b"").join()


def with_critical(rng: Rng, body: bytes) -> bytes:
    parts = Split.of(body)
    kind = rng.choice([*range(40, 128), 0, 1, 5, 6, 8, 10, 13, 20])
    return parts._replace(unhashed=parts.unhashed + subpacket(kind, rng.randbytes(4), critical=True)).join()


def with_other_issuer(rng: Rng, body: bytes) -> bytes:
    return Split.of(body)._replace(unhashed=subpacket(16, rng.randbytes(8))).join()


def with_left(rng: Rng, body: bytes) -> bytes:
    return Split.of(body)._replace(left=rng.randbytes(2)).join()


def with_padding(rng: Rng, body: bytes) -> bytes:
    """Leading zeros in the numbers; without numbers the body as it is."""
    parts = Split.of(body)
    values = parts.values()
    if values is None:
        return body
    return parts._replace(numbers=b"".join(mpi(each, rng.choice((1, 2, 7))) for each in values)).join()


def with_more_bits(rng: Rng, body: bytes) -> bytes:
    """Bit counts up to the next whole byte, as GitHub writes them."""
    parts = Split.of(body)
    values = parts.values() or []
    sized = [((value.bit_length() + 7) // 8, value) for value in values]
    numbers = b"".join((size * 8).to_bytes(2, "big") + value.to_bytes(size, "big") for size, value in sized)
    return parts._replace(numbers=numbers or parts.numbers).join()


def with_fewer_bits(rng: Rng, body: bytes) -> bytes:
    """A bit count that is less than the number has, in the same bytes."""
    parts = Split.of(body)
    values = parts.values()
    if values is None:
        return body
    bits = values[0].bit_length()
    fewer = (bits - 1) // 8 * 8 + 1
    return parts._replace(numbers=fewer.to_bytes(2, "big") + parts.numbers[2:]).join() if fewer < bits else body


def with_more_after(rng: Rng, body: bytes) -> bytes:
    return body + rng.randbytes(rng.choice((1, 2, 66)))


def with_other_number(rng: Rng, body: bytes) -> bytes:
    parts = Split.of(body)
    return parts._replace(numbers=parts.numbers[:-1] + bytes([parts.numbers[-1] ^ 1])).join()


def with_other_sign(rng: Rng, body: bytes) -> bytes:
    """The other s of ECDSA, a second valid signature of the same statement; a changed number elsewhere."""
    parts = Split.of(body)
    values = parts.values()
    if values is None or parts.hashed[2] != 19:
        return with_other_number(rng, body)
    return parts._replace(numbers=mpi(values[0]) + mpi(NISTP256_ORDER - values[1])).join()


def with_other_time(rng: Rng, body: bytes) -> bytes:
    """The creation time of the hashed area changed, or repeated."""
    parts = Split.of(body)
    moved = parts.hashed.replace(START.to_bytes(4, "big"), (START - rng.randrange(1, 10**6)).to_bytes(4, "big"), 1)
    return parts._replace(hashed=moved).join()


def with_other_head(rng: Rng, body: bytes) -> bytes:
    """Version, type, algorithm or hash changed."""
    at = rng.randrange(4)
    return body[:at] + bytes([rng.choice([each for each in range(40) if each != body[at]])]) + body[at + 1 :]


def packet_damage(rng: Rng, body: bytes) -> bytes:
    return damaged(body, rng)


BODIES = [
    Change(with_unhashed, HARMLESS, "what is not hashed is a hint at the key, or nothing"),
    Change(with_left, HARMLESS, "thousands of GitHub's signatures have it wrong, and gpg takes no notice", "left16-mismatch"),
    Change(with_padding, HARMLESS, "most of GitHub's signatures have leading zeros"),
    Change(with_more_bits, HARMLESS, "the usual form of GitHub's leading zeros"),
    Change(without_unhashed, HARMLESS, "the issuer's fingerprint is hashed, or every key is tried"),
    *(Change(make, REFUSED) for make in (with_critical, with_fewer_bits, with_more_after)),
    Change(with_other_issuer, EITHER, "a hint at no key of the policy is refused, and one that contradicts the fingerprint"),
    Change(packet_damage, EITHER, "damage may hit what is not hashed"),
]
SIGNED = [Change(make, REFUSED) for make in (with_other_time, with_other_head, with_other_number)]
TWIN = Change(with_other_sign, HARMLESS, "ECDSA has two signatures of one statement, and the object's id is no name of it")


# --- framings, which end in an armor

def honest(rng: Rng, body: bytes) -> bytes:
    return armor(packet(2, body, old=rng.random() < 0.8))


def in_any_length(rng: Rng, body: bytes) -> bytes:
    """Old and new headers with lengths in more bytes than needed."""
    size = len(body)
    return armor(rng.choice([
        b"\x89" + size.to_bytes(2, "big"), b"\x8a" + size.to_bytes(4, "big"), b"\xc2\xff" + size.to_bytes(4, "big"),
    ]) + body)  # fmt: skip


def in_parts(rng: Rng, body: bytes) -> bytes:
    """A partial length, or none at all."""
    power = len(body).bit_length() - 1
    first = 1 << power
    rest = body[first:]
    return armor(rng.choice([
        b"\xc2" + bytes([0xE0 | power]) + body[:first] + b"\xff" + len(rest).to_bytes(4, "big") + rest, b"\x8b" + body,
    ]))  # fmt: skip


def cut_off(rng: Rng, body: bytes) -> bytes:
    return armor(packet(2, body)[: -rng.randrange(1, len(body))])


def with_other_packets(rng: Rng, body: bytes) -> bytes:
    """Packets before or after: markers, padding, literal data, a user id, the signature again."""
    own = packet(2, body)
    other = rng.choice([
        packet(10, b"PGP"), packet(21, rng.randbytes(9), old=False), packet(11, b"b\0\0\0\0\0x"), packet(13, b"x"), own,
        packet(2, with_other_number(rng, body)), packet(60, b"x", old=False), b"\0", packet(4, rng.randbytes(13)),
    ])  # fmt: skip
    return armor(own + other if rng.random() < 0.5 else other + own)


def of_other_type(rng: Rng, body: bytes) -> bytes:
    return armor(packet(rng.choice([0, 1, 3, 4, 6, 8, 10, 11, 13]), body))


FRAMINGS = [
    Change(in_any_length, HARMLESS, "the format leaves the choice of the header's form to the writer"),
    *(Change(make, REFUSED) for make in (in_parts, cut_off, with_other_packets, of_other_type)),
]
