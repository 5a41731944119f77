"""Every result code on real commits, beside the verdicts of gpg, git and Sequoia on the same object.

A vector makes keys and a commit with the real tools, and states what each verifier says of it at `NOW`. Where they differ from
us, `why` says it. Sequoia judges by the computer's clock, a little later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from chainverify.errors import PolicyError, SignatureError
from chainverify.formats import objects
from chainverify.model.gitobject import Commit
from chainverify.model.signing import Clock, SignatureOptions
from chainverify.signatures import openpgp
from tests.signatures.test_openpgp import (
    ALICE,
    DAY,
    EXPIRED,
    HARD,
    NOW,
    SOFT,
    UNBOUND,
    material,
)
from tests.world import sequoia
from tests.world.gpg import GpgHome
from tests.world.openpgp import CREATED, Bound, ForgedKey, armor, binding, certificate, flags, packet, self_signature
from tests.world.repository import START, GpgKey, Repository, signed_commit

pytestmark = [pytest.mark.tool("gpg"), pytest.mark.tool("git")]


NONE = SignatureOptions()


class Case(NamedTuple):
    """A signed commit: its raw content, and the certificate that judges it; `options` as in a policy."""

    raw: bytes
    key: bytes
    options: SignatureOptions = NONE


class World(NamedTuple):
    """Where vectors are made: a gpg of its own, a repository."""

    home: GpgHome
    repo: Repository

    def signed(self, key: GpgKey, when: int = START, *options: str, sign: Any = None) -> bytes:
        """The raw content of a commit signed by `key` (or by the very key `sign`) at `when`."""
        raw = self.repo.read(self.repo.commit("JIRA-1: it", {"a": b"1"}, when=when, ref=None, parents=()))
        return signed_commit(raw, self.home.sign(sign or key, raw, *options, when=when))

    def forged(self, key: ForgedKey, **wrong: Any) -> bytes:
        """The same, by a forger's key."""
        raw = self.repo.read(self.repo.commit("JIRA-1: it", {"a": b"1"}, when=START, ref=None, parents=()))
        return signed_commit(raw, armor(packet(2, key.sign(wrong.pop("kind", 0), raw, **wrong))))


class Vector(NamedTuple):
    """What is said of a case: by us, by gpg's status lines, by git (`verify-commit --raw`, `%G?`), by Sequoia."""

    make: Callable[[World], Case]
    ours: str
    gpg: str
    git: str
    letter: str
    sequoia: str
    why: str = ""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with GpgHome.create() as home:
        yield World(home, Repository.create(tmp_path / "repo"))


def real(kind: str, options: SignatureOptions = NONE, *gpg_options: str) -> Callable[[World], Case]:
    def make(world: World) -> Case:
        key = world.home.key(kind=kind)  # type: ignore[arg-type]
        return Case(world.signed(key, START, *gpg_options), world.home.export(key), options)

    return make


def state(change: Callable[[GpgHome, GpgKey], Any], when: int = START) -> Callable[[World], Case]:
    """A certificate with a subkey, changed after the commit was signed by the subkey."""
    def make(world: World) -> Case:
        key = world.home.key(subkeys=["ed25519"])
        raw = world.signed(key, when)
        change(world.home, key)
        return Case(raw, world.home.export(key))

    return make


def forged(kind: str, **wrong: Any) -> Callable[[World], Case]:
    def make(world: World) -> Case:
        key = ForgedKey.create(kind)
        return Case(world.forged(key, **wrong), certificate(key))

    return make


def edited(edit: Callable[[bytes], bytes]) -> Callable[[World], Case]:
    def make(world: World) -> Case:
        key = world.home.key()
        return Case(edit(world.signed(key)), world.home.export(key))

    return make


def stranger(world: World) -> Case:
    return Case(world.signed(world.home.key()), world.home.export(world.home.key("Bob <bob@example.org>")))


def not_bound(world: World) -> Case:
    primary, subkey = ForgedKey.create(), ForgedKey.create()
    data = certificate(primary, subkeys=[Bound(subkey, [binding(primary, subkey, back=b"")])])
    return Case(world.forged(subkey), data)


def certifying(world: World) -> Case:
    primary = ForgedKey.create()
    data = certificate(primary, [(ALICE, [self_signature(primary, ALICE, flags(1))])])
    return Case(world.forged(primary), data)


BEFORE = SignatureOptions(dsa_before=START + 1)
LATER = SignatureOptions(dsa_before=START)
BACKDATED = "gpg and git judge now, we and Sequoia the time of the signature"
G = ("GOOD", "GOODSIG", "GOODSIG", "G", "good")
WEAK_KEY = "WEAK_KEY algorithm-forbidden"
BAD = "BAD signature-bad"
AMBIGUOUS = "MALFORMED signature-ambiguous"

VECTORS: dict[str, Vector] = {
    **{kind: Vector(real(kind), *G) for kind in ("rsa2048", "rsa3072", "rsa4096", "ed25519", "nistp256", "nistp384", "nistp521")},
    **{kind: Vector(real(kind), *G[:4], "refused", "PyPI's Sequoia has no Brainpool curves")
       for kind in ("brainpoolP256r1", "brainpoolP384r1", "brainpoolP512r1")},
    "dsa2048 without dsa-before": Vector(real("dsa2048"), WEAK_KEY, *G[1:], why="DSA is the policy's choice"),
    "dsa2048 before it": Vector(real("dsa2048", BEFORE), *G),
    "dsa2048 at it": Vector(real("dsa2048", LATER), WEAK_KEY, *G[1:], why="DSA is the policy's choice"),
    "rsa1024": Vector(real("rsa1024"), "POLICY", *G[1:4], "refused", "gpg takes any size; Sequoia since 2014 does not"),
    "secp256k1": Vector(forged("secp256k1"), "POLICY", *G[1:4], "refused", "left out on purpose, as in Sequoia"),
    "SHA-1": Vector(
        real("rsa2048", NONE, "--digest-algo", "SHA1"), "WEAK_HASH algorithm-forbidden", *G[1:4], "refused",
        "gpg 2.2 takes SHA-1"),
    "SHA-1 of its time": Vector(
        real("rsa2048", SignatureOptions(sha1_before=START + 1), "--digest-algo", "SHA1"), *G[:4], "refused",
        "the policy's choice; Sequoia's date is 2013"),
    "expired now": Vector(
        state(lambda h, k: h.expire(k, 60 * DAY, when=CREATED + 5)), "GOOD_EXPIRED_NOW", "EXPKEYSIG", "EXPKEYSIG", "Y", "good",
        BACKDATED),
    "expired before": Vector(
        state(lambda h, k: h.expire(k, DAY, when=CREATED + 5)), EXPIRED, "EXPKEYSIG", "EXPKEYSIG", "Y", "refused",
        "git's Y says both"),
    "expired in the second of the signature": Vector(
        state(lambda h, k: h.expire(k, START - CREATED - 5, when=CREATED + 5)), EXPIRED, "EXPKEYSIG", "EXPKEYSIG", "Y",
        "refused"),
    "expired a second after": Vector(
        state(lambda h, k: h.expire(k, START - CREATED - 4, when=CREATED + 5)), "GOOD_EXPIRED_NOW", "EXPKEYSIG", "EXPKEYSIG", "Y",
        "good", BACKDATED),
    "not yet valid": Vector(
        lambda w: Case(w.forged(k := ForgedKey.create(), when=CREATED - 1), certificate(k)),
        "FUTURE signature-bad", "ERRSIG", "ERRSIG", "E", "refused"),
    "compromised after": Vector(
        state(lambda h, k: h.revoke(k, 2, when=START + DAY)), HARD, "REVKEYSIG", "REVKEYSIG", "R", "refused"),
    "compromised before": Vector(
        state(lambda h, k: h.revoke(k, 2, when=START - DAY)), HARD, "REVKEYSIG", "REVKEYSIG", "R", "refused"),
    "retired after": Vector(
        state(lambda h, k: h.revoke(k, 3, when=START + DAY)), "GOOD", "REVKEYSIG", "REVKEYSIG", "R", "good", BACKDATED),
    "retired before": Vector(
        state(lambda h, k: h.revoke(k, 3, when=START - DAY)), SOFT, "REVKEYSIG", "REVKEYSIG", "R", "refused"),
    "retired in the second of the signature": Vector(
        state(lambda h, k: h.revoke(k, 3, when=START)), SOFT, "REVKEYSIG", "REVKEYSIG", "R", "refused"),
    "expired and compromised": Vector(
        state(lambda h, k: (h.expire(k, 60 * DAY, when=CREATED + 5), h.revoke(k, 2, when=START + DAY))), HARD, "EXPKEYSIG",
        "EXPKEYSIG", "Y", "refused", "gpg hides the revocation, and git from 2.54 on accepts Y"),
    "no back-signature": Vector(not_bound, UNBOUND, "ERRSIG", "ERRSIG", "E", "refused"),
    "primary that only certifies": Vector(
        certifying, "NOT_SIGNING_CAPABLE signer-not-allowed", "ERRSIG", "ERRSIG", "E", "refused"),
    "other bytes": Vector(
        edited(lambda raw: raw.replace(b"JIRA-1", b"JIRA-2")), BAD, "BADSIG", "BADSIG", "B", "refused"),
    "stranger": Vector(stranger, "NO_KEY signer-unknown", "ERRSIG", "ERRSIG", "E", "refused"),
    "in the future": Vector(
        lambda w: Case(w.forged(k := ForgedKey.create(), when=NOW + 2 * DAY), certificate(k)),
        "FUTURE signature-bad", *G[1:], why="gpg only warns people, and Sequoia's clock has passed it"),
    "text": Vector(
        lambda w: Case(w.signed(k := w.home.key(), START, "--textmode"), w.home.export(k)), "UNSUPPORTED algorithm-forbidden",
        *G[1:], why="line ends are not signed"),
    "damaged armor": Vector(
        edited(lambda raw: raw.replace(b"-----END PGP", b"=AAAA\n -----END PGP", 1)), "MALFORMED signature-bad", *G[1:4],
        "unreadable", "a second checksum, which does not fit; gpg reads the first"),
    "trailing text": Vector(
        edited(lambda raw: raw.replace(b"END PGP SIGNATURE-----", b"END PGP SIGNATURE-----\n Sign completed")), AMBIGUOUS,
        *G[1:], why="text that nobody signed, through which the object's id can be chosen"),
    "left 16 bits": Vector(forged("rsa2048", left=b"\0\0"), *G, why="a note"),
    "number with leading zeros": Vector(forged("rsa2048", pad=1), *G[:4], "unreadable", "a note, as most of GitHub's have them"),
}


def ours(case: Case, commit: Commit) -> str:
    assert commit.signature
    try:
        ring = openpgp.load([material(case.key)])
    except PolicyError:
        return "POLICY"
    try:
        return openpgp.verify(commit.payload, commit.signature, ring, Clock(START, NOW), case.options).code
    except SignatureError as error:
        return f"{error.code} {error.rule}"


@pytest.mark.parametrize("name", VECTORS)
def test_all_verifiers_on_one_commit(world: World, name: str) -> None:
    vector = VECTORS[name]
    case = vector.make(world)
    oid = world.repo.write("commit", case.raw)
    commit = objects.parse_commit(oid, case.raw, "sha1")
    assert commit.signature
    with GpgHome.create() as judge:
        judge.run("--import", stdin=case.key, when=NOW, check=False)
        judge.set_clock(NOW)
        gpg = judge.verdict(commit.payload, commit.signature, when=NOW).word
        env = {"GNUPGHOME": str(judge.path)}
        raw = world.repo.run("verify-commit", "--raw", oid, env=env, check=False).stderr.decode(errors="replace")
        words = {line.split()[1] for line in raw.splitlines() if line.startswith("[GNUPG:] ")}
        decisive = ("BADSIG", "REVKEYSIG", "EXPKEYSIG", "EXPSIG", "ERRSIG", "GOODSIG")
        git = next((word for word in decisive if word in words), "error")
        letter = world.repo.verdict(oid, key=GpgKey(judge.path, ""))
    theirs = sequoia.verdict(commit.payload, commit.signature, case.key).split()[0]
    said = (ours(case, commit), gpg, git, letter, theirs)
    assert said == (vector.ours, vector.gpg, vector.git, vector.letter, vector.sequoia), vector.why
    accepted = (vector.ours.startswith("GOOD"), letter in "GU", theirs == "good")
    assert len(set(accepted)) == 1 or vector.why, "a difference has a reason"


def test_every_code_has_a_vector() -> None:
    assert {vector.ours.split()[0] for vector in VECTORS.values()} >= {
        "GOOD", "GOOD_EXPIRED_NOW", "EXPIRED_AT_T", "REVOKED_HARD", "REVOKED_SOFT_AT_T", "NOT_BOUND", "NOT_SIGNING_CAPABLE",
        "WEAK_HASH", "WEAK_KEY", "BAD", "NO_KEY", "FUTURE", "MALFORMED", "UNSUPPORTED",
    }  # fmt: skip
