"""What a policy only advises takes nothing from its other rules: whoever signed is still held to them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chainverify.errors import SignatureError
from chainverify.git.repository import Repository
from chainverify.jobs import history, policies
from chainverify.model.report import Report, verdict
from chainverify.model.signing import Clock, Evidence, KeyMaterial, SignatureOptions
from chainverify.policy.material import signing_material
from chainverify.rules import enforcement
from chainverify.signatures import ssh
from tests.signatures.test_ssh import PAYLOAD, SecurityKey
from tests.world.gpg import GpgHome
from tests.world.repository import ALICE, BOB, START, GpgKey, signed_commit
from tests.world.repository import Repository as World
from tests.world.ssh import SshKey, load

pytestmark = [pytest.mark.tool("git"), pytest.mark.tool("ssh-keygen"), pytest.mark.tool("gpg")]

NOW = START + 1_000_000_000
"""Later than any clock by which gpg signs in these tests."""


def judged(
    world: World, directory: Path, keys: str, advised: str, *, commits: str = "", tags: bool = False
) -> tuple[str, list[tuple[str, str]]]:
    """Verdict, and rule and level of each finding, on all of HEAD or on all tags, where Bob has `keys`."""
    (directory / "policy.toml").write_text(
        f'version = 1\n[commits]\n{commits}\n[rules]\n{advised} = "advise"\n[[signers]]\nname = "Alice Example"\n'
        f'emails = ["alice@example.org"]\n[[signers]]\nname = "Bob Example"\nemails = ["bob@example.org"]\n{keys}\n'
    )
    repo = Repository.discover(world.path)
    loaded = policies.from_file(directory / "policy.toml", worktree=None)
    policy, material = loaded.policy, signing_material(loaded.policy, loaded.read)
    if tags:
        found = history.check_tags(repo, repo.refs("refs/tags"), policy, material, NOW)
    else:
        found = history.check_commits(repo, history.select(repo, (), policy), policy, material, NOW)
    findings = enforcement.apply(found.findings, policy)
    return verdict(Report(loaded.ref, findings, found.counts)), [(each.rule, each.level) for each in findings]


class Refused(NamedTuple):
    """A key of Bob's that made signatures and does not count: how the policy names it, and the rule that refuses it."""

    key: SshKey | GpgKey
    keys: str
    rule: str
    commits: str = ""


def openpgp_revoked(directory: Path, gpg: GpgHome) -> Refused:
    key = gpg.key("Bob Example <bob@example.org>")
    (directory / "bob.asc").write_bytes(gpg.export(key))
    (directory / "bob.rev").write_bytes(gpg.revocation(key, 2, when=START))
    return Refused(key, 'openpgp = ["bob.asc", "bob.rev"]', "signer-revoked")


def ssh_expired(directory: Path, gpg: GpgHome) -> Refused:
    key = SshKey.create(directory, "bob")
    (directory / "bob.allowed").write_text(key.allowed("bob@example.org", 'valid-before="20200101Z"'))
    return Refused(key, 'allowed-signers = "bob.allowed"', "signer-expired")


def ssh_named_and_expired(directory: Path, gpg: GpgHome) -> Refused:
    refused = ssh_expired(directory, gpg)
    return refused._replace(keys="", commits='allowed-signers = "bob.allowed"')


def ssh_revoked(directory: Path, gpg: GpgHome) -> Refused:
    key = SshKey.create(directory, "bob")
    (directory / "revoked").write_text(key.public + "\n")
    return Refused(key, f'ssh = "{key.public}"', "signer-revoked", 'ssh-revoked = "revoked"')


@pytest.mark.parametrize(("advised", "enforced"), [("signer-revoked", "signer-expired"), ("signer-expired", "signer-revoked")])
@pytest.mark.parametrize("rsa", [False, True])
def test_a_key_that_is_revoked_and_over_is_told_to_be_both(tmp_path: Path, advised: str, enforced: str, rsa: bool) -> None:
    """With the one advised, the other counts: it is not hidden behind it."""
    with GpgHome.create() as gpg:
        key = gpg.key("Bob Example <bob@example.org>", "rsa2048" if rsa else "ed25519", when=int(time.time()) - 100, expires=5000)
        (tmp_path / "bob.asc").write_bytes(gpg.export(key))
        (tmp_path / "bob.rev").write_bytes(gpg.revocation(key, 2, when=int(time.time()) - 50))
        world = World.create(tmp_path / "r")
        world.commit("JIRA-1: own", {"a": "1"}, key=key, author=BOB)
    keys, commits = 'openpgp = ["bob.asc", "bob.rev"]', 'key-validity = "now"'
    verdict, found = judged(world, tmp_path, keys, advised, commits=commits)
    assert (verdict, sorted(found)) == ("fail", sorted([(advised, "warning"), (enforced, "error")]))


@pytest.mark.parametrize("make", [openpgp_revoked, ssh_expired, ssh_named_and_expired, ssh_revoked])
@pytest.mark.parametrize("tags", [False, True])
def test_a_refused_key_is_still_nobody_elses(
    tmp_path: Path, make: Callable[[Path, GpgHome], Refused], tags: bool
) -> None:
    with GpgHome.create() as gpg:
        key, keys, rule, commits = make(tmp_path, gpg)
        world = World.create(tmp_path / "r")
        world.commit("JIRA-1: own", {"a": "1"}, key=key, author=BOB)
        world.tag("v1", key=key, tagger=BOB)

        assert judged(world, tmp_path, keys, rule, commits=commits, tags=tags) == ("pass", [(rule, "warning")])
        world.commit("JIRA-1: as Alice", {"a": "2"}, key=key, author=ALICE)
        world.tag("v2", key=key, tagger=ALICE)
        expected = [(rule, "warning"), (rule, "warning"), ("identity-mismatch", "error")]
        assert judged(world, tmp_path, keys, rule, commits=commits, tags=tags) == ("fail", expected)


def test_a_forged_signature_of_a_security_key_is_bad_whatever_its_flags_say() -> None:
    key = SecurityKey("sk-ssh-ed25519@openssh.com", Ed25519PrivateKey.generate())
    ring = load([KeyMaterial("Alice", key.line, "signers[0].ssh[0]")])
    armored = key.sign(flags=0)
    with pytest.raises(SignatureError) as untouched:
        ssh.verify(PAYLOAD, armored, ring, Clock(START, NOW), SignatureOptions())
    assert untouched.value.code == "NO_PRESENCE"
    assert isinstance(untouched.value.proof, Evidence)
    with pytest.raises(SignatureError) as forged:
        ssh.verify(PAYLOAD + b"x", armored, ring, Clock(START, NOW), SignatureOptions())
    assert (forged.value.code, forged.value.rule, forged.value.proof) == ("BAD", "signature-bad", None)


def test_a_weak_signature_that_was_not_checked_proves_nobody(tmp_path: Path) -> None:
    """What is too weak is not verified: advised, it must not become a way to sign in anybody's name."""
    with GpgHome.create() as gpg:
        key = gpg.key("Bob Example <bob@example.org>", kind="rsa2048")
        (tmp_path / "bob.asc").write_bytes(gpg.export(key))
        world = World.create(tmp_path / "r", bare=True)
        raw = world.read(world.commit("JIRA-1: root", {"a": "1"}, author=BOB))
        weak = gpg.sign(key, raw, "--digest-algo", "SHA1", "--allow-weak-digest-algos")
        for payload in (raw, raw.replace(b"root", b"other")):
            world.update("refs/heads/main", world.write("commit", signed_commit(payload, weak)))
            expected = [("algorithm-forbidden", "warning"), ("identity-mismatch", "error")]
            assert judged(world, tmp_path, 'openpgp = "bob.asc"', "algorithm-forbidden") == ("fail", expected)
