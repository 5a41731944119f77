"""Who made a commit or tag, and may they: what a backend proved, judged under the policy.

A backend proves that a key of a signer made a signature. The rules here are the rest of the question: was the signer's time in
the policy current, is the key known to be stolen, and does the object name the person who signed it. Every rule that is broken
is reported, not only the first, because a policy may turn one of them into advice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from chainverify.errors import ChainverifyError, SignatureError
from chainverify.formats.allowed_signers import matches, names, wild
from chainverify.model.gitobject import Commit, Ident, Tag
from chainverify.model.report import FAIL, PASS, SKIP, UNKNOWN, VERIFIED, Finding, Status, Subject
from chainverify.model.signing import FORMAT_TITLES, Clock, Evidence
from chainverify.output.moment import moment
from chainverify.policy.model import CommitsPolicy, IdentityRule, Policy, Signer, TagRule

MAX_AHEAD: Final = 300
"""Seconds that a claimed time may lie after the caller's clock: clocks differ, and a later claim is no mistake."""
TITLE_BYTES: Final = 400
"""Bytes of a message that are looked at for the title of a subject."""

_STATUSES: Final[dict[str, Status]] = {"fail": FAIL, "unknown": UNKNOWN}
_SELF_NAMED: Final = {"openpgp": "user id of the key", "x509": "name of the certificate"}
"""Formats whose keys name their holder."""
_WHO: Final = {"commit": "committer", "tag": "tagger"}


class Person(NamedTuple):
    """A signer and the addresses that are theirs, in ASCII lower case."""

    signer: Signer
    emails: frozenset[bytes]


class SignatureRules(NamedTuple):
    """What of a policy judges signatures, indexed once for a run: `people` by name, `addresses` by e-mail in lower case, the
    rules that it does not enforce, and the names of those of whom only clean merges count (`limit`)."""

    commits: CommitsPolicy
    tags: TagRule
    people: Mapping[str, Person]
    addresses: Mapping[bytes, Person]
    relaxed: frozenset[str] = frozenset()
    limited: frozenset[str] = frozenset()


def prepare(policy: Policy) -> SignatureRules:
    """Index a policy. Without `[commits]` its defaults say how tags are judged."""
    people = {
        signer.name: Person(signer, frozenset(email.encode().lower() for email in signer.emails)) for signer in policy.signers
    }
    addresses = {email: person for person in people.values() for email in person.emails}
    relaxed = frozenset(rule for rule, setting in policy.rules if setting != "enforce")
    limited = frozenset(signer.name for signer in policy.signers if signer.limit is not None)
    return SignatureRules(policy.commits or CommitsPolicy(), policy.tags, people, addresses, relaxed, limited)


def commit_subject(commit: Commit) -> Subject:
    """The subject of findings about a commit, titled with its subject line."""
    return Subject("commit", commit.oid, _title(commit.message))


def tag_subject(tag: Tag) -> Subject:
    """The subject of findings about an annotated tag, titled with the name it gives itself."""
    return Subject("tag", tag.oid, tag.name[:TITLE_BYTES].decode("utf-8", "backslashreplace"))


def excused(subject: Subject, rules: SignatureRules) -> Finding | None:
    """The skip of an object that the policy excuses by its id, None for all others."""
    if subject.id not in rules.commits.exceptions:
        return None
    return Finding(VERIFIED, SKIP, subject, "not judged: the policy excuses it by its id", waived="[commits] exceptions")


def from_error(subject: Subject, error: ChainverifyError) -> Finding:
    """The finding for an object that could not be read or proved: its rule, and fail or unknown as the error says."""
    evidence = dict(error.evidence)
    if isinstance(error, SignatureError):
        evidence["code"] = error.code
    return Finding(
        error.rule, _STATUSES.get(error.status, UNKNOWN), subject, error.message, error.hint, evidence=evidence
    )


_PROVED: Final = frozenset(
    ("algorithm-forbidden", "signer-expired", "signer-revoked", "signer-not-allowed", "identity-mismatch")
)
"""Rules about a signature by somebody: whoever only advises one of them has still asked who it was."""


_NOBODY: Final = ("identity-mismatch", "signer-unknown", "signature-bad")
"""Rules that a signature breaks which is not known to be anybody's: the first one that the policy enforces tells of it."""
_UNREAD: Final = frozenset(("commit-malformed", "signature-ambiguous", "signature-format-not-allowed"))
"""Rules about form, for which a signature is not looked at any further."""


def unread(subject: Subject, error: ChainverifyError, rules: SignatureRules) -> list[Finding]:
    """The findings on an object that could not be read or proved: those of the error, and where the policy only advises its rule,
    one more: nobody was proved to have signed it."""
    found = from_error(subject, error)
    also = [from_error(subject, each) for each in error.also] if isinstance(error, SignatureError) else []
    if found.rule in _UNREAD:
        # who only advises that objects are signed at all accepts those of nobody
        asked = f"{subject.kind}-unsigned" not in rules.relaxed
    else:
        asked = found.rule in _PROVED and "identity-mismatch" not in (found.rule, *(each.rule for each in also))
    if not asked or found.status != FAIL or found.rule not in rules.relaxed:
        return [found, *also]
    message = "nobody was proved to have signed it, so nothing says that it is the person it names"
    rule = next((each for each in _NOBODY if each not in rules.relaxed), _NOBODY[0])
    return [found, *also, Finding(rule, FAIL, subject, message, error.hint, evidence=found.evidence)]


def refused(
    subject: Subject, named: Named, error: ChainverifyError, clock: Clock, rules: SignatureRules
) -> list[Finding]:
    """The findings on an object that a backend refused: its own, and every other rule that what it proved breaks.

    A policy may only advise the backend's rule. Where it does and nothing was proved, although the rule is about somebody, it
    cannot be told that it is the person whom the object names, and that counts as if it were not.
    """
    if not isinstance(error, SignatureError) or error.rule not in _PROVED or not isinstance(error.proof, Evidence):
        return unread(subject, error, rules)
    found, proof = from_error(subject, error), error.proof
    also = [from_error(subject, each) for each in error.also]
    told = {error.rule, *(each.rule for each in also)}
    others = [each for each in judge(subject, named, proof, clock, rules) if each.status != PASS and each.rule not in told]
    person = _person(named, proof, rules)
    signer = proof.signer if isinstance(person, _Nobody) else person.signer.name
    facts = {"signed_at": moment(proof.signed_at), "time_source": proof.time_source}
    return [found._replace(evidence={**facts, **found.evidence, "signer": signer}), *also, *others]


def unsigned_commit(subject: Subject) -> Finding:
    """The finding for a commit without a signature."""
    return Finding(
        "commit-unsigned",
        FAIL,
        subject,
        "commit is not signed",
        "sign it: git commit --amend -S for the last one, git rebase -r --exec 'git commit --amend --no-edit -S' BASE for more",
    )


def judge_commit(
    commit: Commit, evidence: Evidence, clock: Clock, rules: SignatureRules, subject: Subject | None = None
) -> list[Finding]:
    """The findings on a commit whose signature was proved: one `verified`, or one for each rule that is broken.

    `signer-unknown` where the policy has no such signer, `signer-revoked` where the signer's keys are compromised,
    `signer-expired` outside the signer's time, `identity-mismatch` where the commit names someone else. `subject` is the
    commit's where the caller has made it already.
    """
    named = Named(commit.committer, commit.author, commit.notes)
    return judge(subject or commit_subject(commit), named, evidence, clock, rules)


def judge_tag(tag: Tag, evidence: Evidence, clock: Clock, rules: SignatureRules) -> list[Finding]:
    """As `judge_commit`, for an annotated tag; its tagger stands for both committer and author."""
    found = judge(tag_subject(tag), Named(tag.tagger, tag.tagger, tag.notes), evidence, clock, rules)
    return _with_limit(found, rules)


def refused_tag(tag: Tag, error: ChainverifyError, clock: Clock, rules: SignatureRules) -> list[Finding]:
    """As `refused`, for an annotated tag."""
    return _with_limit(refused(tag_subject(tag), Named(tag.tagger, tag.tagger, tag.notes), error, clock, rules), rules)


_STAYS: Final = frozenset(("signer-unknown", "tag-name-mismatch"))
"""Rules that a tag made again would break again."""
_is_plain: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]*").fullmatch
"""Names that no shell reads as anything else, and no program as an option: hints are pasted."""


def remade(findings: list[Finding], ref: str) -> list[Finding]:
    """The findings on what a tag ref holds, those that fail with how the tag is made again under its name, on the same commit."""
    name = ref.removeprefix("refs/tags/")
    shown = name if name != ref and _is_plain(name) else "NAME"
    # without the commit git would take HEAD
    again = f'git tag -s -f {shown} "{shown}^{{}}", then git push --force origin refs/tags/{shown}'
    return [_remade(each, again) if each.status == FAIL and each.rule not in _STAYS else each for each in findings]


def _remade(found: Finding, again: str) -> Finding:
    hint = f"{found.hint}. To make it again" if found.hint else "once you know that it names the right commit, make it again"
    return found._replace(hint=f"{hint}: {again}")


def _with_limit(found: list[Finding], rules: SignatureRules) -> list[Finding]:
    """The findings on a tag, with that of a limited signer's, of whom no tag counts."""
    proof = found[0]
    if proof.evidence.get("signer") not in rules.limited:
        return found
    limit = _limited(proof, "and it is a tag", "have it signed by a person")
    # beside other rules that are broken, which the policy may only advise
    return [limit] if proof.status == PASS else [*found, limit]


def no_merge(proof: Finding, parents: int, rules: SignatureRules) -> Finding:
    """In place of `proof`: a commit by a limited signer that is no merge of two commits."""
    what = {0: "it has no parents", 1: "it is no merge"}.get(parents, f"it is a merge of {parents} commits, expected 2")
    return _limited(proof, f"and {what}", f"have it signed by a person; {_ABOVE[rules.commits.merge_rule]}")


def unclean_merge(proof: Finding, rules: SignatureRules, *, conflict: bool) -> Finding:
    """In place of `proof`: a merge by a limited signer whose tree is not the one that git makes of its parents."""
    what = "git finds conflicts between its parents" if conflict else "its tree is not the one that git makes of its parents"
    hint = f"merge on your own machine, and sign the merge yourself; {_ABOVE[rules.commits.merge_rule]}"
    return _limited(proof, f"and {what}", hint)


_ABOVE: Final = {
    "any-parent": "merge-rule is any-parent, so a merge of it that a person signs answers for it",
    **{
        rule: f"merge-rule is {rule}: under any-parent a merge of it that a person signs would answer for it"
        for rule in ("every-commit", "all-parents", "first-parent")
    },
}
"""What of `[commits] merge-rule` could still bring in a commit that its own signer may not have made."""


def _limited(proof: Finding, why: str, hint: str) -> Finding:
    message = f"signed by {proof.evidence['signer']}, of whom only clean merges count, {why}"
    return Finding("signer-not-allowed", FAIL, proof.subject, message, hint, evidence={**proof.evidence, "code": "LIMIT"})


def unsigned_tag(tag: Tag, rules: SignatureRules) -> Finding:
    """The finding for an annotated tag without a signature: good where the policy asks only for annotated tags."""
    subject = tag_subject(tag)
    if rules.tags == "signed":
        return Finding("tag-unsigned", FAIL, subject, "tag is not signed")
    return Finding(VERIFIED, PASS, subject, "annotated tag, as the policy asks", evidence={"code": "ANNOTATED"})


def lightweight_tag(ref: str, target: str, rules: SignatureRules) -> Finding:
    """The finding for a tag ref that points at no tag object but at `target`; only the ref can be its id.

    That `target` is excused by its id excuses no name for it: whoever can push could call it the newest release.
    """
    message = f"{ref} is a lightweight tag, which nobody can sign"
    if target in rules.commits.exceptions:
        message += "; [commits] exceptions has its commit, which excuses that commit and no name for it"
    return Finding("tag-unsigned", FAIL, Subject("tag", ref, ref), message)


def tag_name(tag: Tag, ref: str) -> Finding | None:
    """The finding for a tag object under another name than its own, None where they agree.

    A signed tag moved under another ref keeps a good signature: `git verify-tag` accepts it.
    """
    if ref.removeprefix("refs/tags/") == tag.name.decode("utf-8", "backslashreplace"):
        return None
    subject = tag_subject(tag)
    return Finding(
        "tag-name-mismatch",
        FAIL,
        subject,
        f"{ref} holds a tag that names itself {subject.title}",
        "a signed tag counts only under the name that was signed",
    )


class Named(NamedTuple):
    """Who an object says made it, and what was noted of it when it was split."""

    committer: Ident | None
    author: Ident | None
    notes: tuple[str, ...]


def judge(subject: Subject, named: Named, evidence: Evidence, clock: Clock, rules: SignatureRules) -> list[Finding]:
    """As `judge_commit`, for whatever is named."""
    facts: dict[str, object] = {
        "format": evidence.format,
        "fingerprint": evidence.fingerprint,
        "signer": evidence.signer,
        "signed_at": moment(evidence.signed_at),
        "time_source": evidence.time_source,
        "level": evidence.level,
        "code": evidence.code,
        "notes": [*named.notes, *evidence.notes],
    }
    if evidence.claims:
        facts["claims"] = dict(evidence.claims)
    person = _person(named, evidence, rules)
    if isinstance(person, _Nobody):
        return [Finding("signer-unknown", FAIL, subject, person.message, person.hint, evidence=facts)]
    name = facts["signer"] = person.signer.name
    broken = (
        *_date_broken(subject, named, clock),
        *_time_broken(person.signer, evidence, clock),
        *_identity_broken(subject, named, person, evidence, rules.commits.identity),
        *_level_broken(person.signer, evidence, rules.commits),
    )
    if broken:
        return [
            Finding(rule, FAIL, subject, message, hint, evidence={**facts, **({"code": code} if code else {})})
            for rule, code, message, hint in broken
        ]
    message = f"good {FORMAT_TITLES[evidence.format]} signature by {name}"
    return [Finding(VERIFIED, PASS, subject, message, evidence=facts)]


class _Nobody(NamedTuple):
    """Why a signature that was proved is by none of the people that the policy can mean."""

    message: str
    hint: str = ""


def _person(named: Named, evidence: Evidence, rules: SignatureRules) -> Person | _Nobody:
    """Who signed, in the policy's eyes.

    A file or authority that the policy trusts to name people (`evidence.principals`) gives pattern lists. Whoever of
    `[[signers]]` is named by an address, and not by a pattern, is meant, whatever the object says: roles, times and limit are
    that person's, and cannot be left behind by another of the names. Two of them are nobody, as a key belongs to one person.

    A pattern never means somebody of `[[signers]]`. Certificates name each holder, so patterns are those of lines that give one
    plain key to whoever they match: which of these people made a signature nobody knows, and all that the object says of it is
    its maker's claim. Such a key signs for those who have nothing but an address, and so does a name that is nobody's: it is the
    one that the object names, else the first. Such a one is nobody where it is called like somebody of `[[signers]]`: a
    certificate for the account "deploy" must not be taken for that person, whose roles, times and limit it has not.
    """
    if not evidence.principals:
        # keyrings and people come from one policy: to find none is a caller's mistake, and no reason to accept
        return rules.people.get(evidence.signer) or _Nobody(f"the policy has no signer {evidence.signer}")
    own = _names(evidence.principals)
    listed = {person.signer.name: person for each in own if (person := rules.addresses.get(_folded(each))) is not None}
    if len(listed) > 1:
        return _Nobody(
            f"signed as {' and as '.join(list(listed)[:4])}, expected one person",
            "a key, and a certificate, belong to one person: remove its name from the others",
        )
    for person in listed.values():
        return person
    claimed = named.committer.email.decode("utf-8", "surrogateescape") if named.committer else ""
    if claimed and _folded(claimed) not in rules.addresses and any(matches(each, claimed) for each in evidence.principals):
        address = claimed
    else:
        address = next(iter(own), evidence.principals[0])
    shown = _called(address)
    if shown in rules.people:
        return _Nobody(
            f"signed as {shown}, which is the name of a signer in the policy and no address of that signer",
            "if it is the same person, add the address to the signer's emails",
        )  # fmt: skip
    return Person(Signer(shown), frozenset((_folded(address),)))


@lru_cache(maxsize=4096)
def _names(principals: tuple[str, ...]) -> tuple[str, ...]:
    """The names in pattern lists, as `formats.allowed_signers.names`."""
    return tuple(dict.fromkeys(each for patterns in principals for each in names(patterns)))


def _called(principal: str) -> str:
    """A principal as the name of a person."""
    return principal.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _folded(address: str) -> bytes:
    return address.encode("utf-8", "surrogateescape").lower()


_Broken = tuple[str, str, str, str]


_AGAIN: Final = {
    "commit": ", and make it again: git commit --amend --reset-author; an old one can be listed in [commits] exceptions"
}


def _date_broken(subject: Subject, named: Named, clock: Clock) -> Iterator[_Broken]:
    """A date of the object itself that is yet to come: whatever sorts or expires by dates is led astray by it."""
    latest = clock.now + MAX_AHEAD
    for role, ident in ((_WHO.get(subject.kind, "committer"), named.committer), ("author", named.author)):
        if ident is not None and ident.time > latest and (role != "author" or ident != named.committer):
            yield (
                "commit-malformed",
                "FUTURE",
                f"{role} date {moment(ident.time)} is yet to come",
                "set the clock of the machine that made it" + _AGAIN.get(subject.kind, ""),
            )


def _time_broken(signer: Signer, evidence: Evidence, clock: Clock) -> Iterator[_Broken]:
    """What the signer's times in the policy refuse; both ends of a window belong to it, as with OpenSSH's.

    `compromised-at` is survived only by a signature that was there before, and only a log, a timestamp authority or `arrival`
    shows that: whoever stole the key writes the other times. An arrival after `valid-before` likewise refutes an earlier claim,
    not an earlier proof.
    """
    if signer.compromised_at is not None:
        proofs = [time for time in (evidence.anchored_at, clock.arrival) if time is not None]
        if not proofs or min(proofs) >= signer.compromised_at:
            known = f"it is proved to exist only since {moment(min(proofs))}" if proofs else "nothing proves when it was made"
            yield (
                "signer-revoked",
                "REVOKED_HARD",
                f"keys of {signer.name} are compromised since {moment(signer.compromised_at)}, and {known}",
                "sign it again with a key that is not compromised, or excuse known commits by their ids in [commits] exceptions",
            )
    at, source = evidence.signed_at, evidence.time_source
    if source != "arrival" and at > clock.now + MAX_AHEAD:
        yield (
            "signer-expired",
            "FUTURE",
            f"signature claims to be made at {moment(at)}, which is yet to come (source: {source})",
            "set the clock of the machine that signs, and sign again",
        )
    if signer.valid_after is not None and at < signer.valid_after:
        yield (
            "signer-expired",
            "EXPIRED_AT_T",
            f"{signer.name} may sign from {moment(signer.valid_after)} on, signature is of {moment(at)} (source: {source})",
            "have it signed by someone who may, or change valid-after of the signer in the policy",
        )
    if clock.arrival is not None and clock.arrival > at and evidence.anchored_at is None:
        at, source = clock.arrival, "arrival"
    if signer.valid_before is not None and at > signer.valid_before:
        yield (
            "signer-expired",
            "EXPIRED_AT_T",
            f"{signer.name} could sign until {moment(signer.valid_before)}, signature is of {moment(at)} (source: {source})",
            "have it signed by someone who may, or change valid-before of the signer in the policy",
        )


def _identity_broken(
    subject: Subject, named: Named, person: Person, evidence: Evidence, identity: tuple[IdentityRule, ...]
) -> Iterator[_Broken]:
    """Each rule of `[commits] identity` that does not hold. `bytes.lower` folds ASCII only, and bytes that are no UTF-8
    equal no address of a policy."""
    name = person.signer.name
    for rule in identity:
        if rule in {"committer-email", "author-email"}:
            ident = named.committer if rule == "committer-email" else named.author
            if ident is not None and ident.email.lower() in person.emails:
                continue
            role = _WHO.get(subject.kind, "committer") if rule == "committer-email" or subject.kind == "tag" else "author"
            hint = f"set user.email to an address of {name} in the policy, or add the address to the signer's emails"
            if person.emails == {_folded(name)} and wild(name):
                hint = f"{name} gives the key to no one person: name the person's address before the key, or use cert-authority"
            if ident is None:
                yield ("identity-mismatch", "", f"signed by {name}, but the {subject.kind} names no {role}", hint)
            else:
                yield ("identity-mismatch", "", f"signed by {name}, but the {role} is {_show(ident.email)}", hint)
        elif rule == "principal" and not _is_principal(person, evidence):
            what = _SELF_NAMED[evidence.format]
            addresses = ", ".join(evidence.emails[:4])
            yield (
                "identity-mismatch",
                "",
                f"no valid {what} {evidence.primary} is an address of {name}",
                f"add one of these addresses to the emails of {name} in the policy: {addresses}" if addresses
                else f"it names no address: sign with a key that names one of {name}, or take principal out of identity",
            )


def _is_principal(person: Person, evidence: Evidence) -> bool:
    """Whether a key that names its holder names the person; what the policy trusts to name people did so already."""
    named = evidence.format in _SELF_NAMED and not evidence.principals
    return not named or not person.emails.isdisjoint(map(_folded, evidence.emails))


def _level_broken(signer: Signer, evidence: Evidence, commits: CommitsPolicy) -> Iterator[_Broken]:
    """A gitsign signature that proves less than is asked for."""
    if evidence.level is None:
        return
    asked = commits.gitsign_level if signer.gitsign_level is None else signer.gitsign_level
    if evidence.level < asked:
        yield (
            "signer-not-allowed",
            _LEVEL_CODES[evidence.level],
            (
                f"gitsign signature reaches level {evidence.level} ({_LEVELS[evidence.level]}), "
                f"the policy asks for level {asked} ({_LEVELS[asked]})"
            ),
            _HOW_LOGGED if asked == LOGGED else "lower gitsign-level in the policy, for [commits] or this signer",
        )


_HOW_LOGGED: Final = (
    "put the log entry into signatures: git config gitsign.rekorMode offline; or lower gitsign-level for old ones"
)
LOGGED: Final = 2
"""The gitsign level at which a log or timestamp authority proves the time."""
_LEVEL_CODES: Final = ("LEVEL_0", "LEVEL_1")
_LEVELS: Final = (
    "a certificate of Fulcio's that no log of certificates has seen",
    "an identity that Fulcio vouched for in public, at a time that nothing proves",
    "identity and time",
)


def _title(message: bytes) -> str:
    """The first line of a message, for people: hostile text, escaped where it is shown. Not folded as `%s` is: this runs for
    every commit, and is read for the few that fail."""
    return message[:TITLE_BYTES].lstrip().partition(b"\n")[0].rstrip().decode("utf-8", "replace")


def _show(email: bytes) -> str:
    return email[:100].decode("utf-8", "backslashreplace") or "without an e-mail address"
