"""Who changes the policy in a push, and that the default branch keeps one that can be read.

What is in force next is what the default branch's new tip holds. Three things are asked of it:

1. each commit that changes the policy's directory is signed by someone of `[policy] signers`;
2. the new tip's policy is the one in force, or one that such a commit of this push brings: a rewind, or a merge that picks the
   policy of an old parent, changes the policy without any commit that does;
3. it loads. Otherwise every later push would be refused, its owner's repair too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from chainverify.errors import ChainverifyError, ObjectMissing
from chainverify.formats import allowed_signers
from chainverify.formats.push import RefUpdate
from chainverify.git import ranges, trees
from chainverify.git.objects import ObjectReader
from chainverify.git.repository import Repository
from chainverify.jobs import policies
from chainverify.jobs.policies import DIRECTORY, LoadedPolicy
from chainverify.jobs.pushed import Added, Scene
from chainverify.jobs.validate import refuse_observed, validate
from chainverify.model.report import FAIL, Finding, Subject
from chainverify.policy.model import Signer
from chainverify.policy.people import allowed
from chainverify.policy.signers import key_lists

Entry: TypeAlias = "tuple[int, str] | str | None"
"""Mode and id of the directory in a commit; None where it has none, text where the tree cannot be read."""


def check(
    scene: Scene,
    pairs: Iterable[tuple[RefUpdate, Added | None]],
    proved: dict[str, str],
    in_time: Callable[[int, int], None],
    now: int,
) -> list[Finding]:
    """The `policy-change` findings of a push; `proved` are the signers of its objects, `now` is in seconds since the epoch.

    Only the default branch's own update counts: what other refs hold changes nothing until it lands there, and what was in
    the default branch's history before may not come back by being pushed elsewhere at the same time. Raises `Unavailable` where
    history cannot be read as far as a new policy's introduction.
    """
    reader, policy, default = scene.reader, scene.policy, scene.default
    tip = scene.before.get(default or "")
    in_force = _entry(reader, tip) if tip else None
    may = allowed(policy.editors, policy)
    findings: dict[str, Finding] = {}
    for update, each in pairs:
        if update.ref != default:
            continue
        subject = Subject("ref", update.ref)
        if each is None:
            findings[subject.id] = Finding(
                "policy-change", FAIL, subject, f"deleting {update.ref}, the default branch, takes the policy away",
                "move HEAD on the server to another branch with a policy first",
            )  # fmt: skip
            continue
        brought: set[Entry] = {in_force}
        mine = set(each.selection.oids)
        for done, oid in enumerate(each.selection.oids if policy.editors else ()):
            in_time(done, len(mine))
            entry = _entry(reader, oid)
            if oid in findings or not _changes(reader, oid, entry, in_force, mine):
                continue
            if proved.get(oid) in may:
                brought.add(entry)
            else:
                findings[oid] = _not_allowed(Subject("commit", oid), proved.get(oid), may)
        if each.proposed or each.target.commit is None:
            continue
        entry = _entry(reader, each.target.commit)
        if policy.editors and not findings and entry not in brought:
            findings[subject.id] = _not_allowed(subject, None, may)
        why = _unusable(scene.repo, each.target.commit, now) if tip and entry != in_force else None
        if why:
            findings.setdefault(subject.id, Finding(
                "policy-change", FAIL, subject, f"no policy could be used from the new tip of {update.ref}: {why}",
                "keep a policy that `chainverify policy check` accepts: under none every later push would be refused",
            ))
    return list(findings.values())


def _changes(reader: ObjectReader, oid: str, now: Entry, in_force: Entry, mine: set[str]) -> bool:
    """Whether a commit changes the policy: its directory differs from every parent's, or it picks among its parents' otherwise
    than by taking the one in force, or one from history that was judged before."""
    if now == in_force and now is not None:
        return False
    try:
        parents = ranges.parents(reader, oid)
    except ChainverifyError:
        return True
    theirs = {parent: _entry(reader, parent) for parent in parents}
    if not theirs:
        return now is not None
    if set(theirs.values()) == {now}:
        return False
    return not any(entry == now for parent, entry in theirs.items() if parent not in mine)


def _entry(reader: ObjectReader, commit: str) -> Entry:
    try:
        return trees.entry(reader, commit, DIRECTORY)
    except ObjectMissing:
        return f"missing:{commit}"
    except ChainverifyError as error:
        return f"unreadable:{commit}:{error.message}"


def _unusable(repo: Repository, commit: str, now: int) -> str | None:
    """Why the policy of a commit cannot be used by the next push, None where it can.

    Raises `Unavailable` where what cannot be read hides the introduction.
    """
    try:
        loaded = policies.from_revision(repo, commit)
        validate(loaded)
        refuse_observed(loaded)
        why = _nobody_could(loaded, now)
        if why:
            return why
    except ChainverifyError as error:
        return error.message
    sections = (loaded.policy.commits, loaded.policy.messages)
    for introduction in {section.introduction for section in sections if section is not None and section.introduction}:
        # an introduction that is nowhere here is in no history
        here = repo.is_oid(introduction) and repo.present((introduction,))
        if not (here and ranges.reaches(repo, commit, introduction)):
            return f"its introduction {introduction} is not in the history of the new tip"
    return None


def _nobody_could(loaded: LoadedPolicy, now: int) -> str | None:
    """Why nobody could bring the next policy, None where somebody could."""
    policy = loaded.policy
    if policy.commits is None:
        asked = bool(policy.editors) or any(stanza.signers for stanza in policy.refs)
        return "it names who may sign, and has no [commits] section under which anybody is proved to have" if asked else None
    editors = allowed(policy.editors, policy)
    for signer in policy.signers:
        if policy.editors and signer.name not in editors:
            continue
        kinds = (*key_lists(signer), ("ssh", signer.allowed_signers), ("gitsign", signer.gitsign))
        usable = any(keys and kind in policy.commits.formats for kind, keys in kinds) or _named(loaded, signer, now)
        late = signer.valid_before is not None and signer.valid_before <= now
        if usable and not late and signer.compromised_at is None:
            return None
    return "nobody who may change it could sign now: no key of an accepted format, or the person's time is over"


def _named(loaded: LoadedPolicy, signer: Signer, now: int) -> bool:
    """Whether a file or an authority of `[commits]` can speak for a person today, who needs no key of their own then."""
    commits = loaded.policy.commits
    if commits is None or not signer.emails:
        return False
    if commits.x509_roots and "x509" in commits.formats:
        return True
    own = {email.casefold() for email in signer.emails}
    return "ssh" in commits.formats and any(
        line.for_git and (line.valid_before is None or line.valid_before >= now) and (
            any(allowed_signers.matches(line.principals, email) for email in own) if line.cert_authority
            else not own.isdisjoint(name.casefold() for name in allowed_signers.names(line.principals))
        )
        for name in commits.allowed_signers
        for line in allowed_signers.parse(loaded.read(name))
    )  # fmt: skip


def _not_allowed(subject: Subject, signer: str | None, may: frozenset[str]) -> Finding:
    who = signer or "somebody who was not proved"
    return Finding(
        "policy-change", FAIL, subject,
        f"{who} changes {DIRECTORY}/, which only {' or '.join(sorted(may)) or 'nobody'} may",
        "leave the policy as it is, or have the change (for a merge: the merge, or fast-forward it) signed by someone that "
        "[policy] signers names",
    )
