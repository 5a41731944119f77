"""Identities in Fulcio certificates, and what a policy says of them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from cryptography import x509

from chainverify.errors import Malformed, PolicyError
from chainverify.model.signing import GitsignMaterial
from chainverify.transparency import certificates, identities
from chainverify.transparency.identities import Identity
from tests.world.sigstore import ALICE, ISSUER, Leaf, Sigstore, tlv

WORKFLOW = "https://github.com/example/repo/.github/workflows/release.yml@refs/heads/main"
USERNAME = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.7")


def text(value: str) -> bytes:
    return tlv(0x0C, value.encode())


def read(leaf: Leaf) -> Identity:
    return identities.read(certificates.decode(leaf.der))


def test_an_address_is_read(sigstore: Sigstore) -> None:
    assert read(sigstore.leaf()) == Identity(ALICE, True, ISSUER, ())


def test_a_workflow_is_read_with_its_claims(sigstore: Sigstore) -> None:
    leaf = sigstore.leaf(
        WORKFLOW, issuer_v1=ISSUER,
        claims={"2": b"push", "5": b"example/repo", "12": text("https://github.com/example/repo"), "21": text("run")},
    )  # fmt: skip
    assert read(leaf) == Identity(WORKFLOW, False, ISSUER, (
        ("github-workflow-trigger", "push"), ("github-workflow-repository", "example/repo"),
        ("source-repository-uri", "https://github.com/example/repo"), ("run-invocation-uri", "run"),
    ))  # fmt: skip


def test_a_user_name_is_read(sigstore: Sigstore) -> None:
    leaf = sigstore.leaf(names=[x509.OtherName(USERNAME, text("alice!example.org"))])
    assert read(leaf) == Identity("alice!example.org", False, ISSUER, ())


def test_the_issuer_may_stand_in_the_old_extension_alone(sigstore: Sigstore) -> None:
    leaf = sigstore.leaf(issuer=None, issuer_v1="https://old.example.org")
    assert read(leaf).issuer == "https://old.example.org"


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ([], "0 subject alternative names"),
        ([x509.RFC822Name(ALICE), x509.RFC822Name("bob@example.org")], "2 subject alternative names"),
        ([x509.RFC822Name(ALICE), x509.DNSName("example.org")], "2 subject alternative names"),
        ([x509.DNSName("example.org")], "no address, URI or user name"),
        ([x509.OtherName(x509.ObjectIdentifier("1.2.3.4"), text("alice"))], "no address, URI or user name"),
        ([x509.OtherName(USERNAME, tlv(0x13, b"alice"))], "holds the tag 0x13"),
        ([x509.RFC822Name("a\x1b[2J@example.org")], "control characters"),
        ([x509.UniformResourceIdentifier("https://example.org/\n")], "control characters"),
        ([x509.OtherName(USERNAME, text("a\u009b"))], "control characters"),
        ([x509.OtherName(USERNAME, tlv(0x0C, b"\xff"))], "not UTF-8"),
        ([x509.OtherName(USERNAME, text(""))], "0 bytes"),
        ([x509.OtherName(USERNAME, text("a" * 5000))], "5000 bytes"),
    ],
)
def test_any_other_name_is_refused(sigstore: Sigstore, names: Sequence[x509.GeneralName], reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        read(sigstore.leaf(names=names))


def test_two_issuers_are_refused(sigstore: Sigstore) -> None:
    with pytest.raises(Malformed, match="two OpenID issuers"):
        read(sigstore.leaf(issuer_v1="https://evil.example.org"))


def test_no_issuer_is_refused(sigstore: Sigstore) -> None:
    with pytest.raises(Malformed, match="no OpenID issuer"):
        read(sigstore.leaf(issuer=None))


@pytest.mark.parametrize("value", [b"https://accounts.example.org", tlv(0x0C, b"x") + b"\0", b"", tlv(0x16, b"x")])
def test_a_damaged_claim_is_refused(sigstore: Sigstore, value: bytes) -> None:
    with pytest.raises(Malformed):
        read(sigstore.leaf(claims={"12": value}))


def rule(
    identity: str, issuer: str = ISSUER, *, regex: bool = False, issuer_regex: bool = False, claims: dict[str, str] | None = None
) -> identities.Rule:
    return identities.rule(
        GitsignMaterial("alice", identity, issuer, regex, issuer_regex, tuple((claims or {}).items()), "signers[0].gitsign[0]")
    )


def holds(found: identities.Rule, name: str, issuer: str = ISSUER, claims: tuple[tuple[str, str], ...] = ()) -> bool:
    return found.holds(Identity(name, False, issuer, claims))


def test_text_is_compared_whole_and_exactly() -> None:
    found = rule(ALICE)
    assert holds(found, ALICE)
    for name in (f"{ALICE}.evil.example", f"x{ALICE}", "Alice@example.org", "alice@exampleXorg", ""):
        assert not holds(found, name)
    for issuer in (f"{ISSUER}/", f"{ISSUER}.evil.example", "https://evil.example.org", ISSUER.upper()):
        assert not holds(found, ALICE, issuer)


def test_a_glob_stays_inside_of_a_part() -> None:
    found = rule("https://github.com/example/*/.github/workflows/release.yml@refs/heads/main")
    assert holds(found, WORKFLOW)
    assert not holds(found, WORKFLOW.replace("example/repo", "example/a/b"))
    assert not holds(found, f"{WORKFLOW}/x")


def test_a_pattern_matches_the_whole_value() -> None:
    """Unanchored patterns are what cosign and others got wrong (T50)."""
    found = rule("https://github\\.com/example/.*", regex=True)
    assert holds(found, WORKFLOW)
    assert not holds(found, f"https://evil.example.org/?{WORKFLOW}")
    found = rule("alice|bob", r"https://accounts\.example\.org|x", regex=True, issuer_regex=True)
    assert [holds(found, name) for name in ("alice", "bob", "malice", "bobby", "alice\n")] == [True, True, False, False, False]
    assert not holds(found, "alice", f"{ISSUER}.evil.example")


def test_every_claim_must_be_there_and_match() -> None:
    found = rule("*@example.org", claims={"source-repository": "https://github.com/example/*", "build-trigger": "push"})
    repository = ("source-repository-uri", "https://github.com/example/repo")
    push = ("build-trigger", "push")
    assert holds(found, ALICE, claims=(repository, push))
    for claims in ((), (repository,), (push,), (repository, ("build-trigger", "pull_request"))):
        assert not holds(found, ALICE, claims=claims)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: rule(ALICE, claims={"repository": "x"}), "no claim of a Fulcio certificate is named 'repository'"),
        (lambda: rule("a(", regex=True), "pattern"),
        (lambda: rule("a)|(?:.*", regex=True), "unmatched"),
        (lambda: rule(ALICE, "x)|(?:.*", issuer_regex=True), "unmatched"),
    ],
)
def test_an_entry_that_cannot_be_meant_is_refused_with_its_place(make: object, reason: str) -> None:
    with pytest.raises(PolicyError, match=reason) as caught:
        make()  # type: ignore[operator]
    assert caught.value.key.startswith("signers[0].gitsign[0]")
