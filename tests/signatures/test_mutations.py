"""Random changes to signed objects of every format, half of them where a signature does not look, in search of one that passes.

Each mutant is a whole object under its own right id, a commit or a tag, named by SHA-1 or SHA-256. It may pass only where

1. git would verify the very bytes that were signed (`git_reads`, and a test that git itself agrees with that),
2. what was changed is in the tables of `tests.world` as harmless, or as damage that may hit what says nothing,
3. what the signature states is the same, read by hand: all that is under it, and its numbers,
4. the evidence names the same signer as before; and a proof of the time that was taken away proves nothing any more.

What is harmless must pass: nothing here is refused for a reason that was not looked at. The changes are the same in each run,
only the keys are new; CHAINVERIFY_EXAMPLES=10 makes ten times as many. `python -m tests.signatures.test_mutations 300` makes 300
of each object, and counts what became of each change.
"""

from __future__ import annotations

import base64
import json
import os
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import product
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from chainverify.errors import BackendCrashed, ChainverifyError
from chainverify.formats import objects
from chainverify.model.signing import Clock, Evidence, Format, GitsignMaterial, KeyMaterial, SignatureOptions, SigningMaterial
from chainverify.signatures import backends
from chainverify.signatures.facts import Fact
from tests.signatures.test_ssh import SecurityKey, armor_of
from tests.world import cms_mutations, mutations, openpgp_mutations, ssh_mutations, x509
from tests.world.gpg import GpgHome
from tests.world.mutations import EITHER, HARMLESS, REFUSED, Change, Kind, Rng, Signed, git_reads, inside
from tests.world.openpgp import ForgedKey, certificate, created, issuer_id
from tests.world.repository import START, Algorithm, Repository
from tests.world.sigstore import ALICE, ISSUER, T0, Sigstore, armor
from tests.world.ssh import SshKey, git_asks

pytestmark = [pytest.mark.tool("git"), pytest.mark.tool("ssh-keygen")]

MUTANTS: Final = 60 * int(os.environ.get("CHAINVERIFY_EXAMPLES", "1"))
"""Mutants of each subject."""
FORMATS: Final[tuple[Format, ...]] = ("openpgp", "ssh", "x509", "gitsign")
OBJECTS: Final[list[tuple[Kind, Algorithm]]] = [("commit", "sha1"), ("tag", "sha1"), ("commit", "sha256"), ("tag", "sha256")]
DAY: Final = 86_400
OPTIONS: Final = SignatureOptions(dsa_before=START + DAY)


class Subject(NamedTuple):
    """A signed object, and all that is needed to change it: `body` is what is inside of the armor, `wrap` puts it there.

    `base` is when the signature is judged to be from without any proof, `anchors` what proves more, by the kind of attribute.
    """

    name: str
    format: Format
    signed: Signed
    body: bytes
    wrap: Callable[[bytes], bytes]
    keyrings: backends.Keyrings
    clock: Clock
    statement: Callable[[bytes], tuple[object, ...]]
    inner: list[Change]
    inner_signed: list[Change]
    armors: list[Change]
    framings: list[Change]
    base: int
    anchors: Mapping[bytes, int] = MappingProxyType({})
    public: Any = None
    """What a real tool has to know of the key, in its own form; None where there is no such tool."""


def payload(kind: Kind, algorithm: Algorithm, when: int) -> bytes:
    """An unsigned object with every header that git writes."""
    ids = [letter * (20 if algorithm == "sha1" else 32) for letter in ("ab", "1c", "2d", "3e")]
    person = f"Alice Example <{ALICE}> {when} +0000"
    if kind == "tag":
        return f"object {ids[0]}\ntype commit\ntag v1\ntagger {person}\n\nrelease one.\n\nwith a body\n".encode()
    return (
        f"tree {ids[0]}\nparent {ids[1]}\nparent {ids[2]}\nauthor {person}\ncommitter {person}\n"
        f"mergetag object {ids[3]}\n type commit\n tag v0\n tagger {person}\n \n older\n"
        " -----BEGIN PGP SIGNATURE-----\n \n AAAA\n -----END PGP SIGNATURE-----\n"
        "encoding ISO-8859-1\nchange-id abc\nHG:extra x\n\nJIRA-1: add the thing.\n\nIt was missing.\n"
    ).encode()


# --- the subjects

def openpgp_subjects() -> Iterator[Subject]:
    for name, kind, version in (
        ("ed25519", "ed25519", 4), ("rsa", "rsa2048", 4), ("as GitHub writes", "rsa2048", 4), ("ecdsa", "nistp256", 4),
        ("dsa", "dsa2048", 4), ("ed448", "ed448", 4), ("version 6", "ed25519-new", 6),
    ):  # fmt: skip
        key = ForgedKey.create(kind, version=version)
        wrong: dict[str, Any] = {}
        if "GitHub" in name:
            wrong = {"hashed": [created(START)], "unhashed": [issuer_id(key)], "pad": 1, "left": b"\0\0"}
        keyrings = backends.load(SigningMaterial(openpgp=(KeyMaterial("Alice", certificate(key), "key"),)))
        inner = [*openpgp_mutations.BODIES, *([openpgp_mutations.TWIN] if kind == "nistp256" else [])]
        for which in OBJECTS:
            data = payload(*which, START)
            body = key.sign(0, data, **wrong)
            yield Subject(
                f"openpgp {name}", "openpgp", Signed(*which, data, openpgp_mutations.honest(Rng(0), body)), body,
                lambda body: openpgp_mutations.honest(Rng(0), body), keyrings, Clock(START, START + DAY),
                openpgp_mutations.statement, inner, openpgp_mutations.SIGNED, mutations.PGP_ARMOR, openpgp_mutations.FRAMINGS,
                START, public=certificate(key) if name in {"ed25519", "rsa", "as GitHub writes", "ecdsa"} else None,
            )  # fmt: skip


def ssh_subjects(scratch: Path) -> Iterator[Subject]:
    authority = SshKey.create(scratch, "authority")
    keys = {kind: SshKey.create(scratch, kind, kind=kind) for kind in ("ed25519", "rsa", "ecdsa")}  # type: ignore[arg-type]
    certified = authority.certify(SshKey.create(scratch, "certified"), ALICE)
    devices = {
        "sk": SecurityKey("sk-ssh-ed25519@openssh.com", ed25519.Ed25519PrivateKey.generate()),
        "sk-ecdsa": SecurityKey("sk-ecdsa-sha2-nistp256@openssh.com", ec.generate_private_key(ec.SECP256R1())),
    }
    keyrings = backends.load(SigningMaterial(
        ssh=(
            *(KeyMaterial("Alice", key.public.encode(), "key") for key in keys.values()),
            *(KeyMaterial("Alice", device.line, "key") for device in devices.values()),
        ),
        allowed_signers=(KeyMaterial("", authority.allowed("*@example.org", "cert-authority").encode(), "key", name="allowed"),),
    ))  # fmt: skip

    lines = [key.allowed(ALICE) for key in keys.values()] + [f"{ALICE} {device.line.decode()}\n" for device in devices.values()]
    allowed = "".join([*lines, authority.allowed("*@example.org", "cert-authority")])

    def subject(name: str, signed: Signed) -> Subject:
        inner, inner_signed = list(ssh_mutations.BLOBS), list(ssh_mutations.SIGNED)
        if "ecdsa" in name:
            inner.append(ssh_mutations.TWIN)
        if name.startswith("sk"):
            inner_signed.append(ssh_mutations.FLAGS)
        if name == "certificate":
            inner.append(ssh_mutations.UNCERTIFIED)
        return Subject(
            f"ssh {name}", "ssh", signed, inside(signed.armor), armor_of, keyrings, Clock(START, START + DAY),
            ssh_mutations.statement, inner, inner_signed, mutations.PEM_ARMOR, [], START,
            public=allowed,
        )  # fmt: skip

    for which in OBJECTS:
        data = payload(*which, START)
        for name, key in {**keys, "certificate": certified}.items():
            yield subject(name, Signed(*which, data, key.sign(data)))
        for name, device in devices.items():
            yield subject(name, Signed(*which, data, device.sign(over=data)))


def _cms_subject(
    name: str, format: Format, which: tuple[Kind, Algorithm], data: bytes, body: bytes, keyrings: backends.Keyrings,
    clock: Clock, changes: list[Change], base: int, anchors: Mapping[bytes, int], *, ber: bool = False,
) -> Subject:  # fmt: skip
    def wrap(body: bytes) -> bytes:
        if ber:
            try:
                root = cms_mutations.Node.read(body)
            except (AssertionError, IndexError):
                return armor(body)
            return armor(root.ber(4) if root.der() == body else body)
        return armor(body)

    return Subject(
        f"{format} {name}", format, Signed(*which, data, wrap(body)), body, wrap, keyrings, clock, cms_mutations.statement,
        changes, cms_mutations.SIGNED, mutations.PEM_ARMOR, [], base, anchors,
    )  # fmt: skip


def x509_subjects() -> Iterator[Subject]:
    root = x509.mint("Root", authority=True)
    middle = x509.mint("Middle", root, authority=True)
    stamper = x509.mint_stamper(root)
    keyrings: dict[str, backends.Keyrings] = {}
    for name, key, issuer in (
        ("p256", "p256", middle), ("p256 stamped", "p256", root), ("rsa", "rsa2048", root), ("rsa ber stamped", "rsa2048", root),
        ("p256 pinned", "p256", root),
    ):  # fmt: skip
        signer = x509.mint("Alice", issuer, key=key, emails=[ALICE])
        twin = x509.mint("Mallory", issuer, emails=[ALICE], serial=signer.certificate.serial_number)
        stamped, pinned = "stamped" in name, "pinned" in name
        keyrings[name] = backends.load(x509.trust(root, pinned=[("Alice", signer)] if pinned else (), timestamps=[root]))
        anchors = {cms_mutations.STAMP: START + 9} if stamped else {}
        for which in OBJECTS:
            data = payload(*which, START)
            body = x509.forge(
                signer, data, armored=False, stamp=(lambda value: x509.token(stamper, value, when=START + 9)) if stamped else None
            )
            spare = cms_mutations.Spare(
                x509.mint("Mallory", emails=[ALICE]).der, twin.der,
                x509.attribute("1.2.840.113549.1.9.16.2.14", x509.token(stamper, b"another")), b"", data, signer.certificate,
            )  # fmt: skip
            changes = cms_mutations.changes(
                spare, gitsign=False, ecdsa=key == "p256", anchors=frozenset(anchors), middle=issuer is middle, pinned=pinned
            )
            yield _cms_subject(
                name, "x509", which, data, body, keyrings[name], Clock(START, START + DAY), changes, START, anchors,
                ber="ber" in name,
            )._replace(public=root)  # fmt: skip


def gitsign_subjects() -> Iterator[Subject]:
    sigstore = Sigstore()
    trust = KeyMaterial("", json.dumps(sigstore.trust()).encode(), "commits.trusted-root", name="trusted_root.json")
    identity = GitsignMaterial("Alice", ALICE, ISSUER, False, False, (), "key")
    keyrings = backends.load(SigningMaterial(gitsign=(identity,), trusted_root=trust))
    issuer = x509.Identity(sigstore.intermediate_key, sigstore.intermediate)
    for name in ("level 1", "logged", "stamped", "logged and stamped"):
        leaf = sigstore.leaf()
        twin = x509.mint("Mallory", issuer, serial=leaf.certificate.serial_number, purposes=[x509.chains.CODE_SIGNING])
        another = sigstore.sign(b"another", leaf)
        for which in OBJECTS:
            data = payload(*which, T0 + 5)
            signed = sigstore.sign(data, leaf)
            unsigned, anchors = [], {}
            if "logged" in name:
                unsigned.append(sigstore.entry(signed).attribute())
                anchors[cms_mutations.ENTRY] = T0 + 7
            if "stamped" in name:
                unsigned.append(sigstore.timestamp(signed.signature, T0 + 9))
                anchors[cms_mutations.STAMP] = T0 + 9
            spare = cms_mutations.Spare(
                x509.mint("Mallory", emails=[ALICE]).der, twin.der, sigstore.timestamp(another.signature, T0 + 9),
                sigstore.entry(another).attribute(), data, leaf.certificate,
            )  # fmt: skip
            changes = cms_mutations.changes(spare, gitsign=True, ecdsa=True, anchors=frozenset(anchors), middle=False)
            yield _cms_subject(
                name, "gitsign", which, data, sigstore.cms(signed, *unsigned), keyrings, Clock(T0 + 5, T0 + DAY), changes, T0,
                anchors,
            )  # fmt: skip


@cache
def subjects(format: Format) -> tuple[Subject, ...]:
    if format == "ssh":
        with tempfile.TemporaryDirectory() as scratch:
            return tuple(ssh_subjects(Path(scratch)))
    makers = {"openpgp": openpgp_subjects, "x509": x509_subjects, "gitsign": gitsign_subjects}
    return tuple(makers[format]())


# --- mutants

class Mutant(NamedTuple):
    """An object that was changed: how (the last change is the one that had its turn), and whether where the signature looks."""

    subject: Subject
    raw: bytes
    done: tuple[Change, ...]
    covered: bool

    @property
    def fate(self) -> str:
        fates = {change.fate for change in self.done}
        return REFUSED if REFUSED in fates else EITHER if EITHER in fates else HARMLESS


def mutate(subject: Subject, number: int) -> Mutant:
    """The mutant of this number: every second one is changed in what is signed, and each change has its turn."""
    rng = random.Random(f"{subject.name} {number}")
    covered = number % 2 == 1
    commit = subject.signed.kind == "commit"
    if covered:
        objects_ = mutations.COMMIT_COVERED if commit else mutations.TAG_COVERED
        plan = [("object", change) for change in objects_] + [("inner", change) for change in subject.inner_signed]
    else:
        objects_ = mutations.COMMIT_UNCOVERED if commit else mutations.TAG_UNCOVERED
        plan = [
            *(("object", change) for change in objects_), *(("armor", change) for change in subject.armors),
            *(("inner", change) for change in subject.inner), *(("framing", change) for change in subject.framings),
        ]  # fmt: skip
    # the four objects of a kind begin at different places of what they have in common
    turn = number // 2 + OBJECTS.index((subject.signed.kind, subject.signed.algorithm)) * len(plan) // len(OBJECTS)
    while True:
        area, change = plan[turn % len(plan)]
        done: list[Change] = []

        def apply(where: str, data: Any, before: bytes, area: str = area, change: Change = change, done: list[Change] = done,
                  ) -> bytes:
            """The change, where this is its area; sometimes another that is harmless, where it is not."""
            tables = {"inner": subject.inner, "armor": subject.armors}
            if where == area:
                chosen = change
            elif where in tables and rng.random() < 0.2:
                chosen = rng.choice([each for each in tables[where] if each.fate == HARMLESS] or [change])
                if chosen is change:
                    return before
            else:
                return before
            for _ in range(20):
                out = chosen.make(rng, data)
                if out != before:
                    done.append(chosen)
                    return out
            return before

        body = apply("inner", subject.body, subject.body)
        armored = apply("framing", body, subject.wrap(body)) if area == "framing" else subject.wrap(body)
        armored = apply("armor", armored, armored)
        signed = subject.signed._replace(armor=armored)
        raw = apply("object", signed, signed.raw)
        if change in done and raw != subject.signed.raw:
            done.append(done.pop(done.index(change)))
            return Mutant(subject, raw, tuple(done), covered)
        # a change that does not apply to this object leaves its turn to the next
        turn += 1


def prove(subject: Subject, raw: bytes) -> Evidence:
    """As the verification of a history does it, with what a cache would remember. Raises our errors, and no others."""
    kind, algorithm = subject.signed.kind, subject.signed.algorithm
    oid = objects.object_id(kind, raw, algorithm)
    read = objects.parse_commit(oid, raw, algorithm) if kind == "commit" else objects.parse_tag(oid, raw, algorithm)
    if read.signature is None:
        raise ChainverifyError("unsigned")
    facts: list[Fact] = []
    found = backends.verify(
        read.payload, read.signature, subject.keyrings, subject.clock, OPTIONS, FORMATS, facts.append
    )
    for fact in facts:
        # what is remembered of a good signature says the same of it the next time
        assert backends.recall(fact, subject.keyrings, subject.clock, OPTIONS, FORMATS) in {None, found}
    return found


@cache
def honest(format: Format) -> tuple[Evidence, ...]:
    return tuple(prove(subject, subject.signed.raw) for subject in subjects(format))


def objection(mutant: Mutant, found: Evidence, before: Evidence) -> str:
    """Why this mutant must not have passed, or not so; empty where it may."""
    subject = mutant.subject
    data, signature = git_reads(subject.signed.kind, subject.signed.algorithm, mutant.raw)
    if data != subject.signed.payload:
        return "git would verify other bytes than those that were signed"
    if mutant.fate == REFUSED:
        return "what was changed is never harmless"
    assert signature is not None
    content = inside(signature.removesuffix(b"\n"))
    if subject.statement(content) != subject.statement(inside(subject.signed.armor)):
        return "the signature states something else"
    who = ("format", "fingerprint", "primary", "signer", "emails", "principals", "claims", "algorithm", "code")
    if any(getattr(found, name) != getattr(before, name) for name in who):
        return f"the evidence is another: {found}"
    missing = [change.note for change in mutant.done if change.fate == HARMLESS and change.note not in ("", *found.notes)]
    if missing:
        return f"the notes do not tell {missing}, only {found.notes}"
    kinds = cms_mutations.kinds_of_unsigned(content) if subject.anchors else frozenset()
    times = [at for kind, at in subject.anchors.items() if kind in kinds and not (
        kind == cms_mutations.ENTRY and cms_mutations.LEGACY in kinds)]  # fmt: skip
    if found.level != (None if subject.format != "gitsign" else 2 if times else 1):
        return f"the level is {found.level} with {len(times)} proofs of the time"
    proved = min(times, default=None)
    if found.anchored_at != proved and not (found.anchored_at is None and "timestamp-unknown-authority" in found.notes):
        return f"the time is proved as {found.anchored_at}, expected {proved}"
    if found.signed_at != (subject.base if found.anchored_at is None else found.anchored_at):
        return f"it is judged at {found.signed_at}"
    return ""


def run(format: Format, count: int) -> Counter[tuple[str, str]]:
    """How often each change passed and was refused, over `count` mutants of each object.

    Fails for a mutant that passes and must not, or must and does not.
    """
    seen: Counter[tuple[str, str]] = Counter()
    known = list(zip(subjects(format), honest(format), strict=True))
    for number, (subject, before) in product(range(count), known):
        mutant = mutate(subject, number)
        where = (
            f"{subject.name} {subject.signed.kind} {subject.signed.algorithm}, mutant {number}: "
            f"{', '.join(change.name for change in mutant.done)}\n{base64.b64encode(mutant.raw).decode()}"
        )
        try:
            found = prove(subject, mutant.raw)
        except ChainverifyError as error:
            if mutant.fate == HARMLESS or isinstance(error, BackendCrashed):
                pytest.fail(f"refused: {error.message}\n{where}")
            said = "refused"
        else:
            why = objection(mutant, found, before)
            if why:
                pytest.fail(f"passed: {why}\n{where}")
            said = "passed"
        seen["covered" if mutant.covered else "not covered", said] += 1
        seen[mutant.done[-1].name, said] += 1
    return seen


def every_change(format: Format) -> dict[str, Change]:
    found: dict[str, Change] = {}
    for subject in subjects(format):
        commit = subject.signed.kind == "commit"
        for table in (
            mutations.COMMIT_COVERED if commit else mutations.TAG_COVERED,
            mutations.COMMIT_UNCOVERED if commit else mutations.TAG_UNCOVERED,
            subject.armors, subject.inner, subject.inner_signed, subject.framings,
        ):  # fmt: skip
            found |= {change.name: change for change in table}
    return found


@pytest.mark.parametrize("format", FORMATS)
def test_the_honest_ones_pass(format: Format) -> None:
    """And the judge's own readers agree with what was made."""
    for subject, before in zip(subjects(format), honest(format), strict=True):
        signed = subject.signed
        assert git_reads(signed.kind, signed.algorithm, signed.raw) == (signed.payload, signed.armor + b"\n")
        assert before.code == "GOOD"
        assert objection(Mutant(subject, signed.raw, (), False), before, before) == ""
        assert before.level == (None if format != "gitsign" else 2 if subject.anchors else 1)
        with pytest.raises(ChainverifyError):
            prove(subject, signed._replace(payload=signed.payload + b"x\n").raw)


@pytest.mark.parametrize("format", FORMATS)
def test_mutants(format: Format) -> None:
    seen = run(format, MUTANTS)
    half = len(subjects(format)) * (MUTANTS // 2)
    assert (seen["covered", "passed"], seen["covered", "refused"]) == (0, half)
    assert half / 20 < seen["not covered", "passed"] < half
    for change in every_change(format).values():
        tried = {said for said in ("passed", "refused") if seen[change.name, said]}
        assert tried, f"{change.name} had no turn"
        assert change.why or change.fate == REFUSED, f"{change.name} may pass without a reason"


def test_git_reads_objects_as_the_judge_says(tmp_path: Path) -> None:
    """Git gives its verifier the payload and signature that `git_reads` finds, of mutants too."""
    repos = {
        algorithm: Repository.create(tmp_path / algorithm, algorithm=algorithm) for algorithm in ("sha1", "sha256")
    }  # type: ignore[arg-type]
    catcher = tmp_path / "catch"
    catcher.write_text(
        f"#!/bin/sh\nwhile [ $# -gt 2 ]; do shift; done\ncp \"$1\" {tmp_path}/signature\ncat > {tmp_path}/payload\n"
    )
    catcher.chmod(0o755)
    compared = 0
    for number in range(72):
        subject = subjects("openpgp")[number % 4]
        raw = mutate(subject, 2 * (number // 4)).raw
        for name in ("payload", "signature"):
            (tmp_path / name).unlink(missing_ok=True)
        repo = repos[subject.signed.algorithm]
        verb = "verify-commit" if subject.signed.kind == "commit" else "verify-tag"
        repo.run(
            "-c", f"gpg.program={catcher}", "-c", f"gpg.x509.program={catcher}", verb, repo.write(subject.signed.kind, raw),
            check=False,
        )  # fmt: skip
        data, signature = git_reads(subject.signed.kind, subject.signed.algorithm, raw)
        if (tmp_path / "payload").exists():
            compared += 1
            assert (data, signature) == ((tmp_path / "payload").read_bytes(), (tmp_path / "signature").read_bytes()), raw
    assert compared > 40


TOOLS_DIFFER: Final = {
    "bag_empty": "openssl is not told of the certificate that the policy has pinned",
    "lists_with_revocation": "openssl reads the garbage among the lists; here they count for nothing, and are not looked into",
}
"""Harmless changes that a real tool refuses, all of them of X.509, and why we do not."""


@pytest.mark.tool("gpg", "openssl")
@pytest.mark.parametrize("format", ["openpgp", "ssh", "x509"])
def test_what_passes_the_real_tools_accept(format: Format, tmp_path: Path) -> None:
    """Never good here and bad there, without a reason."""
    known = [(subject, before) for subject, before in zip(subjects(format), honest(format), strict=True) if subject.public]
    asked: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    with GpgHome.create() as home:
        if format == "openpgp":
            home.run("--import", stdin=b"".join({subject.public for subject, _ in known}), when=START)
        for number, (subject, _) in product(range(0, MUTANTS, 2), known):
            mutant = mutate(subject, number)
            change = mutant.done[-1]
            if mutant.fate != HARMLESS or asked[change.name] == 2 or len(mutant.done) > 1:
                continue
            data, signature = git_reads(subject.signed.kind, subject.signed.algorithm, mutant.raw)
            assert signature
            asked[change.name] += 1
            if format == "openpgp":
                good = home.verdict(data, signature, when=START + 60).word == "GOODSIG"
            elif format == "ssh":
                good = git_asks(subject.public, data, signature, at=START).good
            else:
                good = x509.openssl_verifies(tmp_path, subject.public, data, signature, when=START)
            if not good:
                refused[change.name] += 1
    assert len(asked) > 2
    assert refused.keys() == (TOOLS_DIFFER.keys() if format == "x509" else set())


def main() -> None:
    count = int(sys.argv[1])
    for format in FORMATS:
        seen = run(format, count)
        print(f"{format}: {len(subjects(format))} objects, {len(subjects(format)) * count} mutants")
        for name in ("covered", "not covered", *every_change(format)):
            print(f"  {name:32} {seen[name, 'passed']:6} passed {seen[name, 'refused']:6} refused")


if __name__ == "__main__":
    main()
