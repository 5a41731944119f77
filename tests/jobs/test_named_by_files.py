"""Whom `[commits] allowed-signers` and `x509-roots` can speak for: real keys and certificates, and whose roles they have.

A key that is given to whoever a pattern matches is none of the people of `[[signers]]`.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from tests.jobs import verdicts
from tests.jobs.verdicts import MAIN, Sign
from tests.world.repository import ALICE, BOB, Person, Repository
from tests.world.ssh import SshKey
from tests.world.x509 import Identity, forge, mint

pytestmark = [pytest.mark.tool("git"), pytest.mark.tool("ssh-keygen")]

NEW = Person("New", "new@example.org")
PEOPLE = """\
version = 1
[commits]
%s
[[signers]]
name = "Alice Example"
emails = ["alice@example.org", "alice@work.example"]
roles = ["maintainer"]
[[signers]]
name = "Bob Example"
emails = ["bob@example.org"]
[[refs]]
match = "refs/heads/main"
signers = "role:maintainer"
"""


class Keys(NamedTuple):
    """Plain keys of two people, an SSH authority, and an X.509 root."""

    a: SshKey
    b: SshKey
    authority: SshKey
    root: Identity

    def text(self, lines: tuple[str, ...]) -> str:
        """A file of lines in which A, B and CA stand for the keys."""
        keys = {name: " ".join(key.public.split()[:2]) for name, key in (("A", self.a), ("B", self.b), ("CA", self.authority))}
        return "".join(" ".join(keys.get(word, word) for word in line.split(" ")) + "\n" for line in lines)

    def signer(self, by: str) -> Sign:
        """Who signs: `A`, `B`, `cert NAME,...` for a certificate on A, `x509 ADDRESS ...` for one below the root."""
        kind, *names = by.split(" ")
        if kind == "x509":
            identity = mint("Somebody", self.root, emails=names)
            return lambda payload: forge(identity, payload)
        return (self.authority.certify(self.a, names[0]) if names else {"A": self.a, "B": self.b}[kind]).sign


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    directory = tmp_path_factory.mktemp("keys")
    return Keys(*(SshKey.create(directory, name) for name in ("a", "b", "authority")), mint("Root", authority=True))


class Case(NamedTuple):
    """`lines` of the file, who signs, as which committer; whom the commit is by (empty: refused) and the rule, and the rule that
    the push to a branch of maintainers meets."""

    lines: tuple[str, ...]
    by: str
    committer: Person
    signer: str
    rule: str
    landing: str
    more: str = ""


GOOD, MISMATCH, UNKNOWN, NOT_ALLOWED = "verified", "identity-mismatch", "signer-unknown", "signer-not-allowed"
CA = ("*@example.org cert-authority CA",)
CASES = {
    "named": Case(("alice@example.org A",), "A", ALICE, "Alice Example", GOOD, GOOD),
    "named, by either address": Case(
        ("alice@example.org A",), "A", ALICE._replace(email="alice@work.example"), "Alice Example", GOOD, GOOD,
    ),
    "named, without the role": Case(("bob@example.org A",), "A", BOB, "Bob Example", GOOD, NOT_ALLOWED),
    "a domain, as one of its listed people": Case(("*@example.org B",), "B", ALICE, "*@example.org", MISMATCH, MISMATCH),
    "everybody, as a listed person": Case(("* B",), "B", ALICE, "*", MISMATCH, MISMATCH),
    "one letter open": Case(("alic?@example.org B",), "B", ALICE, "alic?@example.org", MISMATCH, MISMATCH),
    "a domain for git alone": Case(('*@example.org namespaces="git" B',), "B", ALICE, "*@example.org", MISMATCH, MISMATCH),
    "a domain, as somebody unlisted": Case(("*@example.org B",), "B", NEW, "new@example.org", GOOD, NOT_ALLOWED),
    "a domain, identity off": Case(
        ("*@example.org B",), "B", ALICE, "*@example.org", GOOD, NOT_ALLOWED, 'identity = "off"',
    ),
    "a domain, as its author": Case(
        ("*@example.org B",), "B", ALICE, "*@example.org", MISMATCH, MISMATCH, 'identity = "author-email"',
    ),
    "a person and a domain": Case(("alice@example.org,*@example.org A",), "A", BOB, "Alice Example", MISMATCH, MISMATCH),
    "a person and a domain, as the person": Case(("alice@example.org A", "* A"), "A", ALICE, "Alice Example", GOOD, GOOD),
    "a person and a domain, as nobody": Case(("bob@example.org A", "* A"), "A", NEW, "Bob Example", MISMATCH, MISMATCH),
    "two people": Case(("alice@example.org,bob@example.org A",), "A", ALICE, "", UNKNOWN, UNKNOWN),
    "two people on two lines": Case(("alice@example.org A", "bob@example.org A"), "A", ALICE, "", UNKNOWN, UNKNOWN),
    "two people, one for other uses": Case(
        ('bob@example.org namespaces="file" A', "alice@example.org A"), "A", ALICE, "Alice Example", GOOD, GOOD,
    ),
    "two people, one after the other": Case(
        ('bob@example.org valid-before="20200101Z" A', "alice@example.org A"), "A", ALICE, "Alice Example", GOOD, GOOD,
    ),
    "certified": Case(CA, "cert alice@example.org", ALICE, "Alice Example", GOOD, GOOD),
    "certified by everybody's authority": Case(
        ('* namespaces="git",cert-authority CA',), "cert alice@example.org", ALICE, "Alice Example", GOOD, GOOD,
    ),
    "certified as somebody else": Case(CA, "cert bob@example.org", ALICE, "Bob Example", MISMATCH, MISMATCH),
    "certified, unlisted": Case(CA, "cert new@example.org", NEW, "new@example.org", GOOD, NOT_ALLOWED),
    "certified for two people": Case(CA, "cert alice@example.org,bob@example.org", ALICE, "", UNKNOWN, UNKNOWN),
    "certified for a person and a name": Case(CA, "cert root,bob@example.org,new@example.org", NEW, "Bob Example", MISMATCH,
                                             MISMATCH),
    "X.509": Case((), "x509 alice@example.org", ALICE, "Alice Example", GOOD, GOOD),
    "X.509, two addresses of one": Case((), "x509 alice@work.example alice@example.org", ALICE, "Alice Example", GOOD, GOOD),
    "X.509 as somebody else": Case((), "x509 new@example.org", ALICE, "new@example.org", MISMATCH, MISMATCH),
    "X.509, by its unlisted address": Case((), "x509 bob@example.org new@example.org", NEW, "Bob Example", MISMATCH, MISMATCH),
    "X.509 for two people": Case((), "x509 bob@example.org alice@example.org", ALICE, "", UNKNOWN, UNKNOWN),
    "X.509 for a domain": Case((), "x509 *@example.org", ALICE, "", MISMATCH, MISMATCH),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_whom_files_and_authorities_speak_for(tmp_path: Path, keys: Keys, name: str) -> None:
    case = CASES[name]
    commits = [case.more, 'allowed-signers = "allowed"' if case.lines else 'x509-roots = "root.pem"']
    (tmp_path / "allowed").write_text(keys.text(case.lines))
    (tmp_path / "root.pem").write_bytes(keys.root.pem)
    policy = tmp_path / "policy.toml"
    policy.write_text(PEOPLE % "\n".join(commits))
    world = Repository.create(tmp_path / "r", bare=True)
    world.commit("JIRA-1: root", {"a": "1"}, ref=MAIN)
    oid = verdicts.signed(world, keys.signer(case.by), case.committer)

    told = verdicts.commit(world, policy, oid)
    assert [rule for rule, _ in told.rules] == [case.rule]
    assert told.verdict == ("pass" if case.rule == GOOD else "fail")
    assert told.signers in ([case.signer], [None])
    told = verdicts.landing(world, policy, oid)
    assert [rule for rule, _ in told.rules] == [case.landing]
    assert told.verdict == ("pass" if case.landing == GOOD else "fail")


def test_the_times_of_a_person_are_not_left_behind(tmp_path: Path, keys: Keys) -> None:
    """Whoever has Alice's key, or a certificate as Alice, names an address that is nobody's: her times would not hold there."""
    policy = tmp_path / "policy.toml"
    (tmp_path / "allowed").write_text(keys.text(("alice@example.org,new@example.org A", *CA)))
    (tmp_path / "root.pem").write_bytes(keys.root.pem)
    text = PEOPLE % 'allowed-signers = "allowed"\nx509-roots = "root.pem"\nidentity = "off"'
    policy.write_text(text.replace("roles =", "compromised-at = 2020-01-01\nvalid-before = 2020-01-01\nroles ="))
    world = Repository.create(tmp_path / "r", bare=True)
    world.commit("JIRA-1: root", {"a": "1"}, ref=MAIN)
    for by in ("A", "cert new@example.org,alice@example.org", "x509 new@example.org alice@example.org"):
        for committer in (ALICE, NEW, BOB):
            told = verdicts.commit(world, policy, verdicts.signed(world, keys.signer(by), committer))
            assert [rule for rule, _ in told.rules] == ["signer-revoked", "signer-expired"]
            assert told.signers == ["Alice Example"] * 2
