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
from tests.world import openpgp as forged
from tests.world.gpg import GpgHome
from tests.world.repository import ALICE, BOB, START, GpgKey, signed_commit
from tests.world.repository import Repository as World
from tests.world.ssh import SshKey, load
from tests.world.x509 import crl, forge, mint

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


class Twice(NamedTuple):
    """A signature by Bob that does not count for two reasons: what signs, how the policy names the key, and the two rules in the
    order in which they are found."""

    sign: Callable[[bytes], bytes]
    keys: str
    rules: tuple[str, str]
    commits: str = ""


def untouched_and_revoked(directory: Path) -> Twice:
    """Whoever stole a security key chooses whether it is touched."""
    key = SecurityKey("sk-ssh-ed25519@openssh.com", Ed25519PrivateKey.generate())
    (directory / "revoked").write_bytes(key.line + b"\n")
    rules = ("signer-not-allowed", "signer-revoked")
    return Twice(lambda raw: key.sign(flags=0, over=raw), f'ssh = "{key.line.decode()}"', rules, 'ssh-revoked = "revoked"')


def untouched_and_expired(directory: Path) -> Twice:
    key = SecurityKey("sk-ssh-ed25519@openssh.com", Ed25519PrivateKey.generate())
    (directory / "bob.allowed").write_bytes(b'bob@example.org valid-before="20200101Z" ' + key.line + b"\n")
    rules = ("signer-not-allowed", "signer-expired")
    return Twice(lambda raw: key.sign(flags=0, over=raw), 'allowed-signers = "bob.allowed"', rules)


def ssh_revoked_and_expired(directory: Path) -> Twice:
    key = SshKey.create(directory, "bob")
    (directory / "bob.allowed").write_text(key.allowed("bob@example.org", 'valid-before="20200101Z"'))
    (directory / "revoked").write_text(key.public + "\n")
    return Twice(key.sign, 'allowed-signers = "bob.allowed"', ("signer-revoked", "signer-expired"), 'ssh-revoked = "revoked"')


def ssh_revoked_and_of_another_namespace(directory: Path) -> Twice:
    key = SshKey.create(directory, "bob")
    (directory / "bob.allowed").write_text(key.allowed("bob@example.org", 'namespaces="file"'))
    (directory / "revoked").write_text(key.public + "\n")
    commits = 'ssh-revoked = "revoked"\nallowed-signers = "bob.allowed"'
    return Twice(key.sign, "", ("signer-revoked", "signer-unknown"), commits)


def certificate(directory: Path, *options: str) -> SshKey:
    """A certificate of Bob's by an authority of the policy."""
    authority, key = SshKey.create(directory, "ca"), SshKey.create(directory, "bob")
    (directory / "ca.allowed").write_text(authority.allowed("*@example.org", "cert-authority"))
    (directory / "revoked").write_text(key.public + "\n")
    return authority.certify(key, "bob@example.org", *options)


def certificate_limited_and_expired(directory: Path) -> Twice:
    key = certificate(directory, "-O", "force-command=x", "-V", "20100101:20110101")
    return Twice(key.sign, "", ("signer-not-allowed", "signer-expired"), 'allowed-signers = "ca.allowed"')


def certificate_revoked_and_for_a_host(directory: Path) -> Twice:
    key = certificate(directory, "-h")
    commits = 'allowed-signers = "ca.allowed"\nssh-revoked = "revoked"'
    return Twice(key.sign, "", ("signer-revoked", "signer-not-allowed"), commits)


BOB_ID = b"Bob Example <bob@example.org>"
A_DAY = 86_400


def openpgp(
    directory: Path, rules: tuple[str, str], *said: bytes, primary: str = "ed25519", direct: tuple[int, ...] = (),
    hashed: tuple[bytes, ...] = (),
) -> Twice:  # fmt: skip
    """A signature by a forged certificate: its user id says `said`, `direct` are reasons for which it is revoked, `hashed`
    further subpackets of the signature."""
    key = forged.ForgedKey.create(primary)
    signing = key
    subkeys = []
    if primary != "ed25519":
        signing = forged.ForgedKey.create()
        subkeys = [forged.Bound(signing, [forged.binding(key, signing)])]
    revocations = [
        key.sign(0x20, key.prefix, hashed=[forged.created(START - A_DAY), forged.issuer(key), forged.reason(code)])
        for code in direct
    ]
    users = [(BOB_ID, [forged.self_signature(key, BOB_ID, *said)])]
    (directory / "bob.gpg").write_bytes(forged.certificate(key, users, subkeys, revocations))

    def sign(raw: bytes) -> bytes:
        body = signing.sign(0x00, raw, hashed=[forged.created(START), forged.issuer(signing), *hashed])
        return forged.armor(forged.packet(2, body))

    return Twice(sign, 'openpgp = "bob.gpg"', rules)


def openpgp_retired_and_expired(directory: Path) -> Twice:
    rules = ("signer-revoked", "signer-expired")
    return openpgp(directory, rules, forged.flags(3), forged.expires(A_DAY), direct=(3,))


def openpgp_not_for_signing_and_expired(directory: Path) -> Twice:
    return openpgp(directory, ("signer-not-allowed", "signer-expired"), forged.flags(1), forged.expires(A_DAY))


def openpgp_expired_and_by_another_user_id(directory: Path) -> Twice:
    said = forged.subpacket(28, b"Alice Example <alice@example.org>")
    return openpgp(
        directory, ("signer-expired", "identity-mismatch"), forged.flags(3), forged.expires(A_DAY), hashed=(said,)
    )


def openpgp_stolen_and_the_signature_expired(directory: Path) -> Twice:
    over = forged.subpacket(3, (60).to_bytes(4, "big"))
    return openpgp(directory, ("signer-revoked", "signer-expired"), direct=(2,), hashed=(over,))


def openpgp_weak_primary_and_stolen(directory: Path) -> Twice:
    return openpgp(directory, ("algorithm-forbidden", "signer-revoked"), primary="dsa2048", direct=(2,))


def x509_revoked_and_expired(directory: Path, *, pinned: bool = True) -> Twice:
    root = mint("Root", authority=True)
    bob = mint("Bob", root, emails=["bob@example.org"], until=START - 1000)
    (directory / "root.pem").write_bytes(root.pem)
    (directory / "bob.pem").write_bytes(bob.pem)
    (directory / "root.crl").write_bytes(crl(root, (bob, START - 2000, None)))
    return Twice(
        lambda raw: forge(bob, raw), 'x509 = "bob.pem"' if pinned else "", ("signer-revoked", "signer-expired"),
        'x509-roots = "root.pem"\ncrls = "root.crl"',
    )


def x509_below_a_root_revoked_and_expired(directory: Path) -> Twice:
    return x509_revoked_and_expired(directory, pinned=False)


@pytest.mark.parametrize(
    "make",
    [
        untouched_and_revoked, untouched_and_expired, ssh_revoked_and_expired, ssh_revoked_and_of_another_namespace,
        certificate_limited_and_expired, certificate_revoked_and_for_a_host, openpgp_retired_and_expired,
        openpgp_not_for_signing_and_expired, openpgp_expired_and_by_another_user_id, openpgp_stolen_and_the_signature_expired,
        openpgp_weak_primary_and_stolen, x509_revoked_and_expired, x509_below_a_root_revoked_and_expired,
    ],
)
@pytest.mark.parametrize("tags", [False, True])
def test_one_reason_does_not_hide_another(tmp_path: Path, make: Callable[[Path], Twice], tags: bool) -> None:
    """A verifier stops at the first reason that it finds. Where the policy only advises that one, the next one counts: else
    whoever has a key that is revoked would sign so that something harmless is wrong with the signature too."""
    made = make(tmp_path)
    world = World.create(tmp_path / "r")
    raw = world.read(world.commit("JIRA-1: root", {"a": "1"}, author=BOB))
    world.update("refs/heads/main", world.write("commit", signed_commit(raw, made.sign(raw))))
    tag = world.read(world.tag("v1", tagger=BOB))
    world.update("refs/tags/v1", world.write("tag", tag + made.sign(tag) + b"\n"))
    for advised, other in zip(made.rules, reversed(made.rules), strict=True):
        outcome, findings = judged(world, tmp_path, made.keys, advised, commits=made.commits, tags=tags)
        assert outcome == "fail"
        assert (other, "error") in findings
    both = f'{made.rules[0]} = "advise"\n{made.rules[1]}'
    outcome, findings = judged(world, tmp_path, made.keys, both, commits=made.commits, tags=tags)
    # a certificate for a host names nobody, whatever is advised
    if made.rules[1] not in ("identity-mismatch", "signer-unknown") and make is not certificate_revoked_and_for_a_host:
        assert (outcome, findings) == ("pass", [(made.rules[0], "warning"), (made.rules[1], "warning")])


@pytest.mark.parametrize("advised", ["identity-mismatch", 'identity-mismatch = "advise"\nsigner-unknown'])
def test_whose_a_weak_signature_is_stays_unknown_where_identities_are_advised_too(tmp_path: Path, advised: str) -> None:
    with GpgHome.create() as gpg:
        key = gpg.key("Bob Example <bob@example.org>", kind="rsa2048")
        (tmp_path / "bob.asc").write_bytes(gpg.export(key))
        world = World.create(tmp_path / "r", bare=True)
        raw = world.read(world.commit("JIRA-1: root", {"a": "1"}, author=BOB))
        weak = gpg.sign(key, raw, "--digest-algo", "SHA1", "--allow-weak-digest-algos")
    world.update("refs/heads/main", world.write("commit", signed_commit(raw.replace(b"root", b"evil"), weak)))
    outcome, findings = judged(world, tmp_path, 'openpgp = "bob.asc"', f'algorithm-forbidden = "advise"\n{advised}')
    assert outcome == "fail"
    assert findings[1] == ("signature-bad" if "unknown" in advised else "signer-unknown", "error")


GARBAGE = b"-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----"


@pytest.mark.parametrize("tags", [False, True])
@pytest.mark.parametrize(
    ("rule", "spoil", "commits"),
    [
        ("commit-malformed", lambda raw, _: raw.replace(b"> 1", b"> one"), ""),
        ("signature-ambiguous", lambda raw, tag: _signed(raw, GARBAGE + b"\n" + GARBAGE, tag), ""),
        ("signature-format-not-allowed", lambda raw, tag: _signed(raw, GARBAGE, tag), 'formats = ["openpgp"]'),
    ],
)
def test_what_is_not_read_proves_nobody(
    tmp_path: Path, rule: str, spoil: Callable[[bytes, bool], bytes], commits: str, tags: bool
) -> None:
    """Advice about the form of objects must not be a way around signing them, where that is asked."""
    key = SshKey.create(tmp_path, "bob")
    world = World.create(tmp_path / "r", bare=True)
    raw = world.read(world.commit("JIRA-1: root", {"a": "1"}, author=BOB))
    world.update("refs/heads/main", world.write("commit", spoil(raw, False)))
    raw = world.read(world.tag("v1", world.git("hash-object", "-t", "tree", "/dev/null"), tagger=BOB))
    world.update("refs/tags/v1", world.write("tag", spoil(raw, True)))
    keys = f'ssh = "{key.public}"'
    found = judged(world, tmp_path, keys, rule, commits=commits, tags=tags)
    assert found == ("fail", [(rule, "warning"), ("identity-mismatch", "error")])
    # whoever only advises signatures has given that up, of tags or of commits
    kinds = ("commit-unsigned", "tag-unsigned")
    other, unsigned = kinds if tags else kinds[::-1]
    assert judged(world, tmp_path, keys, f'{other} = "advise"\n{rule}', commits=commits, tags=tags) == found
    both = f'{unsigned} = "advise"\n{rule}'
    assert judged(world, tmp_path, keys, both, commits=commits, tags=tags) == ("pass", [(rule, "warning")])


def _signed(raw: bytes, signature: bytes, tag: bool) -> bytes:
    return raw + signature + b"\n" if tag else signed_commit(raw, signature)
