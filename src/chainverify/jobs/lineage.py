"""What a merge answers for: `[commits] merge-rule` other than `every-commit`.

`any-parent`: a commit counts where it is good and one of its parents counts, so that whoever signs a merge answers for what it
brings in. What only such merges lead to is not judged any further. The key of a forge answers for nothing, and neither does a
commit that is excused by its id: a merge by a limited signer, or by nobody knows whom, counts only where all its parents do.

`all-parents`: every commit is judged, and its signer must be good under the policy in the tree of each of its parents too, as
in Guix. The judged policy decides as ever; the ones in the history can only refuse. What one of them only advises it does not
refuse; what the judged policy only advises is no reason not to ask them.

`first-parent` changes nothing here: every commit needs a good signature of somebody, and who may sign what lands on a ref is
asked only of the first parents (`first_parents`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from typing import Final, TypeAlias

from chainverify.errors import ChainverifyError
from chainverify.git import trees
from chainverify.git.objects import ObjectReader
from chainverify.git.repository import Repository
from chainverify.jobs import policies
from chainverify.jobs.policies import DIRECTORY, LoadedPolicy
from chainverify.model.report import FAIL, PASS, SKIP, UNKNOWN, VERIFIED, Finding, Subject, counted
from chainverify.policy.model import Policy
from chainverify.rules import enforcement
from chainverify.rules import signatures as rules_of

Graph: TypeAlias = Mapping[str, tuple[str, ...]]
"""The parents of each judged commit."""

ANSWERED_FOR: Final = frozenset((
    "commit-unsigned", "signature-bad", "signature-ambiguous", "signature-format-not-allowed", "algorithm-forbidden",
    "signer-unknown", "signer-expired", "signer-revoked", "signer-not-allowed", "identity-mismatch",
))  # fmt: skip
"""What the signer of a merge can answer for. A malformed commit is read differently by different programs: nobody can."""


def counting(oids: Sequence[str], graph: Graph, good: Set[str], limited: Set[str], *, anchored: bool) -> frozenset[str]:
    """The commits that count under `any-parent`; parents outside of `oids` count.

    With an anchor (an introduction) a root commit counts for nothing: it is not in the anchor's future.
    """
    found: set[str] = set()
    inside = frozenset(oids)
    for oid in _parents_first(oids, graph):
        parents = graph.get(oid, ())
        held = [parent not in inside or parent in found for parent in parents]
        if oid in good and ((all(held) if oid in limited else any(held)) if held else not anchored):
            found.add(oid)
    return frozenset(found)


def _parents_first(oids: Sequence[str], graph: Graph) -> list[str]:
    """The commits with their parents before them. Those of one walk come so; of several, one after the other, they need not."""
    inside = frozenset(oids)
    waiting = {oid: sum(parent in inside for parent in graph.get(oid, ())) for oid in oids}
    children: dict[str, list[str]] = {}
    for oid in oids:
        for parent in graph.get(oid, ()):
            children.setdefault(parent, []).append(oid)
    ready = [oid for oid, count in waiting.items() if not count]
    for oid in ready:
        for child in children.get(oid, ()):
            waiting[child] -= 1
            if not waiting[child]:
                ready.append(child)
    return ready


def excuse(
    findings: Sequence[Finding], oids: Sequence[str], graph: Graph, tips: Sequence[str], counted: Set[str]
) -> list[Finding]:
    """The findings, with failures turned into skips where every tip that leads to the commit counts."""
    open_: set[str] = {tip for tip in tips if tip not in counted}
    waiting = list(open_)
    while waiting:
        more = [parent for parent in graph.get(waiting.pop(), ()) if parent not in open_]
        open_.update(more)
        waiting += more
    excusable = frozenset(oids) - open_ - frozenset(tips)
    return [
        Finding(
            each.rule, SKIP, each.subject, f"not asked: a merge that counts brings it in ({each.message})",
            waived="[commits] merge-rule", evidence=each.evidence,
        )
        if each.status == FAIL and each.subject.id in excusable and each.rule in ANSWERED_FOR
        else each
        for each in findings
    ]  # fmt: skip


def first_parents(tip: str, oids: Set[str], graph: Graph) -> frozenset[str]:
    """Those of `oids` that the first parents of `tip` lead to, itself first."""
    found: list[str] = []
    at: str | None = tip
    while at is not None and at in oids:
        found.append(at)
        at = next(iter(graph.get(at, ())), None)
    return frozenset(found)


Judge: TypeAlias = Callable[[ObjectReader, str], list[Finding]]
"""The findings on a commit under another policy."""
Judging: TypeAlias = Callable[[LoadedPolicy], Judge]
"""How a policy judges. Raises `ChainverifyError` for one that cannot be used."""


def under_parents(
    repo: Repository, findings: Sequence[Finding], graph: Graph, judging: Judging, policy: Policy
) -> list[Finding]:
    """The findings, with those of `all-parents` in place of a pass, and beside what `policy` only advises.

    A parent without a policy asks nothing; a commit that takes the policy away that a parent has is `policy-change`.
    Raises nothing: a policy that cannot be used lets nobody pass.
    """
    of_commits: dict[str, list[Finding]] = {}
    for each in findings:
        of_commits.setdefault(each.subject.id, []).append(each)
    found: list[Finding] = []
    with ObjectReader(repo) as reader:
        known: dict[tuple[int, str], Judge | ChainverifyError | None] = {}
        for oid, own in of_commits.items():
            parents = graph.get(oid, ())
            broken: list[Finding] = []
            if parents and not _is_settled(own, policy):
                broken = _under_parents(reader, own[0], parents, known, judging)
            found += [*(each for each in own if not broken or each.status != PASS), *broken]
    return found


def _is_settled(findings: Sequence[Finding], policy: Policy) -> bool:
    """Whether a commit is refused or undecided by the judged policy alone, or excused by its id."""
    if any(each.rule == VERIFIED and each.status == SKIP for each in findings):
        return True
    return any(counted(each) and each.status in (FAIL, UNKNOWN) for each in enforcement.apply(findings, policy))


def _under_parents(
    reader: ObjectReader,
    finding: Finding,
    parents: Sequence[str],
    known: dict[tuple[int, str], Judge | ChainverifyError | None],
    judging: Judging,
) -> list[Finding]:
    oid = finding.subject.id
    try:
        own, *theirs = (trees.entry(reader, each, DIRECTORY) for each in (oid, *parents))
    except ChainverifyError as error:
        return [rules_of.from_error(finding.subject, error)]
    for parent, entry in zip(parents, theirs, strict=True):
        if entry is None:
            continue
        if own is None:
            return [Finding(
                "policy-change", FAIL, finding.subject, f"it takes away {DIRECTORY}/, which its parent {parent} has",
                "keep the policy: merge-rule all-parents judges each commit by the policy before it", evidence=finding.evidence,
            )]  # fmt: skip
        # the whole directory, key files included; and the kind of entry, for a submodule may be called like any tree
        if entry not in known:
            known[entry] = _judge_of(reader.repo, parent, judging)
        judge = known[entry]
        if judge is None:
            continue
        if isinstance(judge, ChainverifyError):
            return [_refused(finding, parent, f"cannot be used: {judge}")]
        broken = [each for each in judge(reader, oid) if counted(each) and each.status in (FAIL, UNKNOWN)]
        if broken:
            return [_refused(finding, parent, f"refuses it ({broken[0].rule}): {broken[0].message}")]
    return []


def _judge_of(repo: Repository, commit: str, judging: Judging) -> Judge | ChainverifyError | None:
    """How the policy of a commit judges others, `[rules]` included; None where it asks for no signature."""
    try:
        loaded = policies.from_revision(repo, commit)
        if loaded.policy.commits is None:
            return None
        judge = judging(loaded)
    except ChainverifyError as error:
        return error
    return lambda reader, oid: list(enforcement.apply(judge(reader, oid), loaded.policy))


def _refused(finding: Finding, parent: str, why: str) -> Finding:
    return Finding(
        "signer-not-allowed", FAIL, Subject("commit", finding.subject.id, finding.subject.title),
        f"the policy of its parent {parent} {why}",
        "have it signed by someone whom the policies of all its parents name, or merge the change of the policy first; "
        "merge-rule is all-parents: every-commit would ask the policy in force alone",
        evidence=finding.evidence,
    )  # fmt: skip
