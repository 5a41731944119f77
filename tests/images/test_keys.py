"""Keys that may sign images: which are accepted, and what each kind verifies."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from chainverify.errors import PolicyError
from chainverify.images import ed25519ph, keys
from chainverify.model.images import ImageKey
from tests.world.images import Signer

SECRET = bytes.fromhex("833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42")
PH_SIGNATURE = bytes.fromhex(
    "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae41"
    "31f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406"
)
"""RFC 8032 section 7.3, the message is `abc`."""

PUBLIC = ed25519.Ed25519PrivateKey.from_private_bytes(SECRET).public_key().public_bytes_raw()


def test_ed25519ph_of_the_rfc() -> None:
    assert ed25519ph.verifies(PUBLIC, PH_SIGNATURE, b"abc")
    assert not ed25519ph.verifies(PUBLIC, PH_SIGNATURE, b"abd")


def test_ed25519ph_no_flipped_bit_passes() -> None:
    for bit in range(0, 512, 7):
        flipped = bytearray(PH_SIGNATURE)
        flipped[bit // 8] ^= 1 << bit % 8
        assert not ed25519ph.verifies(PUBLIC, bytes(flipped), b"abc")


@pytest.mark.parametrize(
    ("public", "signature"),
    [
        (PUBLIC, PH_SIGNATURE[:32] + (int.from_bytes(PH_SIGNATURE[32:], "little") + ed25519ph.L).to_bytes(32, "little")),
        (b"\x01" + bytes(31), bytes(64)),  # the neutral element as key
        (b"\x01" + bytes(31), b"\x01" + bytes(63)),
        (bytes(32), b"\x01" + bytes(63)),  # a point of order four
        (b"\xee" + b"\xff" * 30 + b"\x7f", b"\x01" + bytes(63)),  # y = p + 1, not canonical
        (b"\xff" * 32, PH_SIGNATURE),
        (PUBLIC, PH_SIGNATURE[:63]),
        (PUBLIC[:31], PH_SIGNATURE),
    ],
    ids=["S above the order", "neutral key", "neutral both", "small order", "not canonical", "no point", "short", "short key"],
)
def test_ed25519ph_refuses(public: bytes, signature: bytes) -> None:
    assert not ed25519ph.verifies(public, signature, b"abc")


def test_pure_is_not_ph() -> None:
    private = ed25519.Ed25519PrivateKey.from_private_bytes(SECRET)
    assert not ed25519ph.verifies(PUBLIC, private.sign(b"abc"), b"abc")


@pytest.mark.parametrize("kind", ["p256", "p384", "p521", "rsa2048", "ed25519"])
def test_every_kind(kind: str) -> None:
    signer, other = Signer.create("a.pub", kind), Signer.create("b.pub", kind)
    trusted, stranger = keys.load([signer.key, other.key])
    made = signer.sign(b"message")
    assert keys.well_formed(made)
    assert keys.signed(trusted, made, b"message")
    assert not keys.signed(trusted, made, b"massage")
    assert not keys.signed(stranger, made, b"message")
    assert trusted.hint == signer.hint
    for damaged in (made[:-1], made + b"\0", b"", b"\0" * len(made), made[::-1]):
        assert not keys.signed(trusted, damaged, b"message")


def test_ed25519ph_is_tried_second() -> None:
    private = ed25519.Ed25519PrivateKey.from_private_bytes(SECRET)
    (trusted,) = keys.load([Signer("a.pub", private).key])
    assert keys.signed(trusted, PH_SIGNATURE, b"abc")
    assert keys.signed(trusted, private.sign(b"abc"), b"abc")


@pytest.mark.parametrize(
    ("kind", "algorithm", "good"),
    [
        ("p256", hashes.SHA256(), True),
        ("p256", hashes.SHA384(), False),
        ("p384", hashes.SHA256(), True),  # older clients
        ("p384", hashes.SHA512(), False),
        ("p521", hashes.SHA256(), True),
        ("p521", hashes.SHA384(), False),
        ("rsa2048", hashes.SHA256(), True),
        ("rsa2048", hashes.SHA512(), False),
        ("rsa2048", hashes.SHA1(), False),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_the_hash_follows_the_key(kind: str, algorithm: hashes.HashAlgorithm, good: bool) -> None:
    signer = Signer.create("a.pub", kind)
    (trusted,) = keys.load([signer.key])
    assert keys.signed(trusted, signer.sign(b"message", algorithm), b"message") is good


def test_rsa_pss_is_refused() -> None:
    private = rsa.generate_private_key(65537, 2048)
    (trusted,) = keys.load([Signer("a.pub", private).key])
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    assert not keys.signed(trusted, private.sign(b"message", pss, hashes.SHA256()), b"message")


def material(pem: bytes) -> ImageKey:
    return ImageKey("keys/a.pub", pem, "images.trust[1].keys[0]", "policy.toml", 12)


def encoded(public: object) -> bytes:
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined, no-any-return]


PEM = Signer.create().pem
PRIVATE = ec.generate_private_key(ec.SECP256R1()).private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)


@pytest.mark.parametrize(
    ("pem", "reason"),
    [
        (b"", "no PEM at all"),
        (b"ssh-ed25519 AAAA", "no PEM at all"),
        (PRIVATE, "a secret"),
        (PEM + PEM, "one PEM block"),
        (PEM + PRIVATE, "one PEM block"),
        (PEM.replace(b"PUBLIC KEY", b"CERTIFICATE"), "certificate"),
        (b"-----BEGIN PUBLIC KEY-----\n" + base64.b64encode(b"nothing") + b"\n-----END PUBLIC KEY-----\n", "cannot|can be read"),
        (PEM[:-40], "can be read"),
        (PEM + b"\n" * (65 << 10), "one PEM block"),
        (encoded(rsa.generate_private_key(65537, 1024).public_key()), "1024 bits"),
        (encoded(ec.generate_private_key(ec.SECP256K1()).public_key()), "secp256k1"),
        (encoded(ec.generate_private_key(ec.SECP224R1()).public_key()), "secp224r1"),
    ],
    ids=["empty", "ssh", "private", "two", "both", "certificate", "rubbish", "cut", "huge", "rsa1024", "k1", "p224"],
)
def test_refused_keys_name_their_place(pem: bytes, reason: str) -> None:
    with pytest.raises(PolicyError, match=reason) as caught:
        keys.load([material(pem)])
    assert (caught.value.key, caught.value.source, caught.value.line) == ("images.trust[1].keys[0]", "policy.toml", 12)


def test_one_key_under_two_names() -> None:
    signer = Signer.create()
    with pytest.raises(PolicyError, match=r"b.pub is the same key as keys/cosign.pub"):
        keys.load([signer.key, signer.key._replace(name="b.pub", pem=signer.pem + b"\n")])
