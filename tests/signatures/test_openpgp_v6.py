"""Keys and signatures of version 6 (RFC 9580), beside what Sequoia says of the same bytes.

Sequoia makes some of them, the forger of `tests.world.openpgp` the rest; what the forger makes honestly, Sequoia accepts.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from chainverify.errors import PolicyError
from chainverify.formats import armor as armor_reader
from chainverify.formats import openpgp as packets
from chainverify.formats import openpgp_keys
from chainverify.model.signing import Clock, SignatureOptions
from chainverify.signatures import openpgp
from tests.signatures.test_openpgp import (
    ALICE,
    CLOCK,
    DAY,
    EXPIRED,
    HARD,
    NOW,
    PAYLOAD,
    SOFT,
    UNBOUND,
    damaged,
    judged,
    material,
    proof,
    ring_of,
)
from tests.world import sequoia
from tests.world.openpgp import (
    CREATED,
    SALT_BYTES,
    Bound,
    ForgedKey,
    armor,
    back_signature,
    binding,
    certificate,
    created,
    direct_key,
    expires,
    flags,
    issuer,
    packet,
    reason,
    self_signature,
    subpacket,
)
from tests.world.repository import START

BAD = "BAD signature-bad"
MALFORMED = "MALFORMED signature-bad"


def now_clock(signature: bytes) -> Clock:
    """A clock at which a signature of now was just made."""
    made = packets.parse_detached(signature).created
    return Clock(made, made + 60)


# --- made by Sequoia

@pytest.mark.parametrize("suite", ["Cv25519", "Cv448", "RSA2k", "RSA4k", "P256", "P384", "P521"])
@pytest.mark.parametrize("version", [4, 6])
def test_what_sequoia_makes(suite: str, version: int) -> None:
    key = sequoia.SequoiaKey.create(suite, version=version)
    armored = key.sign(PAYLOAD)
    clock = now_clock(armored)
    for data in (key.public, str(key.secret.extract_certificate()).encode()):
        ring = ring_of(data)
        found = proof(armored, ring, clock)
        assert found.code == "GOOD"
        assert found.emails == ("alice@example.org",)
        assert len(found.fingerprint) == (64 if version == 6 else 40)
        assert sequoia.verdict(PAYLOAD, armored, data) == f"good {found.fingerprint}"
        assert found.primary == key.secret.extract_certificate().fingerprint.upper()
        assert judged(PAYLOAD + b"x", armored, ring, clock) == BAD
        assert sequoia.verdict(PAYLOAD + b"x", armored, data) == "refused"


def test_a_certificate_that_names_nobody() -> None:
    """Of version 6 a user id is not needed: the direct key signature carries everything."""
    key = sequoia.SequoiaKey.create(user_id=None)
    armored = key.sign(PAYLOAD)
    found = proof(armored, ring_of(key.public), now_clock(armored))
    assert (found.code, found.emails) == ("GOOD", ())


# --- made by the forger

V6_KINDS = ["ed25519-new", "ed448", "rsa2048", "rsa4096", "nistp256", "nistp384", "nistp521", "brainpoolP256r1",
            "brainpoolP384r1", "brainpoolP512r1"]


@pytest.mark.parametrize("kind", V6_KINDS)
def test_algorithms(kind: str) -> None:
    primary, subkey = ForgedKey.create(kind, version=6), ForgedKey.create(kind, version=6)
    data = certificate(primary, subkeys=[Bound(subkey, [binding(primary, subkey)])])
    ring = ring_of(data)
    for key in (primary, subkey):
        armored = armor(packet(2, key.sign(0, PAYLOAD)))
        found = proof(armored, ring)
        assert (found.fingerprint, found.primary) == (key.fingerprint.hex().upper(), primary.fingerprint.hex().upper())
        assert found.algorithm.split("/")[0] == kind.removesuffix("-new")
        assert judged(PAYLOAD + b"x", armored, ring) == BAD
        # the build of Sequoia that PyPI has knows no Brainpool curves
        said = sequoia.verdict(PAYLOAD, armored, data)
        assert said == ("refused" if kind.startswith("brainpool") else f"good {found.fingerprint}")


def signed(**wrong: Any) -> Callable[[ForgedKey], bytes]:
    return lambda key: key.sign(0, PAYLOAD, **wrong)


def with_hash(number: int) -> Callable[[ForgedKey], bytes]:
    """A signature relabelled; it is refused before anything is computed."""
    return lambda key: (body := key.sign(0, PAYLOAD))[:3] + bytes([number]) + body[4:]


SIGNATURES: dict[str, tuple[Callable[[ForgedKey], bytes], str, str]] = {
    **{f"hash {number}": (signed(hashing=number), "GOOD", "good") for number in SALT_BYTES if number != 11},
    # 224 bits are too few for Ed25519 (RFC 9580 section 5.2.3.3); Sequoia does not ask
    "hash 11": (signed(hashing=11), "WEAK_HASH algorithm-forbidden", "good"),
    **{f"salt of hash {number} cut": (
        lambda key, number=number, size=size: key.sign(0, PAYLOAD, hashing=number, salt=bytes(size - 1)),  # type: ignore[misc]
        MALFORMED, "refused") for number, size in SALT_BYTES.items()},
    "salt too long": (signed(salt=bytes(17)), MALFORMED, "refused"),
    "no salt": (signed(salt=b""), MALFORMED, "refused"),
    "salt of zeros": (signed(salt=bytes(16)), "GOOD", "good"),
    "MD5": (with_hash(1), "WEAK_HASH algorithm-forbidden", "refused"),
    "SHA-1": (with_hash(2), "WEAK_HASH algorithm-forbidden", "refused"),
    "RIPEMD-160": (with_hash(3), "WEAK_HASH algorithm-forbidden", "refused"),
    "unknown hash": (with_hash(99), "UNSUPPORTED algorithm-forbidden", "refused"),
    "over text": (lambda key: key.sign(1, PAYLOAD), "UNSUPPORTED algorithm-forbidden", "refused"),
    "version 4 by a version 6 key": (signed(version=4), MALFORMED, "refused"),
    "version 4 by a version 6 key that it does not name": (
        signed(version=4, hashed=[created(START)], unhashed=[]), BAD, "refused"),
    # eight bytes of it name the key of a version 4 signature, and no key id leads to a version 6 key
    "version 4 by the key id of a version 6 key": (
        lambda key: key.sign(0, PAYLOAD, version=4, hashed=[created(START)], unhashed=[subpacket(16, key.fingerprint[:8])]),
        "NO_KEY signer-unknown", "refused"),
    "version 5": (signed(version=5), "UNSUPPORTED algorithm-forbidden", "refused"),
    "fingerprint of another version": (
        lambda key: key.sign(0, PAYLOAD, hashed=[created(START), subpacket(33, b"\4" + key.fingerprint)]), MALFORMED, "refused"),
    "fingerprint of 20 bytes": (
        lambda key: key.sign(0, PAYLOAD, hashed=[created(START), subpacket(33, b"\6" + key.fingerprint[:20])]),
        MALFORMED, "refused"),
    # RFC 9580 section 5.2.3.12 forbids it, and Sequoia lets it pass
    "key id beside the fingerprint": (
        lambda key: key.sign(0, PAYLOAD, unhashed=[subpacket(16, key.fingerprint[:8])]), MALFORMED, "good"),
    "no issuer": (signed(hashed=[created(START)]), "GOOD no-issuer", "refused"),
    "wrong left 16 bits": (signed(left=b"\0\0"), "GOOD left16-mismatch", "good"),
    "unknown critical subpacket": (
        lambda key: key.sign(0, PAYLOAD, hashed=[created(START), issuer(key), subpacket(99, b"x", critical=True)]),
        MALFORMED, "refused"),
    "area longer than two octets can say": (
        lambda key: key.sign(0, PAYLOAD, hashed=[created(START), issuer(key), subpacket(100, bytes(70000))]), "GOOD", "good"),
    # Sequoia reads as many bytes as the algorithm has
    "bytes after it": (lambda key: key.sign(0, PAYLOAD) + b"\0", MALFORMED, "good"),
    "cut": (lambda key: key.sign(0, PAYLOAD)[:-1], MALFORMED, "refused"),
    "cut in its salt": (lambda key: key.sign(0, PAYLOAD)[:-70], MALFORMED, "refused"),
    "other bytes signed": (lambda key: key.sign(0, PAYLOAD + b"x"), BAD, "refused"),
    "made before the key": (signed(when=CREATED - 1), "FUTURE signature-bad", "refused"),
    "expired since": (
        lambda key: key.sign(0, PAYLOAD, hashed=[created(START), issuer(key), subpacket(3, DAY.to_bytes(4, "big"))]),
        EXPIRED, "refused"),
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures(name: str) -> None:
    make, expected, sequoias = SIGNATURES[name]
    key = ForgedKey.create("ed25519-new", version=6)
    data = certificate(key)
    armored = armor(packet(2, make(key), old=False))
    said = judged(PAYLOAD, armored, ring_of(data))
    if said == "GOOD":
        said = " ".join([said, *(note for note in proof(armored, ring_of(data)).notes if note != "skew")])
    assert said == expected
    assert sequoia.verdict(PAYLOAD, armored, data).split()[0] in (sequoias, "unreadable" if sequoias == "refused" else "")
    sha1 = SignatureOptions(sha1_before=NOW)
    assert name != "SHA-1" or judged(PAYLOAD, armored, ring_of(data), options=sha1) == expected


def test_the_salt_is_signed() -> None:
    key = ForgedKey.create("ed25519-new", version=6)
    body = key.sign(0, PAYLOAD, salt=b"s" * 16)
    at = body.index(b"s" * 16)
    assert judged(PAYLOAD, armor(packet(2, body)), ring_of(certificate(key))) == "GOOD"
    for index in range(16):
        mutant = body[: at + index] + b"t" + body[at + index + 1 :]
        assert judged(PAYLOAD, armor(packet(2, mutant)), ring_of(certificate(key))) == BAD
    # moving the border between salt and payload is no way to other bytes
    assert judged(b"s" + PAYLOAD, armor(packet(2, body.replace(b"\x10" + b"s" * 16, b"\x0f" + b"s" * 15))),
                  ring_of(certificate(key))) == MALFORMED


# --- certificates

def direct_case(*extra: bytes, **wrong: Any) -> Callable[[ForgedKey], bytes]:
    return lambda key: certificate(key, direct=[direct_key(key, *extra, **wrong)])


CERTIFICATES: dict[str, tuple[Callable[[ForgedKey], bytes], str, str]] = {
    "direct key signature and user id": (certificate, "GOOD", "good"),
    "direct key signature alone": (lambda key: certificate(key, []), "GOOD", "good"),
    # RFC 9580 section 10.1.1 asks for one; Sequoia falls back to the user id's signature as in version 4
    "no direct key signature": (
        lambda key: packet(6, key.body) + packet(13, ALICE) + packet(2, self_signature(key, ALICE)), UNBOUND, "good"),
    "direct key signature by somebody else": (
        lambda key: certificate(key, direct=[ForgedKey.create("ed25519-new", version=6).sign(
            0x1F, key.prefix, hashed=[created(CREATED), issuer(key), flags(3)])]), UNBOUND, "good"),
    "direct key signature of version 4": (
        lambda key: certificate(key, direct=[direct_key(key, version=4)]), UNBOUND, "good"),
    "not for signing": (
        lambda key: certificate(key, [], direct=[direct_key(key, flags(1))]),
        "NOT_SIGNING_CAPABLE signer-not-allowed", "refused"),
    # Sequoia asks the user id first
    "not for signing, but for the user id": (direct_case(flags(1)), "NOT_SIGNING_CAPABLE signer-not-allowed", "good"),
    "expired": (direct_case(flags(3), expires(DAY)), EXPIRED, "refused"),
    "expired by the user id's word": (
        lambda key: certificate(key, [(ALICE, [self_signature(key, ALICE, flags(3), expires(DAY))])]), EXPIRED, "refused"),
    "compromised": (
        lambda key: certificate(key, direct=[direct_key(key), key.sign(
            0x20, key.prefix, hashed=[created(START + DAY), issuer(key), reason(2)])]), HARD, "refused"),
    "retired before": (
        lambda key: certificate(key, direct=[direct_key(key), key.sign(
            0x20, key.prefix, hashed=[created(START - 1), issuer(key), reason(3)])]), SOFT, "refused"),
    "retired after": (
        lambda key: certificate(key, direct=[direct_key(key), key.sign(
            0x20, key.prefix, hashed=[created(START + 1), issuer(key), reason(3)])]), "GOOD", "good"),
    "retired before, user id renewed since": (
        lambda key: certificate(key, [(ALICE, [self_signature(key, ALICE, when=START - 1)])], direct=[direct_key(key), key.sign(
            0x20, key.prefix, hashed=[created(START - 2), issuer(key), reason(3)])]), "GOOD", "good"),
    "retired before, renewed since": (
        lambda key: certificate(key, direct=[direct_key(key), direct_key(key, when=START - 1), key.sign(
            0x20, key.prefix, hashed=[created(START - 2), issuer(key), reason(3)])]), "GOOD", "good"),
}


@pytest.mark.parametrize("name", CERTIFICATES)
def test_certificates(name: str) -> None:
    make, expected, sequoias = CERTIFICATES[name]
    key = ForgedKey.create("ed25519-new", version=6)
    data = make(key)
    armored = armor(packet(2, key.sign(0, PAYLOAD)))
    assert judged(PAYLOAD, armored, ring_of(data)) == expected
    assert sequoia.verdict(PAYLOAD, armored, data).split()[0] == sequoias


SUBKEYS: dict[str, tuple[Callable[[ForgedKey, ForgedKey], list[bytes]], str, str]] = {
    "honest": (lambda p, s: [binding(p, s)], "GOOD", "good"),
    "no back-signature": (lambda p, s: [binding(p, s, back=b"")], UNBOUND, "refused"),
    "back-signature for another primary": (lambda p, s: [binding(p, s, back=back_signature(s, s))], UNBOUND, "refused"),
    "back-signature of version 4": (
        lambda p, s: [binding(p, s, back=back_signature(p, s, version=4, hashed=[created(CREATED)]))], UNBOUND, "refused"),
    "binding of version 4": (
        lambda p, s: [p.sign(0x18, p.prefix, s.prefix, version=4, hashed=[created(CREATED), flags(2)], unhashed=[
            back_signature(p, s)])], UNBOUND, "refused"),
    "hard revocation": (
        lambda p, s: [binding(p, s), p.sign(0x28, p.prefix, s.prefix, hashed=[created(START + DAY), issuer(p)])],
        HARD, "refused"),
}


@pytest.mark.parametrize("name", SUBKEYS)
def test_subkeys(name: str) -> None:
    make, expected, sequoias = SUBKEYS[name]
    primary, subkey = (ForgedKey.create("ed25519-new", version=6) for _ in range(2))
    data = certificate(primary, subkeys=[Bound(subkey, make(primary, subkey))])
    armored = armor(packet(2, subkey.sign(0, PAYLOAD)))
    assert judged(PAYLOAD, armored, ring_of(data)) == expected
    assert sequoia.verdict(PAYLOAD, armored, data).split()[0] == sequoias


@pytest.mark.parametrize(("outer", "inner"), [(4, 6), (6, 4)])
def test_a_certificate_is_of_one_version(outer: int, inner: int) -> None:
    primary = ForgedKey.create("ed25519-new", version=outer)
    subkey = ForgedKey.create("ed25519-new", version=inner)
    data = certificate(primary, subkeys=[Bound(subkey, [binding(primary, subkey)])])
    assert judged(PAYLOAD, armor(packet(2, subkey.sign(0, PAYLOAD))), ring_of(data)) == "NO_KEY signer-unknown"
    assert judged(PAYLOAD, armor(packet(2, primary.sign(0, PAYLOAD))), ring_of(data)) == "GOOD"


def test_one_key_of_two_versions() -> None:
    """The same numbers are two keys; a signature fits the one of its own version only, named or not."""
    old = ForgedKey.create("ed25519-new")
    new = ForgedKey.create("ed25519-new", version=6, private=old.private)
    ring = ring_of(certificate(old), certificate(new))
    for key in (old, new):
        for wrong in ({}, {"hashed": [created(START)], "unhashed": []}):
            assert proof(armor(packet(2, key.sign(0, PAYLOAD, **wrong))), ring).fingerprint == key.fingerprint.hex().upper()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (ForgedKey.create("ed25519", version=6).body, "not one of version 6 keys"),
        (ForgedKey.create("dsa2048", version=6).body, "not one of version 6 keys"),
        (ForgedKey.create("secp256k1", version=6).body, "curve is not supported"),
        (ForgedKey.create("rsa1024", version=6).body, "RSA with 1024 bits"),
        ((body := ForgedKey.create("ed25519-new", version=6).body) + b"\0", "another length than it says"),
        (body[:-1], "another length than it says"),
        (body[:9] + b"\x21" + body[10:] + b"\0", "does not end with its numbers"),
        (b"\5" + body[1:], "version 5, expected 4 or 6"),
        (b"\6" + ForgedKey.create("ed25519-new").body[1:], "another length than it says"),
    ],
    ids=[str(number) for number in range(9)],
)
def test_keys_that_cannot_be_used(body: bytes, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        ring_of(packet(6, body))


def test_fingerprints_are_those_of_sequoia() -> None:
    key = sequoia.SequoiaKey.create()
    (found,) = openpgp_keys.parse_file(key.public).certificates
    assert found.primary.fingerprint.hex() == key.secret.extract_certificate().fingerprint
    assert packets.key_id(found.primary.fingerprint).hex() == found.primary.fingerprint.hex()[:16]


def test_lone_revocations_and_two_signers() -> None:
    key = ForgedKey.create("ed25519-new", version=6)
    data, armored = certificate(key), armor(packet(2, key.sign(0, PAYLOAD)))
    lone = packet(2, key.sign(0x20, key.prefix, hashed=[created(START + DAY), issuer(key), reason(2)]))
    assert judged(PAYLOAD, armored, ring_of(data, lone)) == HARD
    with pytest.raises(PolicyError, match="is given to 'Alice' and to 'Bob'"):
        openpgp.load([material(data, "Alice"), material(data, "Bob")])


def test_every_byte_of_a_version_6_signature() -> None:
    """Each byte of the packet flipped and cut: only the digest prefix may change."""
    key = ForgedKey.create("ed25519-new", version=6)
    ring = ring_of(certificate(key))
    data, _ = armor_reader.signature(armor(packet(2, key.sign(0, PAYLOAD))))
    passed = []
    for at in range(len(data)):
        for mask in (0x01, 0x80, 0xFF):
            mutant = bytearray(data)
            mutant[at] ^= mask
            if judged(PAYLOAD, armor(bytes(mutant)), ring) == "GOOD":
                passed.append(at)
        assert judged(PAYLOAD, armor(data[:at]), ring) == MALFORMED
    assert len(passed) == 6
    assert len(set(passed)) == 2


def test_damaged_version_6_certificates() -> None:
    """One bit of a certificate flipped: never anything but a keyring or a policy error, and nothing else signs."""
    primary, subkey, stranger = (ForgedKey.create("ed25519-new", version=6) for _ in range(3))
    data = certificate(primary, subkeys=[Bound(subkey, [binding(primary, subkey)])])
    honest = armor(packet(2, subkey.sign(0, PAYLOAD)))
    foreign = armor(packet(2, stranger.sign(0, PAYLOAD, hashed=[created(START)])))
    rng = random.Random(6)
    verdicts: set[str] = set()
    mutants = [data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :] for at in range(len(data))]
    for mutant in [*mutants, *(damaged(data, rng) for _ in range(500))]:
        try:
            ring = ring_of(mutant)
        except PolicyError:
            continue
        verdicts.add(judged(PAYLOAD, honest, ring, CLOCK).split()[0])
        assert judged(PAYLOAD, foreign, ring).split()[0] in ("BAD", "NO_KEY")
    assert {"GOOD", "NOT_BOUND", "NO_KEY"} <= verdicts
