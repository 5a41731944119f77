"""Ref updates under stanzas of `[[refs]]`: which rule, and that the strictest stanza wins."""

from __future__ import annotations

import pytest

from chainverify.formats.push import RefUpdate
from chainverify.model.report import Subject
from chainverify.policy.model import Policy, RefPolicy, Signer
from chainverify.rules import refs
from chainverify.rules.refs import RefChange

A, B = "a" * 40, "b" * 40
PEOPLE = (Signer("Alice", roles=("owner",)), Signer("Bob", roles=("developer",)))
MAIN = RefPolicy(("refs/heads/main",), signers=("role:owner",), rewind_signers=("role:owner",))
WIDE = RefPolicy(("refs/heads/*",), allow_rewind=True, allow_delete=True)
TAGS = RefPolicy(("refs/tags/latest",), allow_rewind=True)


def policy(*stanzas: RefPolicy, tags: str = "off") -> Policy:
    return Policy("p", "d", signers=PEOPLE, refs=stanzas, tags=tags)  # type: ignore[arg-type]


def change(ref: str, old: str | None = A, new: str | None = B, *, rewinds: bool = False, signer: str | None = None,
           fresh: bool = False) -> RefChange:
    return RefChange(RefUpdate(ref, old, new), rewinds, signer, fresh)


HEAD = "refs/heads/main"
CASES = [
    ("update", change(HEAD), policy(MAIN), "verified"),
    ("create", change(HEAD, None), policy(MAIN), "verified"),
    ("rewind", change(HEAD, rewinds=True), policy(MAIN), "ref-rewind"),
    ("delete", change(HEAD, new=None), policy(MAIN), "ref-delete"),
    ("delete what is not there", change(HEAD, None, None), policy(MAIN), "ref-delete"),
    ("rewind that no stanza matches", change("refs/heads/x", rewinds=True), policy(MAIN), "verified"),
    ("delete that no stanza matches", change("refs/heads/x", new=None), policy(MAIN), "verified"),
    ("allowed rewind", change("refs/heads/x", rewinds=True), policy(WIDE), "verified"),
    ("allowed delete", change("refs/heads/x", new=None), policy(WIDE), "verified"),
    ("strictest wins, rewind", change(HEAD, rewinds=True), policy(WIDE, MAIN), "ref-rewind"),
    ("strictest wins, delete", change(HEAD, new=None), policy(MAIN, WIDE), "ref-delete"),
    ("rewind by a new commit of an owner", change(HEAD, rewinds=True, signer="Alice", fresh=True), policy(MAIN), "verified"),
    ("rewind to an old commit of an owner", change(HEAD, rewinds=True, signer="Alice"), policy(MAIN), "ref-rewind"),
    ("rewind by another", change(HEAD, rewinds=True, signer="Bob", fresh=True), policy(MAIN), "ref-rewind"),
    ("rewind by nobody proved", change(HEAD, rewinds=True, fresh=True), policy(MAIN), "ref-rewind"),
    ("moved tag", change("refs/tags/v1"), policy(tags="signed"), "tag-moved"),
    ("moved tag, rewinding", change("refs/tags/v1", rewinds=True), policy(tags="signed"), "tag-moved"),
    ("new tag", change("refs/tags/v1", None), policy(tags="signed"), "verified"),
    ("deleted tag", change("refs/tags/v1", new=None), policy(tags="signed"), "verified"),
    ("moved tag that may move", change("refs/tags/latest", rewinds=True), policy(TAGS, tags="signed"), "verified"),
    ("moved tag where tags ask nothing", change("refs/tags/v1"), policy(), "verified"),
    ("unchanged tag", change("refs/tags/v1", A, A), policy(tags="signed"), "verified"),
    ("replacement", change("refs/replace/" + A, None), policy(WIDE), "ref-rewind"),
    ("replacement, other case", change("refs/Replace/" + A, None), policy(), "ref-rewind"),
    ("replacement a stanza allows", change("refs/replace/x"), policy(RefPolicy(("refs/**",), allow_rewind=True)), "ref-rewind"),
    ("replacement removed", change("refs/replace/x", new=None), policy(), "verified"),
    ("only like a replacement", change("refs/replaced/x", None), policy(), "verified"),
]


@pytest.mark.parametrize(("made", "rules", "rule"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_changes(made: RefChange, rules: Policy, rule: str) -> None:
    [found] = refs.judge(made, rules)
    assert found.rule == rule
    assert found.status == ("pass" if rule == "verified" else "fail")
    assert found.subject == Subject("ref", made.update.ref, made.update.ref)
    assert found.hint or rule == "verified"


def test_who_may_sign() -> None:
    subject = Subject("commit", A)
    assert refs.signers(HEAD, policy()) is None
    assert refs.signers(HEAD, policy(MAIN)) == {"Alice"}
    assert refs.signers(HEAD, policy(MAIN, RefPolicy(("refs/**",), signers=("Bob",)))) == frozenset()
    assert refs.signers(HEAD, policy(RefPolicy(("refs/**",), signers=("role:nobody",)))) == frozenset()
    assert refs.refused_signer(subject, "Bob", HEAD, None) is None
    assert refs.refused_signer(subject, "Alice", HEAD, frozenset({"Alice"})) is None
    found = refs.refused_signer(subject, "Bob", HEAD, frozenset({"Alice"}))
    assert found is not None
    assert (found.rule, found.status, found.evidence["signer"]) == ("signer-not-allowed", "fail", "Bob")
    assert refs.refused_signer(subject, "Bob", HEAD, frozenset()) is not None
