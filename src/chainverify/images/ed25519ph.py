"""Verification of Ed25519ph (RFC 8032 section 5.1 with `phflag` 1 and an empty context).

Cosign 3 signs with Ed25519ph where it is given an Ed25519 key, and `cryptography` only has pure Ed25519. Nothing here is
secret, so nothing here needs constant time.
"""

from __future__ import annotations

import hashlib
from typing import Final, TypeAlias

Point: TypeAlias = tuple[int, int, int, int]
"""Extended homogeneous coordinates (X, Y, Z, T), x = X/Z, y = Y/Z, x*y = T/Z (RFC 8032 section 5.1.4)."""

P: Final = 2**255 - 19
L: Final = 2**252 + 27742317777372353535851937790883648493
D: Final = -121665 * pow(121666, -1, P) % P
_SQRT_MINUS_1: Final = pow(2, (P - 1) // 4, P)
_DOM2: Final = b"SigEd25519 no Ed25519 collisions\x01\x00"
_IDENTITY: Final[Point] = (0, 1, 1, 0)


def verifies(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether `signature` (64 bytes) over `message` was made by the key with the 32 bytes `public`.

    1. R and the key are canonical points, the key not one of small order, and S is below the order (section 5.1.7),
    2. k = SHA-512(dom2(1, "") || R || A || SHA-512(message)),
    3. [8][S]B = [8]R + [8][k]A, the equation of the RFC.
    """
    if len(public) != 32 or len(signature) != 64:
        return False
    key, commitment = _decode(public), _decode(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if key is None or commitment is None or scalar >= L or _equal(_multiply(8, key), _IDENTITY):
        return False
    digest = hashlib.sha512(_DOM2 + signature[:32] + public + hashlib.sha512(message).digest()).digest()
    challenge = int.from_bytes(digest, "little") % L
    left = _multiply(8 * scalar, _BASE)
    return _equal(left, _multiply(8, _add(commitment, _multiply(challenge, key))))


def _add(p: Point, q: Point) -> Point:
    """Complete addition (section 5.1.4), which is doubling too."""
    a = (p[1] - p[0]) * (q[1] - q[0]) % P
    b = (p[1] + p[0]) * (q[1] + q[0]) % P
    c = 2 * p[3] * q[3] * D % P
    d = 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def _multiply(scalar: int, point: Point) -> Point:
    result = _IDENTITY
    while scalar:
        if scalar & 1:
            result = _add(result, point)
        point = _add(point, point)
        scalar >>= 1
    return result


def _equal(p: Point, q: Point) -> bool:
    return (p[0] * q[2] - q[0] * p[2]) % P == 0 and (p[1] * q[2] - q[1] * p[2]) % P == 0


def _decode(data: bytes) -> Point | None:
    """The point of 32 bytes, None where they are none (section 5.1.3); the y of a canonical form is below P."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    if y >= P:
        return None
    squared = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(squared, (P + 3) // 8, P)
    if (x * x - squared) % P:
        x = x * _SQRT_MINUS_1 % P
    if (x * x - squared) % P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


def _base() -> Point:
    point = _decode((4 * pow(5, -1, P) % P).to_bytes(32, "little"))
    if point is None:  # cannot happen: the generator of section 5.1
        raise ValueError("the base point is on the curve")
    return point


_BASE: Final[Point] = _base()
