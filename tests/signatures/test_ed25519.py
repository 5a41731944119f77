"""Where libsodium and OpenSSL disagree about Ed25519, libsodium is the stricter one; on honest signatures they agree."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519

from chainverify.signatures.ed25519 import Ed25519Key

IDENTITY = b"\x01" + bytes(31)
"""The neutral element, a point of order 1: [s]B = R + [h]A holds for every message with s = 0 and R = A = this."""


def test_a_key_of_small_order_signs_nothing() -> None:
    signature = IDENTITY + bytes(32)
    for message in (b"one", b"another"):
        # OpenSSL takes one signature for any message
        ed25519.Ed25519PublicKey.from_public_bytes(IDENTITY).verify(signature, message)
        with pytest.raises(InvalidSignature):
            Ed25519Key(IDENTITY).verify(signature, message)


def test_honest_and_changed_signatures() -> None:
    secret = ed25519.Ed25519PrivateKey.generate()
    key = Ed25519Key(secret.public_key().public_bytes_raw())
    signature = secret.sign(b"message")
    key.verify(signature, b"message")
    order = 2**252 + 27742317777372353535851937790883648493
    malleable = signature[:32] + (int.from_bytes(signature[32:], "little") + order).to_bytes(32, "little")
    for wrong in (malleable, signature[:-1], signature + b"\0", b"", bytes(64), bytes([signature[0] ^ 1]) + signature[1:]):
        with pytest.raises(InvalidSignature):
            key.verify(wrong, b"message")
    with pytest.raises(InvalidSignature):
        key.verify(signature, b"Message")


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_keys_of_another_length_are_refused(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Ed25519Key(bytes(length))
