"""A push, judged as a whole before any of its refs moves: refs, then the history, messages and images that it adds.

Which commits a ref is answerable for: on an update everything between its old and its new tip. On creation everything that no
ref under the same protection, and not the default branch, had before the push. What merely lies on some other ref is judged
again: a branch without protection must not be a way around the rules of another (push it there first, then here).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from chainverify.errors import BudgetExceeded, ChainverifyError, ObjectMissing
from chainverify.formats.objects import parse_commit
from chainverify.formats.push import RefUpdate
from chainverify.git.objects import ObjectReader
from chainverify.git.repository import Repository
from chainverify.jobs import deployed, history, messages
from chainverify.jobs.policies import LoadedPolicy
from chainverify.model.report import FAIL, PASS, UNKNOWN, VERIFIED, Finding, Report, Subject
from chainverify.policy.material import signing_material
from chainverify.policy.model import Policy
from chainverify.policy.people import allowed
from chainverify.rules import enforcement, refs
from chainverify.rules.refs import RefChange

POLICY_DIRECTORY: Final = ".chainverify"
"""The directory of a repository that holds its policy and the files that the policy names."""
MAX_TAG_DEPTH: Final = 5


class Judging(NamedTuple):
    """What a push is judged with. `now` is its arrival, in seconds since the epoch; `network` makes registry access.

    `in_time` raises `BudgetExceeded` when the deadline has passed; it is called with how much is done and how much there is.
    """

    loaded: LoadedPolicy
    now: int
    jobs: int
    source: deployed.Source
    in_time: Callable[[int, int], None]


class _Target(NamedTuple):
    """The objects behind a new value of a ref: the annotated tags on the way, and the commit at the end, None for none."""

    tags: tuple[str, ...]
    commit: str | None
    kind: str


class _Added(NamedTuple):
    """A ref with the commits it is answerable for and the tip that its content is compared with (None: with nothing)."""

    update: RefUpdate
    target: _Target
    selection: history.Selection
    base: str | None


def check_push(repo: Repository, updates: Sequence[RefUpdate], judging: Judging) -> Report:
    """The one verdict on all refs of a push.

    1. every new object is peeled to its commit,
    2. the commits and tags that the push adds are judged by signature, each once,
    3. `[[refs]]` says whose commits may land where, and what may happen to the ref itself,
    4. commits that change the policy need someone who may,
    5. messages, then manifests and images of what changed.

    Raises `PolicyError` for a policy whose keys cannot be used. A deadline that passes is a finding (`deadline`, unknown).
    """
    policy = judging.loaded.policy
    before = dict(repo.refs())
    default = repo.head_ref()
    findings: list[Finding] = []
    counts: dict[str, int] = {"refs": len(updates)}
    try:
        added = [_added(repo, update, policy, before, default) for update in updates if update.new is not None]
        signed = _check_history(repo, added, judging, counts)
        findings += signed
        findings += _check_refs(repo, updates, added, signed, judging)
        if policy.editors and judging.loaded.trust != "external":
            findings += _check_policy_changes(repo, added, signed, judging, before.get(default or ""))
        findings += _check_messages(repo, added, judging, counts)
        findings += _check_images(repo, added, judging, counts)
    except BudgetExceeded as error:
        findings.append(Finding(error.rule, UNKNOWN, Subject("ref", updates[0].ref), error.message, error.hint))
    return Report(judging.loaded.ref, enforcement.apply(findings, policy), counts)


# --- what a push adds


def _added(
    repo: Repository, update: RefUpdate, policy: Policy, before: dict[str, str], default: str | None
) -> _Added:
    """The commits that a ref's new value is answerable for."""
    target = _peel(repo, update.new or "")
    if target.commit is None:
        return _Added(update, target, history.Selection(()), None)
    exclude = _judged_before(repo, update, policy, before, default)
    selection = history.select(repo, [target.commit, *(f"^{oid}" for oid in exclude)], policy)
    base = _peel(repo, update.old).commit if update.old else None
    if base is None and default in before:
        base = _peel(repo, before[default]).commit
    return _Added(update, target, selection, base)


def _judged_before(
    repo: Repository, update: RefUpdate, policy: Policy, before: dict[str, str], default: str | None
) -> list[str]:
    """Commits whose history needs no verdict again for this ref: see the module's text."""
    if update.old is not None:
        tips = [update.old]
    else:
        wanted = set(refs.stanzas(update.ref, policy))
        tips = [
            oid
            for ref, oid in before.items()
            if (ref == default or wanted) and wanted <= set(refs.stanzas(ref, policy)) and not ref.startswith("refs/tags/")
        ]
    peeled = (_peel(repo, oid).commit for oid in tips)
    return list(dict.fromkeys(oid for oid in peeled if oid is not None))


def _peel(repo: Repository, oid: str) -> _Target:
    """The annotated tags from `oid` on, and what they lead to."""
    tags: list[str] = []
    with ObjectReader(repo) as reader:
        for _ in range(MAX_TAG_DEPTH + 1):
            raw = reader.read(oid)
            if raw.kind != "tag":
                return _Target(tuple(tags), oid if raw.kind == "commit" else None, raw.kind)
            tags.append(oid)
            oid = raw.data.partition(b"\n")[0].removeprefix(b"object ").decode("ascii", "replace")
            if not repo.is_oid(oid):
                return _Target(tuple(tags), None, "tag")
    return _Target(tuple(tags), None, "tag")


# --- judging


def _check_history(repo: Repository, added: Sequence[_Added], judging: Judging, counts: dict[str, int]) -> list[Finding]:
    """Signatures of the commits and tags that the push adds; nothing where the policy asks none."""
    policy = judging.loaded.policy
    findings: list[Finding] = []
    if policy.commits is None and policy.tags == "off":
        return findings
    material = signing_material(policy, judging.loaded.read)
    if policy.commits is not None:
        selection = _union(each.selection for each in added)
        verdicts = history.check_commits(
            repo, selection, policy, material, judging.now, arrival=judging.now, jobs=judging.jobs, progress=judging.in_time
        )
        findings += verdicts.findings
        counts.update(verdicts.counts)
    tags = [(each.update.ref, each.update.new or "") for each in added if _is_tag(each)]
    verdicts = history.check_tags(repo, tags, policy, material, judging.now, arrival=judging.now, progress=judging.in_time)
    counts.update(verdicts.counts)
    return findings + verdicts.findings


def _is_tag(each: _Added) -> bool:
    return each.update.ref.startswith("refs/tags/") or bool(each.target.tags)


def _union(selections: Iterable[history.Selection]) -> history.Selection:
    """All commits of several selections, each once, parents first within each."""
    oids: dict[str, None] = {}
    exclude: dict[str, None] = {}
    findings: list[Finding] = []
    for selection in selections:
        oids.update(dict.fromkeys(selection.oids))
        exclude.update(dict.fromkeys(selection.exclude))
        findings += [finding for finding in selection.findings if finding not in findings]
    return history.Selection(tuple(oids), tuple(exclude), tuple(findings))


def _check_refs(
    repo: Repository, updates: Sequence[RefUpdate], added: Sequence[_Added], signed: list[Finding], judging: Judging
) -> list[Finding]:
    """`[[refs]]`: what may happen to each ref, and whose commits may land on it.

    Takes the passing finding of an object out of `signed` where its signer may not sign on a ref that it lands on.
    """
    policy = judging.loaded.policy
    by_ref = {each.update.ref: each for each in added}
    proved = _signers(signed)
    judged = {finding.subject.id for finding in signed}
    findings: list[Finding] = []
    refused: set[str] = set()
    for update in updates:
        each = by_ref.get(update.ref)
        tip = each.target.commit if each else None
        change = RefChange(
            update,
            rewinds=_rewinds(repo, update, each),
            tip_signer=proved.get(tip or ""),
            tip_is_new=each is not None and tip in each.selection.oids,
        )
        findings += refs.judge(change, policy)
        if each is None:
            continue
        if tip is None and not update.ref.startswith(refs.TAGS):
            findings.append(_no_commit(each))
        may = refs.signers(update.ref, policy)
        for oid in (*each.selection.oids, *each.target.tags) if may is not None else ():
            found = _may_land(oid, proved.get(oid), update.ref, may, oid in each.target.tags)
            if found is not None and (oid in proved or oid not in judged):
                findings.append(found)
                refused.add(oid)
    signed[:] = [each for each in signed if not (each.status == PASS and each.subject.id in refused)]
    return findings


def _signers(signed: Iterable[Finding]) -> dict[str, str]:
    """The proved signer of each object that passed."""
    return {
        each.subject.id: str(each.evidence["signer"])
        for each in signed
        if each.rule == VERIFIED and each.status == PASS and "signer" in each.evidence
    }


def _may_land(oid: str, signer: str | None, ref: str, may: frozenset[str] | None, tag: bool) -> Finding | None:
    subject = Subject("tag" if tag else "commit", oid)
    if signer is not None:
        return refs.refused_signer(subject, signer, ref, may)
    # without [commits] nobody was proved, and [[refs]] still asks for somebody
    return Finding("signer-not-allowed", FAIL, subject, f"no signer was proved, and {ref} names who may sign",
                   "add a [commits] section to the policy")


def _no_commit(each: _Added) -> Finding:
    return Finding(
        "commit-malformed", FAIL, Subject("ref", each.update.ref),
        f"{each.update.ref} would point at a {each.target.kind}, expected a commit or a tag that leads to one",
        "push such objects only behind a signed tag",
    )


def _rewinds(repo: Repository, update: RefUpdate, each: _Added | None) -> bool:
    """Whether the ref loses history: its old commit is not an ancestor of the new one, or cannot be found out to be."""
    if each is None or update.old is None or update.old == update.new:
        return False
    try:
        old = _peel(repo, update.old).commit
    except ChainverifyError:
        return True
    if old is None or each.target.commit is None:
        return True
    return bool(repo.run("rev-list", "--max-count=1", old, f"^{each.target.commit}"))


def _check_policy_changes(
    repo: Repository, added: Sequence[_Added], signed: list[Finding], judging: Judging, tip: str | None
) -> list[Finding]:
    """Commits that change the policy's directory, and are not signed by someone of `[policy] signers`.

    A merge whose parents differ there chooses a policy: that is a change too, unless it keeps the one in force.
    """
    policy = judging.loaded.policy
    may = allowed(policy.editors, policy)
    proved = _signers(signed)
    findings: list[Finding] = []
    seen: set[str] = set()
    with ObjectReader(repo) as reader:
        in_force = _policy_tree(reader, tip) if tip else None
        for each in added:
            for oid in each.selection.oids:
                if oid in seen:
                    continue
                seen.add(oid)
                parents = _parents(reader, oid)
                if parents is None:
                    continue
                now = _policy_tree(reader, oid)
                before = {_policy_tree(reader, parent) for parent in parents} or {None}
                if before == {now} or now == in_force:
                    continue
                signer = proved.get(oid)
                if signer in may:
                    continue
                who = signer or "nobody who was proved"
                findings.append(Finding(
                    "policy-change", FAIL, Subject("commit", oid),
                    f"{who} changes {POLICY_DIRECTORY}/, which only {' or '.join(sorted(may)) or 'nobody'} may",
                    "leave the policy as it is, or have the change signed by someone that [policy] signers names",
                ))
    refused = {each.subject.id for each in findings}
    signed[:] = [each for each in signed if not (each.status == PASS and each.subject.id in refused)]
    return findings


def _parents(reader: ObjectReader, oid: str) -> tuple[str, ...] | None:
    """Parents of a commit that can be read, None for others (they have failed already)."""
    try:
        raw = reader.read(oid)
        return parse_commit(oid, raw.data, reader.repo.algorithm).parents
    except ChainverifyError:
        return None


def _policy_tree(reader: ObjectReader, commit: str) -> str | None:
    """The id of the policy's directory in a commit, None where it has none."""
    try:
        return reader.read(f"{commit}:{POLICY_DIRECTORY}").oid
    except ObjectMissing:
        return None


def _check_messages(
    repo: Repository, added: Sequence[_Added], judging: Judging, counts: dict[str, int]
) -> list[Finding]:
    """Messages of the commits that the push adds."""
    policy = judging.loaded.policy
    if policy.messages is None:
        return []
    oids: dict[str, None] = {}
    for each in added:
        if each.target.commit is not None:
            revisions = [each.target.commit, *(f"^{oid}" for oid in each.selection.exclude)]
            oids.update(dict.fromkeys(history.select_messages(repo, revisions, policy).oids))
    judging.in_time(0, len(oids))
    findings, counted = messages.check_messages(repo, oids, policy.messages)
    counts.update(counted)
    return findings


def _check_images(
    repo: Repository, added: Sequence[_Added], judging: Judging, counts: dict[str, int]
) -> list[Finding]:
    """Images that the push brings into what a ref deploys."""
    if judging.loaded.policy.images is None:
        return []
    findings: list[Finding] = []
    seen: set[tuple[str, str | None]] = set()
    for each in added:
        change = (each.target.commit or "", each.base)
        if each.target.commit is None or change in seen:
            continue
        seen.add(change)
        judging.in_time(0, 0)
        result = deployed.check_difference(
            repo, each.target.commit, each.base, judging.loaded, judging.source, jobs=judging.jobs
        )
        findings += [finding for finding in result.findings if finding not in findings]
        for kind, count in result.counts.items():
            counts[kind] = counts.get(kind, 0) + count
    return findings
