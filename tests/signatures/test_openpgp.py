"""OpenPGP signatures judged against certificates of a policy, beside what gpg says of the same bytes."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, padding

from chainverify.errors import PolicyError, SignatureError
from chainverify.formats import armor as armor_reader
from chainverify.formats import objects
from chainverify.formats import openpgp as packets
from chainverify.model.signing import Clock, Evidence, KeyMaterial, SignatureOptions
from chainverify.signatures import openpgp
from chainverify.signatures.openpgp_certificates import MAX_SELF_SIGNATURES
from tests.world.gpg import GpgHome
from tests.world.mutations import damaged
from tests.world.openpgp import (
    CREATED,
    Bound,
    ForgedKey,
    armor,
    back_signature,
    binding,
    certificate,
    created,
    expires,
    flags,
    issuer,
    issuer_id,
    mpi,
    packet,
    reason,
    self_signature,
    subpacket,
)
from tests.world.repository import START, GpgKey, Repository

pytestmark = pytest.mark.tool("gpg")

PAYLOAD = b"tree 0\n\nthe signed bytes\n"
DAY = 86_400
NOW = START + 365 * DAY
CLOCK = Clock(claimed=START, now=NOW)
OPTIONS = SignatureOptions()
STRICT = SignatureOptions(key_validity="strict")
IDENTITY = SignatureOptions(key_validity="identity")
TODAY = SignatureOptions(key_validity="now")
KINDS = ["rsa2048", "rsa3072", "rsa4096", "ed25519", "nistp256", "nistp384", "nistp521",
         "brainpoolP256r1", "brainpoolP384r1", "brainpoolP512r1"]


@pytest.fixture(scope="module")
def home() -> Iterator[GpgHome]:
    with GpgHome.create() as made:
        yield made


def material(data: bytes, signer: str = "Alice") -> KeyMaterial:
    return KeyMaterial(signer, data, "signers[0].openpgp[0]", "policy.toml", 7)


def ring_of(*data: bytes) -> openpgp.OpenPgpKeyring:
    return openpgp.load([material(each) for each in data])


def judged(
    payload: bytes, signature: bytes, ring: openpgp.OpenPgpKeyring,
    clock: Clock = CLOCK, options: SignatureOptions = OPTIONS,
) -> str:
    """The verdict in words: the evidence's code, or the refusal's code and rule."""
    try:
        return openpgp.verify(payload, signature, ring, clock, options).code
    except SignatureError as error:
        return f"{error.code} {error.rule}" if error.status == "fail" else error.status


def proof(
    signature: bytes, ring: openpgp.OpenPgpKeyring, clock: Clock = CLOCK, options: SignatureOptions = OPTIONS
) -> Evidence:
    return openpgp.verify(PAYLOAD, signature, ring, clock, options)


# --- real keys of all kinds

@pytest.mark.parametrize("kind", KINDS)
def test_real_signatures(home: GpgHome, kind: Any) -> None:
    key = home.key(f"{kind} <{kind}@example.org>", kind, subkeys=[] if kind in ("rsa3072", "rsa4096") else [kind])
    for data in (home.export(key), home.export(key, armor=False)):
        ring = ring_of(data)
        for fingerprint in home.fingerprints(key):
            armored = home.sign(fingerprint, PAYLOAD)
            found = proof(armored, ring)
            said = home.verdict(PAYLOAD, armored, when=NOW)
            assert (found.fingerprint, found.primary) == (fingerprint, key.key_id) == (said.fingerprint, said.primary)
            assert found[:1] + found[3:8] == (
                "openpgp", "Alice", START, "signature", found.algorithm, "GOOD",
            )
            assert found.algorithm.split("/")[0] == kind
            assert found.emails == (f"{kind}@example.org",)
            assert found.notes == (("rsa-under-3072",) if kind == "rsa2048" else ())
            assert said.word == "GOODSIG"
            assert judged(PAYLOAD + b"\n", armored, ring) == "BAD signature-bad"
            assert home.verdict(PAYLOAD + b"\n", armored, when=NOW).word == "BADSIG"


def test_hashes_and_when_sha1_was_usual(home: GpgHome) -> None:
    key = home.key(kind="rsa2048")
    ring = ring_of(home.export(key))
    for hashing in ("SHA224", "SHA256", "SHA384", "SHA512"):
        found = proof(home.sign(key, PAYLOAD, "--digest-algo", hashing), ring)
        assert found.algorithm == f"rsa2048/{hashing.lower()}"
    armored = home.sign(key, PAYLOAD, "--digest-algo", "SHA1")
    weak = "WEAK_HASH algorithm-forbidden"
    for before, expected in [(None, weak), (START, weak), (START + 1, "GOOD")]:
        assert judged(PAYLOAD, armored, ring, options=SignatureOptions(sha1_before=before)) == expected
    old = SignatureOptions(sha1_before=START + 1)
    assert "sha1" in proof(armored, ring, options=old).notes
    assert judged(PAYLOAD + b"!", armored, ring, options=old) == "BAD signature-bad"


@pytest.mark.tool("git")
def test_git_signs_and_we_verify(home: GpgHome, tmp_path: Any) -> None:
    key = home.key()
    repo = Repository.create(tmp_path / "repo")
    for when, notes in [(START + 5, ()), (START + 600, ()), (START + 601, ("skew",)), (START - 601, ("skew",))]:
        home.set_clock(when)
        oid = repo.commit(f"JIRA-1: {when}", {"a": b"1"}, key=key, when=START)
        tag = repo.tag(f"v{when}", key=key, when=START)
        for value in (objects.parse_commit(oid, repo.read(oid), "sha1"), objects.parse_tag(tag, repo.read(tag), "sha1")):
            assert value.signature
            found = openpgp.verify(value.payload, value.signature, ring_of(home.export(key)), CLOCK, OPTIONS)
            assert (found.fingerprint, found.signed_at, found.notes) == (key.key_id, when, notes)
    home.set_clock(None)


# --- states of certificates: our verdict by mode, and gpg's at the same time

class State(NamedTuple):
    """How a certificate came to be, and what is said of the signature made at START by its subkey or primary."""

    make: Callable[[GpgHome, GpgKey], None]
    backfill: str
    strict: str
    today: str
    gpg: str


EXPIRED = "EXPIRED_AT_T signer-expired"
HARD = "REVOKED_HARD signer-revoked"
SOFT = "REVOKED_SOFT_AT_T signer-revoked"
UNBOUND = "NOT_BOUND signer-not-allowed"

STATES: dict[str, State] = {
    "untouched": State(lambda home, key: None, "GOOD", "GOOD", "GOOD", "GOODSIG"),
    "certificate renewed after the signature": State(
        lambda home, key: home.expire(key, 900 * DAY, when=START + DAY), "GOOD", UNBOUND, "GOOD", "GOODSIG"
    ),
    "certificate expired after the signature": State(
        lambda home, key: home.expire(key, 60 * DAY, when=CREATED + 5), "GOOD_EXPIRED_NOW", "GOOD_EXPIRED_NOW", EXPIRED,
        "EXPKEYSIG",
    ),
    "certificate expired before the signature": State(
        lambda home, key: home.expire(key, DAY, when=CREATED + 5), EXPIRED, EXPIRED, EXPIRED, "EXPKEYSIG"
    ),
    "subkey expired after the signature": State(
        lambda home, key: home.expire(key, 60 * DAY, when=CREATED + 5, subkey="*"), "GOOD_EXPIRED_NOW",
        "GOOD_EXPIRED_NOW", EXPIRED, "EXPKEYSIG",
    ),
    "subkey expired before the signature": State(
        lambda home, key: home.expire(key, DAY, when=CREATED + 5, subkey="*"), EXPIRED, EXPIRED, EXPIRED, "EXPKEYSIG"
    ),
    # gpg knows one kind of revocation only
    "subkey superseded after the signature": State(
        lambda home, key: home.revoke(key, 1, when=START + DAY, subkey=1), "GOOD", "GOOD", SOFT, "REVKEYSIG"
    ),
    "subkey retired before the signature": State(
        lambda home, key: home.revoke(key, 3, when=START - DAY, subkey=1), SOFT, SOFT, SOFT, "REVKEYSIG"
    ),
    "subkey compromised after the signature": State(
        lambda home, key: home.revoke(key, 2, when=START + DAY, subkey=1), HARD, HARD, HARD, "REVKEYSIG"
    ),
    "subkey revoked without a reason": State(
        lambda home, key: home.revoke(key, 0, when=START + DAY, subkey=1), HARD, HARD, HARD, "REVKEYSIG"
    ),
    "certificate superseded after the signature": State(
        lambda home, key: home.revoke(key, 1, when=START + DAY), "GOOD", "GOOD", SOFT, "REVKEYSIG"
    ),
    "certificate superseded before the signature": State(
        lambda home, key: home.revoke(key, 1, when=START - DAY), SOFT, SOFT, SOFT, "REVKEYSIG"
    ),
    "certificate compromised": State(
        lambda home, key: home.revoke(key, 2, when=START + DAY), HARD, HARD, HARD, "REVKEYSIG"
    ),
    "certificate revoked without a reason": State(
        lambda home, key: home.revoke(key, 0, when=START + DAY), HARD, HARD, HARD, "REVKEYSIG"
    ),
    # gpg says "expired" and git from 2.54 on lets that through
    "certificate expired and compromised": State(
        lambda home, key: (home.expire(key, 60 * DAY, when=CREATED + 5), home.revoke(key, 2, when=START + DAY))[0],
        HARD, HARD, HARD, "EXPKEYSIG",
    ),
    "second user id revoked": State(
        lambda home, key: home.revoke_user_id(key, "Old <old@example.org>", when=START - DAY), "GOOD", "GOOD", "GOOD",
        "GOODSIG",
    ),
}


@pytest.mark.parametrize("name", STATES)
def test_states_of_a_certificate(home: GpgHome, name: str) -> None:
    state = STATES[name]
    key = home.key(subkeys=["ed25519"], also=["Old <old@example.org>"])
    armored = home.sign(key, PAYLOAD)
    state.make(home, key)
    ring = ring_of(home.export(key))
    assert judged(PAYLOAD, armored, ring) == state.backfill
    assert judged(PAYLOAD, armored, ring, options=STRICT) == state.strict
    assert judged(PAYLOAD, armored, ring, options=TODAY) == state.today
    assert home.verdict(PAYLOAD, armored, when=NOW).word == state.gpg
    # a server's arrival time replaces the claim
    assert judged(PAYLOAD, armored, ring, Clock(START, NOW, NOW)) == state.today
    # the policy's word is enough in mode identity; what was overlooked is noted
    lenient = proof(armored, ring, options=IDENTITY)
    overlooked = {note for note in lenient.notes if note.startswith("key-")}
    assert lenient.code == "GOOD"
    if state.backfill in (EXPIRED, HARD, SOFT):
        assert "key-" + state.backfill.split()[0].lower().replace("_", "-") in overlooked
    # whatever the state of the key, a signature that does not fit is bad
    for options in (OPTIONS, STRICT, TODAY, IDENTITY):
        assert judged(PAYLOAD + b"x", armored, ring, options=options) == "BAD signature-bad"


@pytest.mark.parametrize("number", [0, 1], ids=["certificate", "subkey"])
def test_an_extension_that_gpg_replaced_counts_for_the_time_before_it(home: GpgHome, number: int) -> None:
    """A keyring that merges old and new copies holds the first statement, long expired, and the last; those between are gone."""
    key = home.key(subkeys=["ed25519"])
    armored = home.sign(key, PAYLOAD)
    subkey = home.fingerprints(key)[number] if number else ""
    home.expire(key, DAY, when=CREATED + 5, subkey=subkey)
    old = home.export(key)
    assert judged(PAYLOAD, armored, ring_of(old)) == EXPIRED
    home.expire(key, 2000 * DAY, when=START + 300 * DAY, subkey=subkey)
    both = ring_of(old + home.export(key))
    assert judged(PAYLOAD, armored, both) == "GOOD"
    assert "expiry-backfilled" in proof(armored, both).notes
    assert judged(PAYLOAD, armored, both, options=STRICT) == EXPIRED
    assert home.verdict(PAYLOAD, armored, when=START + 301 * DAY).word == "GOODSIG"
    # a signature that comes to a server between the expiry and the extension that is known then is still too late
    assert judged(PAYLOAD, armored, both, Clock(START, NOW, CREATED + 100 * 365 * DAY)) == EXPIRED
    # a revocation ends it all the same
    home.revoke(key, 2, when=START + 401 * DAY)
    assert judged(PAYLOAD, armored, ring_of(old + home.export(key))) == HARD


def test_notes_and_addresses_of_the_states(home: GpgHome) -> None:
    key = home.key(subkeys=["ed25519"], also=["Old <old@example.org>"])
    armored = home.sign(key, PAYLOAD)
    assert set(proof(armored, ring_of(home.export(key))).emails) == {"alice@example.org", "old@example.org"}
    home.revoke_user_id(key, "Old <old@example.org>", when=START - DAY)
    assert proof(armored, ring_of(home.export(key))).emails == ("alice@example.org",)
    home.revoke(key, 1, when=START + DAY, subkey=1)
    assert "key-today-revoked-soft-at-t" in proof(armored, ring_of(home.export(key))).notes
    home.expire(key, 900 * DAY, when=START + 2 * DAY)
    found = proof(armored, ring_of(home.export(key)))
    assert "binding-backfilled" in found.notes


def test_copies_are_merged_and_never_lose_a_revocation(home: GpgHome) -> None:
    key = home.key(subkeys=["ed25519"])
    armored = home.sign(key, PAYLOAD)
    before = home.export(key)
    lone = home.revocation(key, 2, when=START + DAY)
    assert judged(PAYLOAD, armored, ring_of(before)) == "GOOD"
    assert judged(PAYLOAD, armored, ring_of(before, lone)) == HARD
    assert judged(PAYLOAD, armored, ring_of(lone, before)) == HARD
    assert judged(PAYLOAD, armored, ring_of(before + b"\n" + lone)) == HARD
    home.revoke(key, 2, when=START + DAY)
    for order in ((before, home.export(key)), (home.export(key), before)):
        ring = ring_of(*order)
        assert judged(PAYLOAD, armored, ring) == HARD
        assert len(ring.certificates) == 1
    with pytest.raises(PolicyError, match="revocation of an OpenPGP certificate that no signer has"):
        ring_of(lone)


@pytest.mark.parametrize(("kind", "digest"), [("ed25519", "SHA1"), ("rsa2048", "SHA1"), ("rsa2048", "RIPEMD160")])
def test_a_revocation_by_a_weak_hash_counts(home: GpgHome, kind: Any, digest: str) -> None:
    """gpg shows such a key as revoked; to leave the revocation out would let it go on to count."""
    key = home.key(kind=kind)
    armored = home.sign(key, PAYLOAD)
    before = home.export(key)
    lone = home.revocation(key, 2, "--cert-digest-algo", digest, "--allow-weak-digest-algos", when=START + DAY)
    assert judged(PAYLOAD, armored, ring_of(before)) == "GOOD"
    assert judged(PAYLOAD, armored, ring_of(before, lone)) == HARD
    home.run("--import", stdin=lone)
    assert b"pub:r:" in home.run("--with-colons", "--list-keys", key.key_id).stdout
    assert judged(PAYLOAD, armored, ring_of(home.export(key))) == HARD


@pytest.mark.parametrize("digest", ["sha1", "sha256"])
def test_a_revocation_of_version_3_counts(home: GpgHome, digest: str) -> None:
    key = ForgedKey.create("rsa2048")
    head = b"\x20" + (START + DAY).to_bytes(4, "big")
    hashing = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256()}[digest]
    made = key.private.sign(key.prefix + head, padding.PKCS1v15(), hashing)
    left = hashlib.new(digest, key.prefix + head).digest()[:2]
    body = b"\3\5" + head + key.fingerprint[-8:] + bytes((1, {"sha1": 2, "sha256": 8}[digest])) + left + mpi(made)
    armored = armor(packet(2, key.sign(0, PAYLOAD, hashed=[created(START), issuer(key)])))
    good = certificate(key)
    assert judged(PAYLOAD, armored, ring_of(good)) == "GOOD"
    assert judged(PAYLOAD, armored, ring_of(good, packet(2, body))) == HARD
    revoked = good + packet(2, body)
    assert judged(PAYLOAD, armored, ring_of(revoked)) == HARD
    home.run("--import", stdin=good)
    home.run("--import", stdin=packet(2, body))
    assert b"pub:r:" in home.run("--with-colons", "--list-keys", key.fingerprint.hex()).stdout
    wrong = body[:-1] + bytes((body[-1] ^ 1,))
    assert judged(PAYLOAD, armored, ring_of(good + packet(2, wrong))) == "GOOD"
    for broken in (body[:30], body + b"x", b"\3\6" + body[2:]):
        assert judged(PAYLOAD, armored, ring_of(good + packet(2, broken))) == "GOOD"


def test_a_revocation_that_cannot_be_verified_is_told(home: GpgHome) -> None:
    key = home.key(kind="rsa2048")
    armored = home.sign(key, PAYLOAD)
    lone = home.revocation(key, 2, "--cert-digest-algo", "RIPEMD160", "--allow-weak-digest-algos", when=START + DAY)
    found = proof(armored, ring_of(home.export(key), lone), options=OPTIONS._replace(key_validity="identity"))
    assert {"key-revoked-hard", "revocation-not-verified"} <= set(found.notes)


def test_a_lone_revocation_that_revokes_nothing_is_refused(home: GpgHome) -> None:
    key = home.key()
    [lone] = armor_reader.key_blocks(home.revocation(key, 2, when=START + DAY))
    damaged = lone[:-5] + bytes((lone[-5] ^ 1,)) + lone[-4:]
    with pytest.raises(PolicyError, match="its key did not make"):
        ring_of(home.export(key), damaged)


# --- who the key belongs to

def test_files_with_several_certificates(home: GpgHome) -> None:
    keys = [home.key(f"K{number} <k{number}@example.org>") for number in range(3)]
    armored = [home.sign(key, PAYLOAD) for key in keys]
    forms = [home.export(*keys), home.export(*keys, armor=False), b"\n".join(home.export(key) for key in keys),
             b"# the keys of Alice\n" + home.export(*keys).replace(b"\n", b"\r\n")]
    for data in forms:
        ring = ring_of(data)
        assert [proof(each, ring).primary for each in armored] == [key.key_id for key in keys]
    two = openpgp.load([material(home.export(keys[0]), "Alice"), material(home.export(keys[1]), "Bob")])
    assert [proof(each, two).signer for each in armored[:2]] == ["Alice", "Bob"]
    with pytest.raises(SignatureError, match="not a key of any signer") as caught:
        proof(armored[2], two)
    assert (caught.value.code, caught.value.rule) == ("NO_KEY", "signer-unknown")
    assert caught.value.evidence["fingerprint"] == keys[2].key_id
    assert judged(PAYLOAD, armored[0], openpgp.load([])) == "NO_KEY signer-unknown"


def test_a_certificate_has_one_owner(home: GpgHome) -> None:
    key = home.key()
    with pytest.raises(PolicyError, match="is given to 'Alice' and to 'Bob'") as caught:
        openpgp.load([material(home.export(key), "Alice"), material(home.export(key), "Bob")])
    assert (caught.value.key, caught.value.source, caught.value.line) == ("signers[0].openpgp[0]", "policy.toml", 7)


def test_private_keys_are_refused(home: GpgHome) -> None:
    key = home.key()
    for secret in (home.export_secret(key), home.export_secret(key, armor=False)):
        with pytest.raises(PolicyError, match="holds a private key") as caught:
            ring_of(secret)
        assert "gpg --export" in caught.value.hint


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "expected an OpenPGP public key"),
        (b"ssh-ed25519 AAAA", "expected an OpenPGP public key"),
        (b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n", "ends inside of an armor"),
        (b"-----BEGIN PGP MESSAGE-----\n\nAAAA\n-----END PGP MESSAGE-----\n", "holds a PGP MESSAGE"),
        (b"-----BEGIN SSH SIGNATURE-----\n", "has the line"),
        (b"\x99\x00", "cut off"),
        (b"\xcb\x01b", "expected an OpenPGP public key, got a packet of type 11"),
        (packet(6, b"\x03" + bytes(20)), "version 3, expected 4"),
        (packet(6, ForgedKey.create("rsa1024").body), "RSA with 1024 bits"),
        (packet(6, ForgedKey.create("secp256k1").body), "curve is not supported"),
        (packet(6, ForgedKey.create("ed25519").body + b"\0"), "does not end with its numbers"),
        (packet(6, ForgedKey.create("ed25519").body) + packet(11, b"x"), "has no place there"),
    ],
    ids=[str(number) for number in range(12)],  # the keys in them are new each time
)
def test_key_files_that_cannot_be_used(data: bytes, message: str) -> None:
    with pytest.raises(PolicyError, match=message) as caught:
        ring_of(data)
    assert caught.value.key == "signers[0].openpgp[0]"


# --- forged certificates

ALICE = b"Alice <alice@example.org>"


class Forged(NamedTuple):
    """A primary, a subkey, and honest parts of them to recombine."""

    primary: ForgedKey
    subkey: ForgedKey
    signature: bytes
    user: tuple[bytes, list[bytes]]


@pytest.fixture(scope="module")
def forged() -> Forged:
    primary, subkey = ForgedKey.create(), ForgedKey.create()
    return Forged(primary, subkey, armor(packet(2, subkey.sign(0, PAYLOAD))), (ALICE, [self_signature(primary, ALICE)]))


@pytest.fixture(scope="module")
def other_home() -> Iterator[GpgHome]:
    with GpgHome.create() as made:
        yield made


def gpg_says(home: GpgHome, data: bytes, signature: bytes) -> str:
    """gpg's keyword for a signature once it knows only this certificate."""
    home.run("--allow-weak-key-signatures", "--import", stdin=data, when=NOW, check=False)
    word = home.verdict(PAYLOAD, signature, when=NOW).word
    listed = home.run("--with-colons", "--list-keys", check=False).stdout.decode().splitlines()
    names = [line.split(":")[9] for line in listed if line.startswith("fpr:")]
    if names:
        home.run("--delete-keys", *names[:1])
    return word


BINDINGS: dict[str, tuple[Callable[[Forged], list[bytes]], str, str]] = {
    "honest": (lambda f: [binding(f.primary, f.subkey)], "GOOD", "GOODSIG"),
    "no binding": (lambda f: [], UNBOUND, "ERRSIG"),
    "back-signature stripped": (lambda f: [binding(f.primary, f.subkey, back=b"")], UNBOUND, "ERRSIG"),
    "back-signature by the primary": (
        lambda f: [binding(f.primary, f.subkey, back=subpacket(
            32, f.primary.sign(0x19, f.primary.prefix, f.subkey.prefix)))], UNBOUND, "ERRSIG",
    ),
    "back-signature for another primary": (
        lambda f: [binding(f.primary, f.subkey, back=back_signature(f.subkey, f.subkey))], UNBOUND, "ERRSIG",
    ),
    "back-signature of another type": (
        lambda f: [binding(f.primary, f.subkey, back=back_signature(f.primary, f.subkey, kind=0x18))], UNBOUND, "ERRSIG",
    ),
    "damaged back-signature": (
        lambda f: [binding(f.primary, f.subkey, back=subpacket(32, b"\x04\x19"))], UNBOUND, "ERRSIG",
    ),
    "binding by the subkey": (
        lambda f: [f.subkey.sign(0x18, f.primary.prefix, f.subkey.prefix, hashed=[
            created(CREATED), issuer(f.primary), flags(2)], unhashed=[
                issuer_id(f.primary), back_signature(f.primary, f.subkey)])],
        UNBOUND, "ERRSIG",
    ),
    "not for signing": (
        lambda f: [binding(f.primary, f.subkey, flags(0x0C))], "NOT_SIGNING_CAPABLE signer-not-allowed", "ERRSIG",
    ),
    "newer binding takes signing away": (
        lambda f: [binding(f.primary, f.subkey),
                   binding(f.primary, f.subkey, flags(0x0C), when=START - 5, back=b"")],
        "NOT_SIGNING_CAPABLE signer-not-allowed", "ERRSIG",
    ),
    "binding with a critical unknown subpacket": (
        lambda f: [binding(f.primary, f.subkey, flags(2), subpacket(99, b"x", critical=True))], UNBOUND, "ERRSIG",
    ),
    "binding that expired itself": (
        lambda f: [binding(f.primary, f.subkey, flags(2), subpacket(3, (60).to_bytes(4, "big")))], UNBOUND, "ERRSIG",
    ),
    "SHA-1 binding of this year": (lambda f: [binding(f.primary, f.subkey, hashing=2)], UNBOUND, "ERRSIG"),
    "newest binding decides on expiry": (
        lambda f: [binding(f.primary, f.subkey, when=CREATED + 9),
                   binding(f.primary, f.subkey, flags(2), expires(DAY), when=CREATED + 8)],
        "GOOD", "GOODSIG",
    ),
    "soft revocation taken back": (
        lambda f: [binding(f.primary, f.subkey), binding(f.primary, f.subkey, when=START - 5),
                   f.primary.sign(0x28, f.primary.prefix, f.subkey.prefix, hashed=[
                       created(START - 10), issuer(f.primary), reason(1)])],
        "GOOD", "REVKEYSIG",
    ),
    "hard revocation stays": (
        lambda f: [binding(f.primary, f.subkey), binding(f.primary, f.subkey, when=START - 5),
                   f.primary.sign(0x28, f.primary.prefix, f.subkey.prefix, hashed=[
                       created(START - 10), issuer(f.primary), reason(100)])],
        HARD, "REVKEYSIG",
    ),
    "revocation by somebody else": (
        lambda f: [binding(f.primary, f.subkey), ForgedKey.create().sign(
            0x28, f.primary.prefix, f.subkey.prefix, hashed=[created(START - 10), issuer(f.primary), reason(2)],
            unhashed=[issuer_id(f.primary)])],
        "GOOD", "GOODSIG",
    ),
}
KNOWN_GPG_DIFFERENCES = {
    "SHA-1 binding of this year": "gpg accepts SHA-1 in self-signatures",
}


@pytest.mark.parametrize("name", BINDINGS)
def test_bindings(forged: Forged, other_home: GpgHome, name: str) -> None:
    make, expected, gpg = BINDINGS[name]
    data = certificate(forged.primary, [forged.user], [Bound(forged.subkey, make(forged))])
    assert judged(PAYLOAD, forged.signature, ring_of(data)) == expected
    if expected == UNBOUND:
        # whoever only advises the rule must not take a subkey for its owner's that anybody can put there
        with pytest.raises(SignatureError) as caught:
            proof(forged.signature, ring_of(data))
        assert caught.value.proof is None
    said = gpg_says(other_home, data, forged.signature)
    assert (said == gpg) != (name in KNOWN_GPG_DIFFERENCES), said


def test_an_adopted_subkey_changes_nothing(forged: Forged) -> None:
    """Mallory's certificate claims Alice's subkey: alone it is not believed, beside Alice's it is not even asked."""
    mallory = ForgedKey.create()
    adopted = certificate(mallory, subkeys=[
        Bound(forged.subkey, [binding(mallory, forged.subkey, back=back_signature(forged.primary, forged.subkey)),
                              mallory.sign(0x28, mallory.prefix, forged.subkey.prefix)])])
    honest = certificate(forged.primary, [forged.user], [Bound(forged.subkey, [binding(forged.primary, forged.subkey)])])
    assert judged(PAYLOAD, forged.signature, ring_of(adopted)).split()[0] in ("NOT_BOUND", "REVOKED_HARD")
    for order in (("Mallory", adopted), ("Alice", honest)), (("Alice", honest), ("Mallory", adopted)):
        ring = openpgp.load([material(data, signer) for signer, data in order])
        assert proof(forged.signature, ring).signer == "Alice"
    # with a real back-signature both may claim it: then the policy must say whose it is
    shared = certificate(mallory, subkeys=[Bound(forged.subkey, [binding(mallory, forged.subkey)])])
    with pytest.raises(PolicyError, match="is given to 'Alice' and to 'Mallory'"):
        openpgp.load([material(honest, "Alice"), material(shared, "Mallory")])


def primary_case(*extra: bytes, **options: Any) -> Callable[[ForgedKey], bytes]:
    return lambda key: certificate(key, [(ALICE, [self_signature(key, ALICE, *extra, **options)])])


PRIMARIES: dict[str, tuple[Callable[[ForgedKey], bytes], str]] = {
    "honest": (primary_case(flags(3)), "GOOD"),
    "no flags": (primary_case(subpacket(11, b"\x09")), "GOOD"),
    "certifying only": (primary_case(flags(1)), "NOT_SIGNING_CAPABLE signer-not-allowed"),
    "no user id": (lambda key: packet(6, key.body), UNBOUND),
    "user id by somebody else": (
        lambda key: certificate(key, [(ALICE, [self_signature(ForgedKey.create(), ALICE)])]), UNBOUND),
    "self-signature over another user id": (
        lambda key: certificate(key, [(b"Bob <bob@example.org>", [self_signature(key, ALICE)])]), UNBOUND),
    "direct key signature only": (
        lambda key: certificate(key, [], direct=[
            key.sign(0x1F, key.prefix, hashed=[created(CREATED), issuer(key), flags(3)])]), "GOOD"),
    "direct key signature expires it": (
        lambda key: certificate(key, direct=[
            key.sign(0x1F, key.prefix, hashed=[created(CREATED), issuer(key), flags(3), expires(DAY)])]), EXPIRED),
    "direct key signature outlives the user id's": (
        lambda key: certificate(key, [(ALICE, [self_signature(key, ALICE, flags(3), expires(DAY))])], direct=[
            key.sign(0x1F, key.prefix, hashed=[created(CREATED), issuer(key), flags(3), expires(999 * DAY)])]), "GOOD"),
    "primary user id decides": (
        lambda key: certificate(key, [
            (ALICE, [self_signature(key, ALICE, flags(3), expires(DAY), subpacket(25, b"\1"))]),
            (b"B", [self_signature(key, b"B", flags(3), when=CREATED + 5)])]), EXPIRED),
    "bindings of MD5's time": (primary_case(flags(3), hashing=1), UNBOUND),
    "made later than the signature": (
        lambda key: certificate(key, [(ALICE, [self_signature(key, ALICE, when=START + DAY)])]), "GOOD"),
}


@pytest.mark.parametrize("name", PRIMARIES)
def test_primary_keys(name: str) -> None:
    make, expected = PRIMARIES[name]
    key = ForgedKey.create("rsa2048")
    ring = ring_of(make(key))
    armored = armor(packet(2, key.sign(0, PAYLOAD)))
    assert judged(PAYLOAD, armored, ring) == expected
    if expected == "GOOD":
        assert ("no-key-flags" in proof(armored, ring).notes) == (name == "no flags")
        assert ("binding-backfilled" in proof(armored, ring).notes) == (name == "made later than the signature")


def test_a_primary_younger_than_the_signature(forged: Forged) -> None:
    """A subkey that was adopted later proves nothing about the time before its certificate existed."""
    young = ForgedKey.create(when=START + DAY)
    user = (ALICE, [self_signature(young, ALICE, when=START + DAY)])
    ring = ring_of(certificate(young, [user], [Bound(forged.subkey, [binding(young, forged.subkey, when=START + DAY)])]))
    for options in (OPTIONS, STRICT, IDENTITY):
        assert judged(PAYLOAD, forged.signature, ring, options=options) == "FUTURE signature-bad"
    assert judged(PAYLOAD, forged.signature, ring, options=TODAY) == "GOOD"


def test_designated_revokers(forged: Forged) -> None:
    revoker = ForgedKey.create()
    names = forged.primary.sign(0x1F, forged.primary.prefix, hashed=[
        created(CREATED), issuer(forged.primary), subpacket(12, b"\x80\x16" + revoker.fingerprint)])
    revoked = revoker.sign(0x20, forged.primary.prefix, hashed=[created(START + DAY), issuer(revoker), reason(2)])
    subkeys = [Bound(forged.subkey, [binding(forged.primary, forged.subkey)])]
    named = certificate(forged.primary, [forged.user], subkeys, direct=[names, revoked])
    unnamed = certificate(forged.primary, [forged.user], subkeys, direct=[revoked])
    theirs = certificate(revoker)
    assert "designated-revoker-unknown" in proof(forged.signature, ring_of(named)).notes
    assert judged(PAYLOAD, forged.signature, ring_of(named, theirs)) == HARD
    assert judged(PAYLOAD, forged.signature, ring_of(unnamed, theirs)) == "GOOD"


def test_weak_and_unsupported_keys(forged: Forged) -> None:
    strong = certificate(forged.primary, [forged.user])
    for kind in ("rsa1024", "dsa2048", "secp256k1"):
        weak = ForgedKey.create(kind)
        ring = ring_of(strong + certificate(weak))
        expected = "UNSUPPORTED algorithm-forbidden" if kind == "dsa" else "WEAK_KEY algorithm-forbidden"
        assert judged(PAYLOAD, armor(packet(2, weak.sign(0, PAYLOAD))), ring) == expected
        # a strong subkey rests on what the weak primary says
        if kind != "dsa":
            bound = certificate(weak, subkeys=[Bound(forged.subkey, [binding(weak, forged.subkey)])])
            assert judged(PAYLOAD, forged.signature, ring_of(strong + bound)) == "WEAK_KEY algorithm-forbidden"
            # advising the rule makes the subkey nobody's where its binding was not checked; what a DSA key signs is
            with pytest.raises(SignatureError) as caught:
                proof(forged.signature, ring_of(strong + bound))
            checked = kind == "dsa2048"
            assert isinstance(caught.value.proof, Evidence) == checked
            assert [each.code for each in caught.value.also] == ([] if checked else ["NOT_BOUND"])


# --- forged signatures, beside gpg

SIGNATURES: dict[str, tuple[Callable[[ForgedKey], bytes], str, str | None]] = {
    "as gpg makes them": (lambda k: k.sign(0, PAYLOAD), "GOOD", "GOODSIG"),
    "key id only, as GitHub": (
        lambda k: k.sign(0, PAYLOAD, hashed=[created(START)], unhashed=[issuer_id(k)]),
        "GOOD no-issuer-fingerprint", "GOODSIG"),
    "leading zeros in numbers, as GitHub": (lambda k: k.sign(0, PAYLOAD, pad=1), "GOOD noncanonical-mpi", None),
    "wrong left 16 bits, as GitHub": (lambda k: k.sign(0, PAYLOAD, left=b"\0\0"), "GOOD left16-mismatch", None),
    "all of these": (
        lambda k: k.sign(0, PAYLOAD, hashed=[created(START)], unhashed=[issuer_id(k)], pad=2, left=b"\xff\xff"),
        "GOOD left16-mismatch no-issuer-fingerprint noncanonical-mpi", None),
    "no issuer at all": (lambda k: k.sign(0, PAYLOAD, hashed=[created(START)], unhashed=[]), "GOOD no-issuer", None),
    "issuer in the unhashed area": (
        lambda k: k.sign(0, PAYLOAD, hashed=[created(START)], unhashed=[issuer(k)]), "GOOD", "ERRSIG"),
    "the wrong key id beside the fingerprint": (
        lambda k: k.sign(0, PAYLOAD, unhashed=[subpacket(16, b"wrongone")]), "MALFORMED signature-bad", None),
    "another key's fingerprint": (
        lambda k: k.sign(0, PAYLOAD, hashed=[created(START), subpacket(33, b"\x04" + b"x" * 20)], unhashed=[]),
        "NO_KEY signer-unknown", "ERRSIG"),
    "fingerprint of a version 5 key": (
        lambda k: k.sign(0, PAYLOAD, hashed=[created(START), subpacket(33, b"\x05" + b"x" * 32)], unhashed=[]),
        "MALFORMED signature-bad", None),
    "two fingerprints": (lambda k: k.sign(0, PAYLOAD, unhashed=[issuer(k)]), "MALFORMED signature-bad", None),
    "no creation time": (lambda k: k.sign(0, PAYLOAD, hashed=[issuer(k)]), "MALFORMED signature-bad", None),
    "creation time in the unhashed area only": (
        lambda k: k.sign(0, PAYLOAD, hashed=[issuer(k)], unhashed=[created(START)]), "MALFORMED signature-bad", None),
    "two creation times": (
        lambda k: k.sign(0, PAYLOAD, hashed=[created(START), created(START + 1), issuer(k)]),
        "MALFORMED signature-bad", None),
    "unknown subpacket": (
        lambda k: k.sign(0, PAYLOAD, hashed=[created(START), issuer(k), subpacket(99, b"x")]), "GOOD", "GOODSIG"),
    "unknown critical subpacket": (
        lambda k: k.sign(0, PAYLOAD, hashed=[created(START), issuer(k), subpacket(99, b"x", critical=True)]),
        "MALFORMED signature-bad", "BADSIG"),
    "critical notation": (
        lambda k: k.sign(0, PAYLOAD, hashed=[
            created(START), issuer(k), subpacket(20, bytes(4) + b"\0\3\0\1a@bc", critical=True)]),
        "MALFORMED signature-bad", "BADSIG"),
    "harmless notation": (
        lambda k: k.sign(0, PAYLOAD, hashed=[
            created(START), issuer(k), subpacket(20, b"\x80\0\0\0\0\3\0\1a@bc")]), "GOOD", "GOODSIG"),
    "critical creation time": (
        lambda k: k.sign(0, PAYLOAD, hashed=[
            subpacket(2, START.to_bytes(4, "big"), critical=True), issuer(k)]), "GOOD", "GOODSIG"),
    "signer's user id": (
        lambda k: k.sign(0, PAYLOAD, hashed=[created(START), issuer(k), subpacket(28, ALICE)]), "GOOD", "GOODSIG"),
    "signer's address": (
        lambda k: k.sign(0, PAYLOAD, hashed=[created(START), issuer(k), subpacket(28, b"ALICE@example.org")]),
        "GOOD", "GOODSIG"),
    "another signer's address": (
        lambda k: k.sign(0, PAYLOAD, hashed=[created(START), issuer(k), subpacket(28, b"bob@example.org")]),
        "INVALID_UID identity-mismatch", "GOODSIG"),
    "over text": (lambda k: k.sign(1, PAYLOAD.replace(b"\n", b"\r\n")), "UNSUPPORTED algorithm-forbidden", "GOODSIG"),
    "a certification": (lambda k: k.sign(0x10, PAYLOAD), "UNSUPPORTED algorithm-forbidden", None),
    "standalone": (lambda k: k.sign(2), "UNSUPPORTED algorithm-forbidden", None),
    "version 3": (lambda k: b"\x03" + k.sign(0, PAYLOAD)[1:], "UNSUPPORTED algorithm-forbidden", None),
    "version 5": (lambda k: b"\x05" + k.sign(0, PAYLOAD)[1:], "UNSUPPORTED algorithm-forbidden", None),
    "version 4 labelled 6": (lambda k: b"\x06" + k.sign(0, PAYLOAD)[1:], "MALFORMED signature-bad", None),
    "version 6 by a version 4 key": (
        lambda k: k.sign(0, PAYLOAD, version=6), "MALFORMED signature-bad", None),
    "version 6 by a version 4 key that it does not name": (
        lambda k: k.sign(0, PAYLOAD, version=6, hashed=[created(START)], unhashed=[]), "BAD signature-bad", None),
    "version 7": (lambda k: b"\x07" + k.sign(0, PAYLOAD)[1:], "MALFORMED signature-bad", None),
    "MD5": (lambda k: k.sign(0, PAYLOAD, hashing=1), "WEAK_HASH algorithm-forbidden", None),
    "RIPEMD-160": (
        lambda k: (b := k.sign(0, PAYLOAD))[:3] + b"\x03" + b[4:], "WEAK_HASH algorithm-forbidden", None),
    "unknown hash": (
        lambda k: (b := k.sign(0, PAYLOAD))[:3] + b"\x63" + b[4:], "UNSUPPORTED algorithm-forbidden", None),
    "unknown algorithm": (
        lambda k: (b := k.sign(0, PAYLOAD))[:2] + b"\x63" + b[3:], "UNSUPPORTED algorithm-forbidden", None),
    "SHA3-256": (lambda k: k.sign(0, PAYLOAD, hashing=12), "GOOD", None),
    "expired since": (
        lambda k: k.sign(0, PAYLOAD, hashed=[created(START), issuer(k), subpacket(3, DAY.to_bytes(4, "big"))]),
        EXPIRED, "EXPSIG"),
    "not expired": (
        lambda k: k.sign(0, PAYLOAD, hashed=[created(START), issuer(k), subpacket(3, (999 * DAY).to_bytes(4, "big"))]),
        "GOOD", "GOODSIG"),
    "made tomorrow": (lambda k: k.sign(0, PAYLOAD, when=NOW + DAY), "FUTURE signature-bad", None),
    "made in five minutes": (lambda k: k.sign(0, PAYLOAD, when=NOW + 300), "GOOD skew", None),
    "made in five minutes and a second": (lambda k: k.sign(0, PAYLOAD, when=NOW + 301), "FUTURE signature-bad", None),
    "made before the key": (lambda k: k.sign(0, PAYLOAD, when=CREATED - 1), "FUTURE signature-bad", "ERRSIG"),
    "made with the key": (lambda k: k.sign(0, PAYLOAD, when=CREATED), "GOOD skew", "GOODSIG"),
    "bytes after the numbers": (lambda k: k.sign(0, PAYLOAD) + b"\0", "MALFORMED signature-bad", None),
    "other bytes signed": (lambda k: k.sign(0, PAYLOAD + b"x"), "BAD signature-bad", "BADSIG"),
}


@pytest.mark.parametrize("kind", ["ed25519", "rsa3072", "nistp256"])
def test_forged_signatures(other_home: GpgHome, kind: str) -> None:
    key = ForgedKey.create(kind)
    data = certificate(key)
    ring = ring_of(data)
    other_home.run("--import", stdin=data, when=NOW)
    for name, (make, expected, gpg) in SIGNATURES.items():
        armored = armor(packet(2, make(key)))
        said = judged(PAYLOAD, armored, ring)
        if said == "GOOD":
            said = " ".join([said, *sorted(proof(armored, ring).notes)])
        assert said == expected, name
        if gpg is not None and kind == "ed25519":
            assert other_home.verdict(PAYLOAD, armored, when=NOW).word == gpg, name
    other_home.run("--delete-keys", key.fingerprint.hex())


def test_what_github_makes_is_good_for_gpg_too(other_home: GpgHome) -> None:
    """RSA with leading zeros, a wrong digest prefix and a key id only, as most signatures of GitHub's web-flow key."""
    key = ForgedKey.create("rsa2048")
    data = certificate(key)
    other_home.run("--import", stdin=data, when=NOW)
    body = key.sign(0, PAYLOAD, hashed=[created(START)], unhashed=[issuer_id(key)], pad=1, left=b"\0\0")
    armored = armor(packet(2, body))
    assert other_home.verdict(PAYLOAD, armored, when=NOW).word == "GOODSIG"
    found = proof(armored + b"\n", ring_of(data))
    assert found.notes == ("no-issuer-fingerprint", "noncanonical-mpi", "rsa-under-3072", "left16-mismatch")
    assert judged(PAYLOAD + b"x", armored, ring_of(data)) == "BAD signature-bad"
    other_home.run("--delete-keys", key.fingerprint.hex())


@pytest.mark.parametrize("kind", ["ed25519-new", "ed448"])
def test_new_algorithms(kind: str) -> None:
    key = ForgedKey.create(kind)
    ring = ring_of(certificate(key))
    body = key.sign(0, PAYLOAD)
    assert proof(armor(packet(2, body)), ring).algorithm.startswith(kind.removesuffix("-new") + "/")
    assert judged(PAYLOAD, armor(packet(2, body[:-1])), ring) == "MALFORMED signature-bad"
    assert judged(PAYLOAD, armor(packet(2, body + b"\0")), ring) == "MALFORMED signature-bad"
    # the same numbers under the other algorithm's id are another signature
    assert judged(PAYLOAD, armor(packet(2, body[:2] + b"\x16" + body[3:])), ring).split()[0] in ("BAD", "MALFORMED")


def test_short_hashes_for_curves() -> None:
    for kind, hashing in [("nistp384", 8), ("nistp521", 9), ("ed448", 8), ("nistp256", 11), ("ed25519", 11)]:
        key = ForgedKey.create(kind)
        ring = ring_of(certificate(key))
        assert judged(PAYLOAD, armor(packet(2, key.sign(0, PAYLOAD, hashing=hashing))), ring) == (
            "WEAK_HASH algorithm-forbidden"
        )


def test_one_key_in_two_dress(forged: Forged) -> None:
    """The same numbers with two creation times are two keys; a signature that names neither fits both."""
    private = ed25519.Ed25519PrivateKey.generate()
    one, two = ForgedKey.create(private=private), ForgedKey.create(when=CREATED + 1, private=private)
    ring = ring_of(certificate(one), certificate(two))
    armored = armor(packet(2, one.sign(0, PAYLOAD, hashed=[created(START)], unhashed=[])))
    assert judged(PAYLOAD, armored, ring) == "MALFORMED signature-ambiguous"
    assert proof(armor(packet(2, one.sign(0, PAYLOAD))), ring).fingerprint == one.fingerprint.hex().upper()
    # and a signature of a stranger that names nobody fits nobody
    assert judged(PAYLOAD, armor(packet(2, ForgedKey.create().sign(0, PAYLOAD, hashed=[created(START)], unhashed=[]))), ring) == (
        "BAD signature-bad"
    )


@pytest.mark.parametrize(
    ("clock", "options", "expected"),
    [
        (Clock(START, NOW), OPTIONS, (START, "signature")),
        (Clock(START, NOW, START + 9), OPTIONS, (START + 9, "arrival")),
        (Clock(START, NOW, START + 9), STRICT, (START + 9, "arrival")),
        (Clock(START, NOW, START + 9), TODAY, (NOW, "now")),
        (Clock(0, NOW), IDENTITY, (START, "signature")),
    ],
)
def test_which_clock_is_believed(clock: Clock, options: SignatureOptions, expected: tuple[int, str]) -> None:
    key = ForgedKey.create()
    found = proof(armor(packet(2, key.sign(0, PAYLOAD))), ring_of(certificate(key)), clock, options)
    assert (found.signed_at, found.time_source) == expected
    assert ("skew" in found.notes) == (clock.claimed == 0)
    # an arrival does not help a signature that claims to be older than its key
    early = armor(packet(2, key.sign(0, PAYLOAD, when=CREATED - 1)))
    for validity in (OPTIONS, TODAY, IDENTITY):
        assert judged(PAYLOAD, early, ring_of(certificate(key)), Clock(START, NOW, START), validity) == "FUTURE signature-bad"
    late = Clock(START, NOW, START - 301)
    assert judged(PAYLOAD, armor(packet(2, key.sign(0, PAYLOAD))), ring_of(certificate(key)), late) == (
        "FUTURE signature-bad"
    )


# --- several signatures, and text around them

def test_what_verifiers_read_differently(forged: Forged, other_home: GpgHome) -> None:
    key = forged.primary
    ring = ring_of(certificate(key, [forged.user]))
    one, two = packet(2, key.sign(0, PAYLOAD)), packet(2, key.sign(0, PAYLOAD, when=START + 1))
    ambiguous = "MALFORMED signature-ambiguous"
    for form, expected in [
        (armor(one + two), ambiguous),
        (armor(one + packet(10, b"PGP")), ambiguous),
        (armor(packet(10, b"PGP") + one), ambiguous),
        (armor(one) + b"\n" + armor(two), ambiguous),
        (armor(one) + b"\nSign completed", ambiguous),
        (b"text\n" + armor(one), ambiguous),
        (b"\n" + armor(one), ambiguous),
        (armor(packet(4, bytes(13))), "MALFORMED signature-bad"),
        (armor(packet(8, b"\0" + one)), "MALFORMED signature-bad"),
        (armor(packet(11, b"b\0\0\0\0\0x")), "MALFORMED signature-bad"),
        (armor(one), "GOOD"),
        (armor(one) + b"\n", "GOOD"),
        (armor(one) + b"\n \t\n\n", "GOOD"),
        (armor(one).replace(b"\n", b"\r\n") + b"\r", "GOOD"),
        (armor(packet(2, key.sign(0, PAYLOAD), old=False)), "GOOD"),
    ]:
        assert judged(PAYLOAD, form, ring) == expected, form
    assert "armor-noncanonical" in proof(armor(one) + b"\n \n", ring).notes
    assert proof(armor(one) + b"\n", ring).notes == ()


# --- mutations

CODES = {"BAD", "MALFORMED", "NO_KEY", "UNSUPPORTED", "WEAK_HASH", "WEAK_KEY", "FUTURE", "EXPIRED_AT_T", "INVALID_UID"}


@pytest.mark.parametrize("kind", ["ed25519", "rsa2048", "nistp256"])
def test_every_byte_of_a_signature(home: GpgHome, kind: Any) -> None:
    """Each byte of the packet flipped and cut: only what nobody signed, and no number depends on, may change."""
    key = home.key(kind=kind)
    ring = ring_of(home.export(key))
    data, _ = armor_reader.signature(home.sign(key, PAYLOAD))
    honest = packets.parse_detached(armor(data))
    passed = 0
    for at in range(len(data)):
        for mask in (0x01, 0x80, 0xFF):
            mutant = bytearray(data)
            mutant[at] ^= mask
            said = judged(PAYLOAD, armor(bytes(mutant)), ring)
            if said == "GOOD":
                # the key id was made unknown, the digest prefix wrong, or an integer's bit count too large
                passed += 1
                found = packets.parse_detached(armor(bytes(mutant)))
                assert (found.hashed, found.values) == (honest.hashed, honest.values), (at, mask)
            else:
                assert said.split()[0] in CODES
        assert judged(PAYLOAD, armor(data[:at]), ring) == "MALFORMED signature-bad"
    assert 6 <= passed < 40
    for at in range(len(PAYLOAD)):
        changed = PAYLOAD[:at] + bytes([PAYLOAD[at] ^ 1]) + PAYLOAD[at + 1 :]
        assert judged(changed, armor(data), ring) == "BAD signature-bad"


@pytest.mark.parametrize("kind", ["ed25519", "rsa2048", "nistp256", "nistp521"])
def test_no_damaged_signature_proves_other_bytes(home: GpgHome, kind: Any) -> None:
    rng = random.Random(f"{kind}")
    key = home.key(kind=kind)
    ring = ring_of(home.export(key))
    armored = home.sign(key, PAYLOAD)
    data, _ = armor_reader.signature(armored)
    other = PAYLOAD + b"another tree"
    codes: set[str] = set()
    for _ in range(600):
        for mutant in (damaged(armored, rng), armor(damaged(data, rng))):
            said = judged(PAYLOAD, mutant, ring)
            codes.add(said.split()[0])
            assert judged(other, mutant, ring) not in ("GOOD", "GOOD_EXPIRED_NOW")
    assert {"BAD", "MALFORMED"} <= codes <= CODES | {"GOOD"}


def test_unhashed_subpackets_are_hints_only(forged: Forged) -> None:
    """Whatever is put into the unhashed area: no other time, signer or flag comes from there."""
    key = forged.primary
    ring = ring_of(certificate(key, [forged.user]))
    refused = 0
    for kind in range(128):
        for value in (b"", b"\0", b"\xff" * 4, b"\xff" * 8, b"\4" + b"x" * 20, b"x" * 300):
            for critical in (False, True):
                body = key.sign(0, PAYLOAD, unhashed=[subpacket(kind, value, critical=critical)])
                armored = armor(packet(2, body))
                if judged(PAYLOAD, armored, ring) == "MALFORMED signature-bad":
                    refused += 1
                    continue
                found = proof(armored, ring)
                assert found[:8] == ("openpgp", key.fingerprint.hex().upper(), key.fingerprint.hex().upper(), "Alice",
                                     START, "signature", "ed25519/sha256", "GOOD")
    # unknown critical ones (104 of 128 types, and notations), and hints at another issuer
    assert 105 * 6 <= refused < 110 * 6


def test_damaged_certificates_are_policy_errors_or_keyrings(home: GpgHome) -> None:
    """No damage to a certificate makes `load` raise anything else, and none lets another key sign."""
    rng = random.Random(5)
    key = home.key(kind="ed25519", subkeys=["rsa2048", "nistp256"], also=["Old <old@example.org>"])
    home.revoke(key, 1, when=START, subkey=1)
    armored = home.export(key)
    binary = home.export(key, armor=False)
    stranger = ForgedKey.create()
    foreign = armor(packet(2, stranger.sign(0, PAYLOAD, hashed=[created(START)], unhashed=[])))
    rings = 0
    for number in range(1000):
        data = damaged(binary if number % 3 else armored, rng)
        try:
            ring = ring_of(data)
        except PolicyError:
            continue
        rings += 1
        assert judged(PAYLOAD, foreign, ring).split()[0] in ("BAD", "NO_KEY", "WEAK_KEY")
    assert rings > 100


def test_every_bit_of_a_certificate(forged: Forged) -> None:
    """One bit of a minimal certificate flipped: the signature passes only where nothing that binds the key changed."""
    data = certificate(forged.primary, [forged.user], [Bound(forged.subkey, [binding(forged.primary, forged.subkey)])])
    verdicts: set[str] = set()
    for at in range(len(data)):
        mutant = data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]
        try:
            verdicts.add(judged(PAYLOAD, forged.signature, ring_of(mutant)))
        except PolicyError:
            continue
    assert {"GOOD", UNBOUND, "NO_KEY signer-unknown"} <= verdicts


def test_a_flood_of_self_signatures_is_refused(forged: Forged) -> None:
    one = forged.primary.sign(0x1F, forged.primary.prefix, hashed=[created(CREATED), issuer(forged.primary)])
    flood = [one[:-4] + number.to_bytes(4, "big") for number in range(MAX_SELF_SIGNATURES + 1)]
    with pytest.raises(PolicyError, match="more than 1024 self-signatures"):
        ring_of(certificate(forged.primary, [forged.user], direct=flood))
    # other people's certifications are not tried at all
    loose = subpacket(16, b"somebody")
    theirs = [forged.primary.sign(0x10, b"%d" % number, hashed=[created(CREATED)], unhashed=[loose])
              for number in range(MAX_SELF_SIGNATURES + 1)]
    ring_of(certificate(forged.primary, [(ALICE, [*theirs, *forged.user[1]])]))


def test_an_answer_is_never_given_for_another_time(forged: Forged) -> None:
    """A keyring that was asked about many times says what a fresh one says, whatever the order."""
    key, subkey = forged.primary, forged.subkey
    ended = subpacket(3, (2 * DAY).to_bytes(4, "big"))
    data = certificate(
        key,
        [(ALICE, [self_signature(key, ALICE, flags(3), expires(30 * DAY), when=CREATED + DAY),
                  self_signature(key, ALICE, flags(3), ended, when=CREATED + 10 * DAY),
                  self_signature(key, ALICE, flags(1), when=CREATED + 50 * DAY)]),
         (b"B <b@example.org>", [self_signature(key, b"B <b@example.org>", when=CREATED + 20 * DAY),
                                 self_signature(key, b"B <b@example.org>", reason(32), kind=0x30, when=CREATED + 24 * DAY)])],
        [Bound(subkey, [binding(key, subkey, flags(2), ended, when=CREATED + 3 * DAY),
                        binding(key, subkey, flags(2), expires(20 * DAY), when=CREATED + 8 * DAY),
                        binding(key, subkey, when=CREATED + 40 * DAY),
                        key.sign(0x28, key.prefix, subkey.prefix, hashed=[
                            created(CREATED + 12 * DAY), issuer(key), reason(1)])])],
    )
    (asked,) = ring_of(data).certificates
    questions = [(number, CREATED + hours * 3600, mode) for hours in range(-12, 60 * 24, 6) for number in (0, 1)
                 for mode in ("strict", "backfill", "identity")]
    random.Random(1).shuffle(questions)
    said: set[str] = set()
    for number, time, mode in questions:
        standing = asked.standing(number, time, mode)  # type: ignore[arg-type]
        said.add(standing.code)
        assert standing == asked._judge(number, time, mode)  # type: ignore[arg-type]
    assert said == {"GOOD", "NOT_BOUND", "FUTURE", "EXPIRED_AT_T", "REVOKED_SOFT_AT_T", "NOT_SIGNING_CAPABLE"}


def test_a_keyring_cannot_be_changed(forged: Forged) -> None:
    ring = ring_of(certificate(forged.primary))
    with pytest.raises(TypeError):
        ring.by_fingerprint[b""] = ()  # type: ignore[index]


# --- DSA, which the policy may accept of its time

DSA_TIME = SignatureOptions(dsa_before=START + 1)
WEAK_KEY = "WEAK_KEY algorithm-forbidden"


@pytest.mark.parametrize("kind", ["dsa2048", "dsa3072"])
def test_dsa_of_its_time(home: GpgHome, kind: Any) -> None:
    key = home.key(kind=kind)
    armored = home.sign(key, PAYLOAD)
    ring = ring_of(home.export(key))
    found = proof(armored, ring, options=DSA_TIME)
    assert (found.code, found.fingerprint, found.algorithm.split("/")[0]) == ("GOOD", key.key_id, kind)
    assert "dsa" in found.notes
    assert judged(PAYLOAD + b"x", armored, ring, options=DSA_TIME) == "BAD signature-bad"
    for before in (None, START):
        with pytest.raises(SignatureError, match=f"OpenPGP key {key.key_id} cannot be used: it is DSA") as caught:
            proof(armored, ring, options=SignatureOptions(dsa_before=before))
        assert (caught.value.code, caught.value.rule) == ("WEAK_KEY", "algorithm-forbidden")
        assert "dsa-before" in caught.value.hint
        assert caught.value.evidence["fingerprint"] == key.key_id
    # the claimed time decides, whatever the arrival
    assert judged(PAYLOAD, armored, ring, Clock(START, NOW, NOW), DSA_TIME) == "GOOD"
    assert judged(PAYLOAD, armored, ring_of(certificate(ForgedKey.create())), options=DSA_TIME) == "NO_KEY signer-unknown"


def test_what_rests_on_a_dsa_primary(home: GpgHome) -> None:
    """Its own signatures bind everything else, so a strong subkey of it is of DSA's time too; a DSA subkey is alone so."""
    key = home.key(kind="dsa2048", subkeys=["ed25519"])
    subkey = home.fingerprints(key)[1]
    armored = home.sign(subkey, PAYLOAD)
    ring = ring_of(home.export(key))
    assert proof(armored, ring, options=DSA_TIME).fingerprint == subkey
    for before in (None, START):
        with pytest.raises(SignatureError, match="the primary key of its certificate: it is DSA") as caught:
            proof(armored, ring, options=SignatureOptions(dsa_before=before))
        assert (caught.value.code, caught.value.evidence["fingerprint"]) == ("WEAK_KEY", subkey)
    # a broken self-signature binds nothing
    primary, forged = ForgedKey.create("dsa2048"), ForgedKey.create()
    bad = binding(primary, forged)
    data = certificate(primary, subkeys=[Bound(forged, [bad[:-1] + bytes([bad[-1] ^ 1])])])
    assert judged(PAYLOAD, armor(packet(2, forged.sign(0, PAYLOAD))), ring_of(data), options=DSA_TIME) == UNBOUND
    # the other way round
    strong, weak = ForgedKey.create(), ForgedKey.create("dsa2048")
    ring = ring_of(certificate(strong, subkeys=[Bound(weak, [binding(strong, weak)])]))
    by_subkey = armor(packet(2, weak.sign(0, PAYLOAD)))
    assert judged(PAYLOAD, by_subkey, ring, options=DSA_TIME) == "GOOD"
    assert judged(PAYLOAD, by_subkey, ring) == WEAK_KEY
    assert judged(PAYLOAD, armor(packet(2, strong.sign(0, PAYLOAD))), ring) == "GOOD"


def test_dsa_numbers_and_hashes() -> None:
    key = ForgedKey.create("dsa2048")
    ring = ring_of(certificate(key))
    assert judged(PAYLOAD, armor(packet(2, key.sign(0, PAYLOAD, hashing=11))), ring, options=DSA_TIME) == (
        "WEAK_HASH algorithm-forbidden"
    )
    body = key.sign(0, PAYLOAD)
    order = key.private.public_key().public_numbers().parameter_numbers.q
    honest = packets.parse_body(body)
    r, s = (int.from_bytes(value, "big") for value in honest.values)
    head = body[: -sum(len(mpi(value)) for value in (r, s))]
    assert judged(PAYLOAD, armor(packet(2, head + mpi(r) + mpi(s))), ring, options=DSA_TIME) == "GOOD"
    for wrong in ((0, s), (r, 0), (r + order, s), (r, s + order), (order, s), (r, order), (1 << 300, s), (s, r)):
        mutant = armor(packet(2, head + b"".join(map(mpi, wrong))))
        assert judged(PAYLOAD, mutant, ring, options=DSA_TIME) == "BAD signature-bad", wrong


@pytest.mark.parametrize("kind", ["dsa1024", "ed448-legacy"])
def test_keys_that_no_option_brings_back(kind: str) -> None:
    message = "DSA with 1024 and 160 bits" if kind == "dsa1024" else "curve is not Ed25519"
    with pytest.raises(PolicyError, match=message):
        ring_of(certificate(ForgedKey.create(kind)))
