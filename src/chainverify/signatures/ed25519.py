"""Ed25519 over libsodium, for both signature formats.

libsodium takes half the time that OpenSSL takes, and most signatures of today are by such keys. It is also the stricter of the
two: it refuses keys and nonces of small order (with such a key one signature fits many messages) and encodings that are not
canonical, which OpenSSL accepts. Both compute the equation of RFC 8032 section 5.1.7 without the cofactor, so an honest
signature is good in both.
"""

from __future__ import annotations

from typing import Final

import nacl.bindings
from cryptography.exceptions import InvalidSignature
from nacl.exceptions import CryptoError

KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
_open = nacl.bindings.crypto_sign_open


class Ed25519Key:
    """A public key: `point` is its encoding of 32 bytes, whatever those are; a point that is none verifies nothing."""

    __slots__ = ("point",)

    def __init__(self, point: bytes) -> None:
        """Raises `ValueError` for another length, which the library would read beyond."""
        if len(point) != KEY_BYTES:
            raise ValueError(f"an Ed25519 key has {KEY_BYTES} bytes, got {len(point)}")
        self.point = point

    def verify(self, signature: bytes, message: bytes) -> None:
        """Raises `InvalidSignature` unless `signature` is this key's over `message`."""
        if len(signature) != SIGNATURE_BYTES:
            raise InvalidSignature
        try:
            _open(signature + message, self.point)
        except CryptoError as error:
            raise InvalidSignature from error
