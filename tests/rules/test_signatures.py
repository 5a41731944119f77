"""What the policy says of a proved signature: times, identities, exceptions, tags; each refusal by its rule."""

from __future__ import annotations

import pytest

from chainverify.errors import (
    BackendCrashed,
    BudgetExceeded,
    ChainverifyError,
    Malformed,
    ObjectMissing,
    SignatureError,
    Unavailable,
)
from chainverify.model.gitobject import Commit, Ident, Tag
from chainverify.model.report import Finding, Subject
from chainverify.model.signing import Clock, Evidence
from chainverify.policy.model import CommitsPolicy, Policy, Signer
from chainverify.rules import signatures

OID = "a" * 40
ALICE = Signer("Alice Example", ("alice@example.org", "Alice@Work.example"))
T = 1_000_000


def commit(committer: bytes = b"alice@example.org", author: bytes = b"bob@example.org") -> Commit:
    return Commit(OID, OID, (), Ident(b"B", author, T, b"+0000"), Ident(b"A", committer, T, b"+0000"), None,
                  b"JIRA-1: why\n\nmore\n", b"", b"sig", ("unknown-header:x",))


def evidence(**changes: object) -> Evidence:
    base = Evidence("openpgp", "F" * 40, "E" * 40, "Alice Example", T, "signature", "ed25519", "GOOD", ("left16-mismatch",),
                    ("ALICE@example.org",))
    return base._replace(**changes)  # type: ignore[arg-type]


def judged(
    signer: Signer = ALICE,
    *,
    made: Commit | None = None,
    proof: Evidence | None = None,
    clock: Clock | None = None,
    **commits: object,
) -> list[tuple[str, str, object]]:
    rules = signatures.prepare(Policy("p", "d", CommitsPolicy(**commits), signers=(signer,)))  # type: ignore[arg-type]
    found = signatures.judge_commit(made or commit(), proof or evidence(), clock or Clock(T, T + 10), rules)
    return [(one.rule, one.status, one.evidence.get("code")) for one in found]


GOOD = [("verified", "pass", "GOOD")]


def test_a_good_commit_has_the_evidence_of_the_contract() -> None:
    rules = signatures.prepare(Policy("p", "d", CommitsPolicy(), signers=(ALICE,)))
    [found] = signatures.judge_commit(commit(), evidence(), Clock(T, T), rules)
    assert (found.rule, found.status, found.message) == ("verified", "pass", "good OpenPGP signature by Alice Example")
    assert found.subject == Subject("commit", OID, "JIRA-1: why")
    assert found.evidence == {
        "format": "openpgp", "fingerprint": "F" * 40, "signer": "Alice Example", "signed_at": "1970-01-12T13:46:40Z",
        "time_source": "signature", "level": None, "code": "GOOD", "notes": ["unknown-header:x", "left16-mismatch"],
    }


def test_a_signer_the_policy_does_not_have() -> None:
    assert judged(proof=evidence(signer="Mallory")) == [("signer-unknown", "fail", "GOOD")]


BAD_IDENTITY = [("identity-mismatch", "fail", "GOOD")]


@pytest.mark.parametrize(
    ("email", "good"),
    [
        (b"alice@example.org", True), (b"ALICE@EXAMPLE.ORG", True), (b"alice@work.example", True), (b"bob@example.org", False),
        (b"", False), (b" alice@example.org", False), (b"alice@example.org ", False), (b"alice@example.org\xff", False),
        ("\u212alice@example.org".encode(), False), (b"xalice@example.org", False), (b"alice@example.org.evil", False),
    ],
)
def test_the_committer_must_be_the_signer(email: bytes, good: bool) -> None:
    assert judged(made=commit(email)) == (GOOD if good else BAD_IDENTITY)
    assert judged(made=commit(email), identity=("off",)) == GOOD


def test_only_ascii_letters_fold() -> None:
    kelvin = Signer("Alice Example", ("kate@example.org", "ä@example.org"))
    assert judged(kelvin, made=commit("\u212aate@example.org".encode())) == BAD_IDENTITY
    assert judged(kelvin, made=commit("Ä@example.org".encode())) == BAD_IDENTITY
    assert judged(kelvin, made=commit("ä@EXAMPLE.org".encode())) == GOOD
    assert judged(kelvin, made=commit("ä@example.org".encode("latin-1"))) == BAD_IDENTITY


def test_other_identity_rules() -> None:
    assert judged(identity=("author-email",)) == BAD_IDENTITY
    assert judged(made=commit(author=b"alice@example.org"), identity=("author-email",)) == GOOD
    assert judged(identity=("committer-email", "author-email")) == BAD_IDENTITY
    assert judged(made=commit(b"x", b"y"), identity=("committer-email", "author-email")) == BAD_IDENTITY * 2
    assert judged(made=commit(b"x"), identity=("principal",)) == GOOD
    assert judged(proof=evidence(emails=("x@y",)), identity=("principal",)) == BAD_IDENTITY
    assert judged(proof=evidence(emails=()), identity=("principal",)) == BAD_IDENTITY
    assert judged(proof=evidence(format="ssh", emails=()), identity=("principal",)) == GOOD


EXPIRED = [("signer-expired", "fail", "EXPIRED_AT_T")]


@pytest.mark.parametrize(
    ("after", "before", "at", "arrival", "found"),
    [
        (T, T, T, None, GOOD), (T + 1, None, T, None, EXPIRED), (None, T - 1, T, None, EXPIRED), (None, T, T, T, GOOD),
        (None, T, T, T + 1, EXPIRED), (None, T + 1, T, T + 1, GOOD), (T, None, T - 1, T + 5, EXPIRED),
    ],
)
def test_the_signers_window(
    after: int | None, before: int | None, at: int, arrival: int | None, found: list[tuple[str, str, object]]
) -> None:
    """A backdated claim does not help on a server: the arrival refutes it."""
    signer = ALICE._replace(valid_after=after, valid_before=before)
    assert judged(signer, proof=evidence(signed_at=at), clock=Clock(T, T + 10, arrival)) == found


REVOKED = [("signer-revoked", "fail", "REVOKED_HARD")]


@pytest.mark.parametrize(
    ("source", "arrival", "found"),
    [("signature", None, REVOKED), ("committer", None, REVOKED), ("now", None, REVOKED), ("arrival", T + 99, GOOD),
     ("signature", T + 99, GOOD), ("arrival", T + 100, REVOKED), ("signature", T + 101, REVOKED)],
)
def test_only_arrival_survives_a_compromise(source: str, arrival: int | None, found: list[tuple[str, str, object]]) -> None:
    signer = ALICE._replace(compromised_at=T + 100)
    assert judged(signer, proof=evidence(time_source=source), clock=Clock(T, T + 200, arrival)) == found


def test_a_time_that_is_yet_to_come() -> None:
    assert judged(proof=evidence(signed_at=T + 310)) == GOOD
    assert judged(proof=evidence(signed_at=T + 311)) == [("signer-expired", "fail", "FUTURE")]
    assert judged(proof=evidence(signed_at=(1 << 63) - 1)) == [("signer-expired", "fail", "FUTURE")]


@pytest.mark.parametrize(
    ("author", "committer", "found"),
    [(T + 310, T + 310, GOOD), (T, T + 311, 1), (T + 311, T, 1), (T + 311, T + 312, 2), (T + 400, T + 400, 2)],
)
def test_a_date_of_the_commit_that_is_yet_to_come(author: int, committer: int, found: object) -> None:
    made = commit()
    made = made._replace(author=made.author._replace(time=author), committer=made.committer._replace(time=committer))
    expected = [("commit-malformed", "fail", "FUTURE")] * found if isinstance(found, int) else found
    assert judged(made=made) == expected


def test_every_broken_rule_is_reported() -> None:
    signer = ALICE._replace(compromised_at=1, valid_before=1)
    assert judged(signer, made=commit(b"x")) == REVOKED + EXPIRED + BAD_IDENTITY


@pytest.mark.parametrize(
    ("error", "rule", "status", "code"),
    [
        (SignatureError("m", code="BAD"), "signature-bad", "fail", "BAD"),
        (SignatureError("m", code="WEAK_KEY", rule="algorithm-forbidden"), "algorithm-forbidden", "fail", "WEAK_KEY"),
        (Malformed("m"), "commit-malformed", "fail", None),
        (Malformed("m", rule="signature-ambiguous"), "signature-ambiguous", "fail", None),
        (ObjectMissing("m"), "object-missing", "unknown", None),
        (BackendCrashed("m"), "internal", "unknown", None),
        (BudgetExceeded("m"), "deadline", "unknown", None),
    ],
)
def test_errors_become_findings(error: SignatureError, rule: str, status: str, code: str | None) -> None:
    found = signatures.from_error(Subject("commit", OID), error)
    assert (found.rule, found.status, found.evidence.get("code")) == (rule, status, code)


def test_exceptions_are_exact() -> None:
    rules = signatures.prepare(Policy("p", "d", CommitsPolicy(exceptions=frozenset({OID}))))
    found = signatures.excused(Subject("commit", OID), rules)
    assert found is not None
    assert (found.rule, found.status, found.waived) == ("verified", "skip", "[commits] exceptions")
    assert signatures.excused(Subject("commit", "a" * 39 + "b"), rules) is None
    assert signatures.excused(Subject("commit", "a" * 12), rules) is None


def test_a_key_that_names_nobody_is_told_without_an_empty_list() -> None:
    [found] = signatures.judge_commit(commit(), evidence(emails=()), Clock(T, T), signatures.prepare(
        Policy("p", "d", CommitsPolicy(identity=("principal",)), signers=(ALICE,))
    ))  # fmt: skip
    assert found.hint.startswith("it names no address: ")
    assert "none" not in found.hint


def tag(name: bytes = b"v1", email: bytes | None = b"alice@example.org") -> Tag:
    return Tag(OID, OID, "commit", name, Ident(b"A", email, T, b"+0000") if email is not None else None, b"m", b"p", b"s")


def test_tags() -> None:
    rules = signatures.prepare(Policy("p", "d", signers=(ALICE,), tags="signed"))
    clock = Clock(T, T)
    assert [one.rule for one in signatures.judge_tag(tag(), evidence(), clock, rules)] == ["verified"]
    assert [one.rule for one in signatures.judge_tag(tag(email=b"x"), evidence(), clock, rules)] == ["identity-mismatch"]
    [found] = signatures.judge_tag(tag(email=None), evidence(), clock, rules)
    assert (found.rule, found.message) == ("identity-mismatch", "signed by Alice Example, but the tag names no tagger")
    assert signatures.unsigned_tag(tag(), rules).rule == "tag-unsigned"
    assert signatures.unsigned_tag(tag(), rules._replace(tags="annotated")).rule == "verified"
    assert signatures.lightweight_tag("refs/tags/v1", OID, rules).rule == "tag-unsigned"
    assert signatures.tag_name(tag(), "refs/tags/v1") is None
    assert signatures.tag_name(tag(b"a/v1"), "refs/tags/a/v1") is None
    assert signatures.tag_name(tag(b"\xff"), "refs/tags/\\xff") is None
    for ref in ("refs/tags/v2", "refs/tags/V1", "refs/tags/a/v1", "refs/tags/v1 "):
        renamed = signatures.tag_name(tag(), ref)
        assert renamed is not None
        assert (renamed.rule, renamed.status) == ("tag-name-mismatch", "fail")


AGAIN = 'git tag -s -f v1 "v1^{}", then git push --force origin refs/tags/v1'


def test_a_tag_that_fails_says_how_it_is_made_again() -> None:
    rules = signatures.prepare(Policy("p", "d", signers=(ALICE,), tags="signed"))
    clock = Clock(T, T)

    def hint(found: Finding) -> str:
        return signatures.remade([found], "refs/tags/v1")[0].hint

    def refused(error: ChainverifyError) -> str:
        return hint(signatures.refused_tag(tag(), error, clock, rules)[0])

    careful = f"once you know that it names the right commit, make it again: {AGAIN}"
    assert hint(signatures.unsigned_tag(tag(), rules)) == careful
    assert hint(signatures.lightweight_tag("refs/tags/v1", OID, rules)) == careful
    assert refused(SignatureError("x", code="BAD", rule="signature-bad")) == careful
    weak = SignatureError("x", code="WEAK_HASH", rule="algorithm-forbidden", hint="use SHA-512")
    assert refused(weak) == f"use SHA-512. To make it again: {AGAIN}"
    assert refused(Malformed("x", hint="run git fsck")) == f"run git fsck. To make it again: {AGAIN}"
    assert AGAIN in hint(signatures.judge_tag(tag(email=b"x"), evidence(), clock, rules)[0])
    # a new signature by the same key would be as unknown, and what could not be read is no tag to make again
    assert refused(SignatureError("x", code="NO_KEY", rule="signer-unknown", hint="add the key")) == "add the key"
    assert refused(Unavailable("x", hint="wait")) == "wait"
    assert hint(signatures.judge_tag(tag(), evidence(), clock, rules)[0]) == ""


@pytest.mark.parametrize(
    "name", ["v1;id", "$(id)", "`id`", "-d", "--help", "a'b", 'a"b', "a|b", "a&b", "a b", "\u00e9", "a\nb", "!x", "", "v1\n"]
)
def test_a_hostile_name_of_a_tag_is_no_part_of_a_command(name: str) -> None:
    rules = signatures.prepare(Policy("p", "d", signers=(ALICE,), tags="signed"))
    [found] = signatures.remade([signatures.unsigned_tag(tag(name.encode()), rules)], f"refs/tags/{name}")
    assert found.hint.endswith('make it again: git tag -s -f NAME "NAME^{}", then git push --force origin refs/tags/NAME')


def test_an_exception_of_a_commit_excuses_no_name_for_it() -> None:
    policy = Policy("p", "d", CommitsPolicy(exceptions=frozenset((OID,))), signers=(ALICE,), tags="signed")
    found = signatures.lightweight_tag("refs/tags/v1", OID, signatures.prepare(policy))
    assert (found.rule, found.status) == ("tag-unsigned", "fail")
    assert "which excuses that commit and no name for it" in found.message
    assert "exceptions" not in signatures.lightweight_tag("refs/tags/v1", "1" * 40, signatures.prepare(policy)).message


# --- what the policy trusts to name people


UNKNOWN = [("signer-unknown", "fail", "GOOD")]
REVOKED_AND_NAMED_WRONG = [*REVOKED, *BAD_IDENTITY]
BOB = Signer("Bob Example", ("bob@example.org", "bob@home.example"), roles=("owner",), compromised_at=T)


@pytest.mark.parametrize(
    ("principals", "email", "name", "found"),
    [
        (("alice@example.org",), b"alice@example.org", "Alice Example", GOOD),
        (("ALICE@example.org",), b"alice@example.org", "Alice Example", GOOD),
        # her other address is hers by the policy
        (("alice@example.org",), b"alice@work.example", "Alice Example", GOOD),
        (("alice@example.org",), b"mallory@example.org", "Alice Example", BAD_IDENTITY),
        (("new@example.org",), b"new@example.org", "new@example.org", GOOD),
        (("new@example.org",), b"other@example.org", "new@example.org", BAD_IDENTITY),
        (("new@example.org,second@example.org",), b"second@example.org", "second@example.org", GOOD),
        (("new@example.org", "second@example.org"), b"second@example.org", "second@example.org", GOOD),
        (("*@example.org",), b"new@example.org", "new@example.org", GOOD),
        (("*@example.org",), b"new@other.example", "*@example.org", BAD_IDENTITY),
        (("*@example.org,!new@example.org",), b"new@example.org", "*@example.org,!new@example.org", BAD_IDENTITY),
        # whoever is meant, what the policy says of the person holds, whatever else the key or certificate is called
        (("bob@example.org",), b"bob@example.org", "Bob Example", REVOKED),
        (("bob@example.org", "new@example.org"), b"new@example.org", "Bob Example", REVOKED_AND_NAMED_WRONG),
        (("new@example.org,bob@example.org",), b"new@example.org", "Bob Example", REVOKED_AND_NAMED_WRONG),
        (("bob@example.org", "*@example.org"), b"new@example.org", "Bob Example", REVOKED_AND_NAMED_WRONG),
        (("BOB@example.org,*",), b"alice@example.org", "Bob Example", REVOKED_AND_NAMED_WRONG),
        # a pattern is none of the people of the policy
        (("*@example.org",), b"alice@example.org", "*@example.org", BAD_IDENTITY),
        (("*@example.org",), b"ALICE@EXAMPLE.ORG", "*@example.org", BAD_IDENTITY),
        (("*@example.org",), b"bob@example.org", "*@example.org", BAD_IDENTITY),
        (("?lice@example.org",), b"alice@example.org", "?lice@example.org", BAD_IDENTITY),
        (("*",), b"alice@work.example", "*", BAD_IDENTITY),
        (("*@example.org", "bot@example.org"), b"alice@example.org", "bot@example.org", BAD_IDENTITY),
        (("alice@example.org,*", "new@example.org"), b"alice@work.example", "Alice Example", GOOD),
        # a name that its own list excludes is none of it
        (("*@example.org,alice@example.org,!a*",), b"alice@example.org", "*@example.org,alice@example.org,!a*", BAD_IDENTITY),
        # two of its people are nobody
        (("alice@example.org", "bob@example.org"), b"alice@example.org", "", UNKNOWN),
        (("alice@example.org,bob@example.org",), b"bob@example.org", "", UNKNOWN),
        (("alice@example.org", "ALICE@work.example"), b"alice@example.org", "Alice Example", GOOD),
        (("*@example.org",), b"", "*@example.org", BAD_IDENTITY),
        (("*",), b"\xff@example.org", "\\xff@example.org", GOOD),
    ],
)
def test_whom_a_trusted_file_or_authority_means(
    principals: tuple[str, ...], email: bytes, name: str, found: list[tuple[str, str, object]]
) -> None:
    rules = signatures.prepare(Policy("p", "d", CommitsPolicy(), signers=(ALICE, BOB)))
    proof = evidence(format="ssh", signer="", principals=principals, emails=())
    findings = signatures.judge_commit(commit(email), proof, Clock(T, T + 10), rules)
    assert [(one.rule, one.status, one.evidence.get("code")) for one in findings] == found
    assert findings[0].evidence["signer"] == name


def test_a_principal_by_itself_is_enough_where_identity_is_not_asked() -> None:
    rules = signatures.prepare(Policy("p", "d", CommitsPolicy(identity=("off",)), signers=(ALICE,)))
    proof = evidence(format="ssh", signer="", principals=("*@corp.example", "new@example.org"), emails=())
    [found] = signatures.judge_commit(commit(b"x"), proof, Clock(T, T + 10), rules)
    assert (found.rule, found.evidence["signer"]) == ("verified", "new@example.org")


def test_a_pattern_takes_no_role_with_it_where_identity_is_not_asked() -> None:
    """The object may name whom it likes then; the signer of a key that is everybody's is nobody of `[[signers]]` all the same."""
    rules = signatures.prepare(Policy("p", "d", CommitsPolicy(identity=("off",)), signers=(ALICE, BOB)))
    for principals, email in [(("*@example.org",), b"alice@example.org"), (("*",), b"bob@example.org")]:
        proof = evidence(format="ssh", signer="", principals=principals, emails=())
        [found] = signatures.judge_commit(commit(email), proof, Clock(T, T + 10), rules)
        assert (found.rule, found.status, found.evidence["signer"]) == ("verified", "pass", principals[0])
        assert found.evidence["signer"] not in rules.people


def test_what_to_do_about_a_pattern_is_told() -> None:
    rules = signatures.prepare(Policy("p", "d", CommitsPolicy(), signers=(ALICE,)))
    proof = evidence(format="ssh", signer="", principals=("*@example.org",), emails=())
    [found] = signatures.judge_commit(commit(b"alice@example.org"), proof, Clock(T, T + 10), rules)
    assert found.message == "signed by *@example.org, but the committer is alice@example.org"
    assert "gives the key to no one person: name the person's address before the key" in found.hint


@pytest.mark.parametrize("email", [b"Alice Example", b"x"])
def test_a_principal_called_like_a_person_is_not_that_person(email: bytes) -> None:
    """A certificate for the account "deploy" is not by the signer "deploy": neither by the rights of that name, nor without its
    times and limit."""
    rules = signatures.prepare(Policy("p", "d", CommitsPolicy(identity=("off",)), signers=(ALICE,)))
    proof = evidence(format="ssh", signer="", principals=("Alice Example",), emails=())
    [found] = signatures.judge_commit(commit(email), proof, Clock(T, T + 10), rules)
    assert (found.rule, found.status) == ("signer-unknown", "fail")
    assert "name of a signer" in found.message
    wide = proof._replace(principals=("*",))
    [found] = signatures.judge_commit(commit(b"Alice Example"), wide, Clock(T, T + 10), rules)
    assert (found.rule, found.status) == ("signer-unknown", "fail")


# --- gitsign: levels, and times that are proved


@pytest.mark.parametrize(
    ("level", "general", "own", "found"),
    [
        (2, 2, None, GOOD), (1, 2, None, [("signer-not-allowed", "fail", "LEVEL_1")]), (1, 1, None, GOOD),
        (1, 2, 1, GOOD), (1, 1, 2, [("signer-not-allowed", "fail", "LEVEL_1")]), (0, 0, None, GOOD),
        (0, 1, None, [("signer-not-allowed", "fail", "LEVEL_0")]), (None, 2, 2, GOOD),
    ],
)
def test_levels(level: int | None, general: int, own: int | None, found: list[tuple[str, str, object]]) -> None:
    signer = ALICE._replace(gitsign_level=own)
    proof = evidence(format="gitsign", level=level, claims=(("identity", "alice@example.org"), ("issuer", "https://x")))
    assert judged(signer, proof=proof, gitsign_level=general) == found


@pytest.mark.parametrize(
    ("anchored", "arrival", "found"),
    [(T + 99, None, GOOD), (T + 100, None, REVOKED), (T + 99, T + 150, GOOD), (T + 150, T + 99, GOOD), (None, None, REVOKED),
     (T + 100, T + 100, REVOKED)],
)
def test_a_log_entry_survives_a_compromise(
    anchored: int | None, arrival: int | None, found: list[tuple[str, str, object]]
) -> None:
    signer = ALICE._replace(compromised_at=T + 100)
    assert judged(signer, proof=evidence(anchored_at=anchored), clock=Clock(T, T + 200, arrival)) == found


def test_arrival_refutes_a_claim_and_not_a_proof() -> None:
    signer = ALICE._replace(valid_before=T + 5)
    late = Clock(T, T + 200, T + 100)
    assert judged(signer, proof=evidence(), clock=late) == EXPIRED
    assert judged(signer, proof=evidence(anchored_at=T, time_source="log"), clock=late) == GOOD


def test_claims_are_told() -> None:
    rules = signatures.prepare(Policy("p", "d", CommitsPolicy(), signers=(ALICE,)))
    proof = evidence(format="gitsign", level=2, claims=(("identity", "alice@example.org"), ("issuer", "https://x")))
    [found] = signatures.judge_commit(commit(), proof, Clock(T, T), rules)
    assert (found.message, found.evidence["level"]) == ("good gitsign signature by Alice Example", 2)
    assert found.evidence["claims"] == {"identity": "alice@example.org", "issuer": "https://x"}
