"""What an OpenPGP verification costs beside the bare cryptographic operation: `python -m tests.bench.openpgp`.

`commit` is everything that is done for one: its object split, the signature verified, the rules asked.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from chainverify.formats import objects
from chainverify.formats import openpgp as packets
from chainverify.model.signing import Clock, KeyMaterial, SignatureOptions, SigningMaterial
from chainverify.policy.model import CommitsPolicy, Policy, Signer
from chainverify.rules import signatures as rules_of
from chainverify.signatures import backends, openpgp
from chainverify.signatures.openpgp_crypto import check, digest
from tests.world.gpg import GpgHome
from tests.world.repository import START, signed_commit

PAYLOAD = (
    b"tree %040d\nparent %040d\n" % (0, 1)
    + b"author Alice Example <alice@example.org> %d +0000\n" % START
    + b"committer Alice Example <alice@example.org> %d +0000\n" % START
    + b"\nsubject\n" + b"\nbody\n" * 10
)  # fmt: skip
ROUNDS = 4000


def microseconds(work: Callable[[], object]) -> float:
    """Of the processor: the best of several means, for a machine that does other things too."""
    best = float("inf")
    for _ in range(40):
        start = time.process_time()
        for _ in range(ROUNDS // 40):
            work()
        best = min(best, (time.process_time() - start) / (ROUNDS // 40))
    return best * 1e6


def judged(oid: str, raw: bytes, keyrings: backends.Keyrings, rules: rules_of.SignatureRules, options: SignatureOptions) -> None:
    """What `jobs.history` does for one commit that is good."""
    commit = objects.parse_commit(oid, raw, "sha1")
    subject = rules_of.commit_subject(commit)
    assert rules_of.excused(subject, rules) is None
    assert commit.signature
    clock = Clock(commit.committer.time, START + 1000)
    evidence = backends.verify(commit.payload, commit.signature, keyrings, clock, options, rules.commits.formats)
    (finding,) = rules_of.judge_commit(commit, evidence, clock, rules, subject)
    assert finding.status == "pass", finding


def main() -> None:
    rules = rules_of.prepare(Policy("bench", "", CommitsPolicy(), signers=(Signer("Alice", ("alice@example.org",)),)))
    with GpgHome.create() as home:
        for kind in ("ed25519", "rsa2048", "rsa4096", "nistp256"):
            key = home.key(kind=kind, subkeys=[kind])
            armored = home.sign(key, PAYLOAD)
            material = [KeyMaterial("Alice", home.export(key), "key")]
            ring = openpgp.load(material)
            clock, options = Clock(START, START + 1000), SignatureOptions()
            parsed = packets.parse_detached(armored)
            assert parsed.fingerprint
            trusted = ring.by_fingerprint[parsed.fingerprint][0]
            signed = digest(parsed, PAYLOAD)
            raw = signed_commit(PAYLOAD, armored)
            oid = objects.object_id("commit", raw, "sha1")
            ours = microseconds(partial(openpgp.verify, PAYLOAD, armored, ring, clock, options))
            bare = microseconds(partial(check, trusted.key, parsed, signed))
            parse = microseconds(partial(packets.parse_detached, armored))
            commit = microseconds(partial(judged, oid, raw, backends.load(SigningMaterial(tuple(material))), rules, options))
            load = microseconds(partial(openpgp.load, material))
            print(
                f"{kind:10} bare {bare:6.1f} us, verify {ours:6.1f} (parse {parse:.1f}), commit {commit:6.1f}, "
                f"{commit / bare:.2f} times the bare check; load {load:.0f}"
            )


if __name__ == "__main__":
    main()
